//! Plain loops compiled twice: for any processor, and for one with AVX2, which is chosen when the program runs.

/// Wraps functions made of plain loops. Closures inside would be compiled for any processor: write loops out.
macro_rules! wide {
    ($(#[$doc:meta])* fn $name:ident $(<$real:ident: $bound:path>)? ($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        fn $name $(<$real: $bound>)? ($($arg: $type),*) {
            #[inline(always)]
            fn plain $(<$real: $bound>)? ($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn wide $(<$real: $bound>)? ($($arg: $type),*) {
                    plain($($arg),*)
                }
                // SAFETY: the processor was just asked.
                return unsafe { wide($($arg),*) };
            }
            plain($($arg),*)
        }
    };
}

pub(crate) use wide;
