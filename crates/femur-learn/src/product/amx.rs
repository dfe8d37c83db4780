//! Products of pairs of bfloat16 by the matrix unit of x86 processors (AMX), whose instructions have no stable intrinsics yet.

use super::{Base, Tiled};
use std::arch::asm;
use std::sync::OnceLock;

/// Rows and columns of a block of four tiles.
const SIDE: usize = 32;
/// Pairs in a tile's row.
pub(super) const DEPTH: usize = 16;

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn present() -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    *PRESENT.get_or_init(|| {
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        let both = 1 << 22 | 1 << 24; // AMX-BF16, AMX-TILE
        features & both == both && permitted()
    })
}

/// Asks Linux for the tiles' state, 8 KiB that it does not save unasked.
fn permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_PRCTL: u64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_XTILEDATA: u64 = 18;
        let mut result = ARCH_PRCTL;
        // SAFETY: the call changes nothing but this process's permission; the kernel writes over rcx and r11.
        unsafe {
            asm!("syscall", inlateout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Eight tiles of 16 rows of 64 bytes (Intel's manual, LDTILECFG).
#[repr(C, align(64))]
struct Shape([u8; 64]);

static SHAPE: Shape = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Shape(bytes)
};

/// Whether [`run`] takes a product of so many pairs and columns.
pub(super) fn takes(inner: usize, n: usize) -> bool {
    inner.is_multiple_of(DEPTH) && n.is_multiple_of(SIDE)
}

/// `y = x w`, to which `base` adds. `x` has its pairs in a row one after the other, and memory for a whole number of 32 rows.
///
/// # Safety
/// [`present`].
pub(super) unsafe fn run(t: Tiled<'_, u32>, width: usize, y: &mut [f32], base: Base<'_, f32>) {
    let Tiled { x, by_row, by_inner, panels, rows, inner, n } = t;
    if rows == 0 {
        return;
    }
    assert!(takes(inner, n) && by_inner == 1 && by_row >= inner, "a product of {rows} x {inner} x {n}");
    assert!(
        x.len() >= rows.next_multiple_of(SIDE) * by_row && panels.len() >= inner * n && y.len() >= rows * n,
        "a product of {rows} rows"
    );
    if let Base::Row(row) = base {
        assert!(row.len() >= n, "a row of {n}");
    }
    // SAFETY: the unit is there.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPE.0, options(nostack, readonly)) };
    let mut rest = [0.0_f32; SIDE * SIDE];
    // The weights stay in the first-level cache from one strip of rows to the next.
    for r in (0..rows).step_by(SIDE) {
        for first in (0..n).step_by(SIDE) {
            let (panel, within) = (first / width * width, first % width);
            let columns = width.min(n - panel);
            let b = panels[inner * panel + within..].as_ptr();
            let a = x[r * by_row..].as_ptr();
            let c = y[r * n + first..].as_mut_ptr();
            let (base, step) = match base {
                Base::Zero => (std::ptr::null(), 0),
                Base::Sum => (c.cast_const(), n),
                Base::Row(row) => (row[first..].as_ptr(), 0),
            };
            let count = SIDE.min(rows - r);
            // SAFETY: by the assertions above; the last rows go by way of a block that is whole.
            unsafe {
                if count == SIDE {
                    block(inner / DEPTH, (a, by_row), (b, columns), (base, step), (c, n));
                    continue;
                }
                for k in 0..count {
                    let row = rest[k * SIDE..].as_mut_ptr();
                    if base.is_null() {
                        row.write_bytes(0, SIDE);
                    } else {
                        row.copy_from(base.add(k * step), SIDE);
                    }
                }
                block(inner / DEPTH, (a, by_row), (b, columns), (rest.as_ptr(), SIDE), (rest.as_mut_ptr(), SIDE));
                for k in 0..count {
                    c.add(k * n).copy_from(rest[k * SIDE..].as_ptr(), SIDE);
                }
            }
        }
    }
    // SAFETY: the unit is there.
    unsafe { asm!("tilerelease", options(nomem, nostack)) };
}

/// `c = base + a b` on 32 x 32, each matrix with the step between its rows; `base` may be null.
///
/// # Safety
/// Tiles have their shape; `a` holds 32 rows and `b` columns of `16 depth` pairs, `base` and `c` 32 rows.
unsafe fn block(
    depth: usize,
    (a, a_step): (*const u32, usize),
    (b, b_step): (*const u32, usize),
    (base, base_step): (*const f32, usize),
    (c, c_step): (*mut f32, usize),
) {
    let steps = [a_step, b_step, base_step, c_step].map(|s| 4 * s);
    // SAFETY: reads and writes what the caller promises.
    unsafe {
        asm!(
            "test {base}, {base}",
            "jz 2f",
            "tileloadd tmm0, [{base} + {s}]",
            "tileloadd tmm1, [{base} + {s} + 64]",
            "lea {low}, [{s} * 8]",
            "lea {low}, [{base} + {low} * 2]",
            "tileloadd tmm2, [{low} + {s}]",
            "tileloadd tmm3, [{low} + {s} + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "lea {low}, [{sa} * 8]",
            "lea {low}, [{a} + {low} * 2]",
            "lea {s}, [{sb} * 8]",
            "4:",
            "tileloadd tmm4, [{a} + {sa}]",
            "tileloadd tmm6, [{b} + {sb}]",
            "tileloadd tmm7, [{b} + {sb} + 64]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{low} + {sa}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 64",
            "add {low}, 64",
            "lea {b}, [{b} + {s} * 2]",
            "dec {depth}",
            "jnz 4b",
            "lea {low}, [{sc} * 8]",
            "lea {low}, [{c} + {low} * 2]",
            "tilestored [{c} + {sc}], tmm0",
            "tilestored [{c} + {sc} + 64], tmm1",
            "tilestored [{low} + {sc}], tmm2",
            "tilestored [{low} + {sc} + 64], tmm3",
            base = in(reg) base,
            s = inout(reg) steps[2] => _,
            a = inout(reg) a => _,
            sa = in(reg) steps[0],
            b = inout(reg) b => _,
            sb = in(reg) steps[1],
            c = in(reg) c,
            sc = in(reg) steps[3],
            depth = inout(reg) depth => _,
            low = out(reg) _,
            options(nostack)
        );
    }
}
