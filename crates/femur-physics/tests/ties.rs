//! `[[periodic]]` and `[[equation]]` in every physics: manufactured solutions, closed forms, what is refused.

mod common;

use common::{KINDS, grid, slope, solve, try_solve};
use femur_fem::error_norms::errors;
use femur_mesh::generate::rectangle;
use femur_mesh::{CellKind, Mesh};
use std::f64::consts::PI;
use std::sync::Arc;

const ACROSS: &str = "[[periodic]]\nfrom = \"left\"\nto = \"right\"\n";
const UPWARDS: &str = "[[periodic]]\nfrom = \"bottom\"\nto = \"top\"\n";

/// `T = 0.5 x + sin(2 pi x) cos(y)`, which jumps by 0.5 over a period.
#[test]
fn periodic_temperatures_converge_at_their_order() {
    for &kind in KINDS {
        let exact = "0.5 * x + sin(2 * pi * x) * cos(y)";
        let flux = |sign: &str| format!("{sign}2 * sin(2 * pi * x) * sin(y)");
        let mut case = format!(
            "physics = \"heat\"\nheat_source = \"2 * (4 * pi^2 + 1) * sin(2 * pi * x) * cos(y)\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\n\
            conductivity = 2.0\n{ACROSS}jump = 0.5\n[[boundary]]\ntag = \"bottom\"\ntemperature = \"{exact}\"\n[[boundary]]\ntag = \"top\"\nheat_flux = \"{}\"\n",
            flux("-")
        );
        let mut slopes = vec![];
        let field = |x: [f64; 3], u: &mut [f64], _: &mut [[f64; 3]]| u[0] = 0.5 * x[0] + (2.0 * PI * x[0]).sin() * x[1].cos();
        slopes.push(slope(kind, &case, "temperature", field));
        // The same by Newton's method, with a conductivity that mentions T but does not depend on it.
        case = case.replace("conductivity = 2.0", "conductivity = \"2 + 0 * T\"");
        slopes.push(slope(kind, &case, "temperature", field));
        let theory = kind.order() as f64 + 1.0;
        assert!(slopes.iter().all(|s| (s - theory).abs() < 0.1), "{kind}: slopes {slopes:?}, theory {theory}");
        assert!((slopes[0] - slopes[1]).abs() < 1e-5, "{kind}: {slopes:?}");
    }
}

#[test]
fn heat_in_time_keeps_a_periodic_wave() {
    // sin(2 pi x) decays by exp(-4 pi^2 t); far to the side nothing holds it.
    let mesh = Arc::new(rectangle([1.0, 0.2], [24, 2], CellKind::Quad9).unwrap());
    let case = format!(
        "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 1.0\ndensity = 1.0\nspecific_heat = 1.0\n\
        [initial]\ntemperature = \"sin(2 * pi * x)\"\n[time]\nend = 0.02\nsteps = 40\ntheta = 0.5\n{ACROSS}{UPWARDS}"
    );
    let t = solve(&case, &mesh);
    let decay = (-4.0 * PI * PI * 0.02_f64).exp();
    let last = t.states.last().unwrap().field("temperature").unwrap();
    for n in 0..mesh.num_nodes() {
        assert!((last.values[n] - decay * (2.0 * PI * mesh.point(n)[0]).sin()).abs() < 2e-4);
    }
}

/// Corner (0, 0) of a mesh as a tag.
fn with_corner(mut mesh: Mesh) -> Arc<Mesh> {
    use femur_mesh::TagEntities;
    let corner = |x: f64, y: f64, mesh: &Mesh| {
        let at = |n: &usize| (mesh.point(*n)[0] - x).abs() + (mesh.point(*n)[1] - y).abs() < 1e-12;
        (0..mesh.num_nodes()).find(at).unwrap() as u32
    };
    for (name, x, y) in [("origin", 0.0, 0.0), ("far", 1.0, 1.0)] {
        let node = corner(x, y, &mesh);
        mesh.tags.insert(name, None, TagEntities::Nodes(vec![node]));
    }
    Arc::new(mesh)
}

const HELD: &str = "[[boundary]]\ntag = \"origin\"\ndisplacement = [0, 0]\n";

/// A macroscopic strain on a periodic cell: uniform in a uniform body, on distorted cells too.
#[test]
fn a_macroscopic_strain_is_uniform_in_a_uniform_body() {
    for &kind in common::PLANE {
        let mesh = with_corner((*grid(kind, 4)).clone());
        for (physics, tolerance) in [("linear-elasticity", 1e-10), ("hyperelasticity", 1e-7), ("elastoplasticity", 1e-7)] {
            let material = match physics {
                "hyperelasticity" => "law = \"saint-venant-kirchhoff\"\n",
                "elastoplasticity" => "yield_stress = 1e9\n",
                _ => "",
            };
            let text = format!(
                "physics = \"{physics}\"\nplane = \"strain\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{material}E = 2.5\nnu = 0.25\n{HELD}\
                {ACROSS}jump = [0.02, 0.01]\n{UPWARDS}jump = [0.03, -0.01]\n"
            );
            let t = solve(&text, &mesh);
            let u = t.states[0].field("displacement").unwrap();
            for n in 0..mesh.num_nodes() {
                let p = mesh.point(n);
                let exact = [0.02 * p[0] + 0.03 * p[1], 0.01 * p[0] - 0.01 * p[1]];
                assert!((0..2).all(|d| (u.at(n)[d] - exact[d]).abs() < tolerance), "{physics} {kind}: {:?} {exact:?}", u.at(n));
            }
            // Nothing but the held corner may react, and it has nothing to carry.
            assert!(t.states[0].field("reaction").unwrap().values.iter().all(|r| r.abs() < 1e-7), "{physics} {kind}");
        }
    }
}

/// A laminate: the mean stress under a macroscopic strain across and along the layers has a closed form, by every solver.
#[test]
fn a_laminate_has_its_effective_stiffness() {
    use femur_mesh::TagEntities;
    let mut mesh = rectangle([1.0, 1.0], [8, 8], CellKind::Quad8).unwrap();
    let centre = |c: usize| mesh.cell_nodes(c)[..4].iter().map(|&n| mesh.point(n as usize)[1]).sum::<f64>() / 4.0;
    let (soft, hard): (Vec<u32>, Vec<u32>) = (0..mesh.num_cells() as u32).partition(|&c| centre(c as usize) < 0.5);
    for (name, cells) in [("soft", soft), ("hard", hard)] {
        mesh.tags.insert(name, None, TagEntities::Cells(cells));
    }
    let mesh = with_corner(mesh);
    let mean = |solver: &str, jumps: [&str; 2]| {
        let text = format!(
            "physics = \"linear-elasticity\"\nplane = \"strain\"\n[mesh]\ngenerator = \"rectangle\"\n[solver]\nkind = \"{solver}\"\n[materials.soft]\nE = 1.0\nnu = 0.0\n\
            [materials.hard]\nE = 4.0\nnu = 0.0\n{HELD}{ACROSS}jump = {}\n{UPWARDS}jump = {}\n",
            jumps[0], jumps[1]
        );
        let t = solve(&text, &mesh);
        let s = t.states[0].field("stress").unwrap();
        // The stress at nodes jumps between the layers: take each layer's middle.
        let at = |y: f64| (0..mesh.num_nodes()).find(|&n| (mesh.point(n)[0] - 0.5).abs() + (mesh.point(n)[1] - y).abs() < 1e-9).unwrap();
        [0, 1, 3].map(|k| 0.5 * (s.at(at(0.25))[k] + s.at(at(0.75))[k]))
    };
    for solver in ["direct", "cg", "amg"] {
        let close = |got: f64, exact: f64| assert!((got / exact - 1.0).abs() < 1e-7, "{solver}: {got} {exact}");
        // Along the layers the stiffnesses add, across them the compliances do; so do they in shear.
        close(mean(solver, ["[0.01, 0]", "[0, 0]"])[0], 0.01 * 2.5);
        close(mean(solver, ["[0, 0]", "[0, 0.01]"])[1], 0.01 / (0.5 / 1.0 + 0.5 / 4.0));
        close(mean(solver, ["[0, 0]", "[0.01, 0]"])[2], 0.01 / (0.5 / 0.5 + 0.5 / 2.0));
    }
}

/// A plane end that stays plane: the pull of one force is spread as by a rigid plate.
#[test]
fn an_equation_keeps_a_plane_end_plane() {
    let mesh = with_corner(rectangle([1.0, 1.0], [6, 6], CellKind::Quad4).unwrap());
    let run = |physics: &str, law: &str| {
        let text = format!(
            "physics = \"{physics}\"\nplane = \"strain\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{law}E = 10.0\nnu = 0.0\n[[boundary]]\ntag = \"bottom\"\nroller = true\n\
            [[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"far\"\npoint_force = [0, 0.1]\n\
            [[equation]]\nterms = [{{ tag = \"top\", component = \"y\" }}, {{ tag = \"far\", component = \"y\", factor = -1 }}]\n"
        );
        solve(&text, &mesh)
    };
    let t = run("linear-elasticity", "");
    let u = t.states[0].field("displacement").unwrap();
    // E = 10 under 0.1 per unit area.
    for n in mesh.tag_nodes("top").unwrap() {
        assert!((u.at(n as usize)[1] - 0.01).abs() < 1e-12, "{:?}", u.at(n as usize));
    }
    assert!((0..mesh.num_nodes()).all(|n| (u.at(n)[1] - 0.01 * mesh.point(n)[1]).abs() < 1e-12));
    // Saint Venant-Kirchhoff in a bar: P = E (l^3 - l) / 2.
    let t = run("hyperelasticity", "law = \"saint-venant-kirchhoff\"\n");
    let l = 1.0 + t.states[0].field("displacement").unwrap().at(mesh.tag_nodes("far").unwrap()[0] as usize)[1];
    assert!((5.0 * (l.powi(3) - l) - 0.1).abs() < 1e-8, "{l}");
}

#[test]
fn a_wave_goes_round_and_round() {
    let mesh = Arc::new(rectangle([1.0, 0.1], [40, 1], CellKind::Quad9).unwrap());
    let case = format!(
        "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[initial]\namplitude = \"sin(2 * pi * x)\"\n\
        rate = \"-2 * pi * cos(2 * pi * x)\"\n[time]\nend = 1.0\nsteps = 400\n[dynamics]\nspectral_radius = 1.0\n{ACROSS}"
    );
    let t = solve(&case, &mesh);
    for (k, shift) in [(100, 0.25), (400, 0.0)] {
        let a = t.states[k].field("amplitude").unwrap();
        assert!((0..mesh.num_nodes()).all(|n| (a.values[n] - (2.0 * PI * (mesh.point(n)[0] - shift)).sin()).abs() < 2e-3), "{k}");
    }
}

#[test]
fn a_periodic_bar_has_its_modes_in_pairs() {
    // Waves along a bar of unit length and period: frequency k c, twice each; the motions along and across come first, at 0.
    let mesh = Arc::new(rectangle([1.0, 0.05], [24, 1], CellKind::Quad8).unwrap());
    let case = format!(
        "physics = \"modal\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 4.0\nnu = 0.0\ndensity = 1.0\n[modal]\ncount = 5\n\
        [[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"top\"\nroller = true\n{ACROSS}"
    );
    let t = solve(&case, &mesh);
    let f = &t.log.series[0].values;
    assert!(f[0] < 1e-4, "{f:?}");
    for (k, exact) in [(1, 2.0), (2, 2.0), (3, 4.0), (4, 4.0)] {
        assert!((f[k] / exact - 1.0).abs() < 1e-3, "{f:?}");
    }
}

#[test]
fn elastodynamics_carries_a_wave_over_the_border() {
    let mesh = Arc::new(rectangle([1.0, 0.05], [40, 1], CellKind::Quad8).unwrap());
    for physics in ["elastodynamics", "hyperelasticity"] {
        let law = if physics == "hyperelasticity" { "law = \"saint-venant-kirchhoff\"\n" } else { "" };
        let case = format!(
            "physics = \"{physics}\"\nplane = \"strain\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{law}E = 1.0\nnu = 0.0\ndensity = 1.0\n[initial]\n\
            displacement = [\"1e-4 * sin(2 * pi * x)\", 0]\nvelocity = [\"-2e-4 * pi * cos(2 * pi * x)\", 0]\n[time]\nend = 0.5\nsteps = 200\n\
            [dynamics]\nscheme = \"newmark\"\n{ACROSS}[[boundary]]\ntag = \"bottom\"\nroller = true\n"
        );
        let t = solve(&case, &mesh);
        let u = t.states[200].field("displacement").unwrap();
        for n in 0..mesh.num_nodes() {
            let exact = 1e-4 * (2.0 * PI * (mesh.point(n)[0] - 0.5)).sin();
            assert!((u.at(n)[0] - exact).abs() < 3e-7, "{physics}: {} {exact}", u.at(n)[0]);
        }
    }
}

/// The vortices of Taylor and Green decay by `exp(-8 pi^2 nu t)`; nothing but their periods holds them.
#[test]
fn vortices_decay_in_a_periodic_box() {
    let run = |n: usize, integrator: &str| {
        let mesh = Arc::new(rectangle([1.0, 1.0], [n, n], CellKind::Quad9).unwrap());
        let case = format!(
            "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 1.0\nviscosity = 0.02\n{ACROSS}{UPWARDS}\
            [initial]\nvelocity = [\"sin(2 * pi * x) * cos(2 * pi * y)\", \"-cos(2 * pi * x) * sin(2 * pi * y)\"]\n[time]\nend = 0.2\nsteps = 4\n\
            [solver]\nintegrator = \"{integrator}\"\nsubsteps = {}\n",
            5 * n / 4
        );
        let t = solve(&case, &mesh);
        let decay = (-8.0 * PI * PI * 0.02 * 0.2_f64).exp();
        let at = |name: &str| t.states.last().unwrap().field(name).unwrap().values.clone();
        let velocity = errors(&mesh, &at("velocity"), 2, |x, u, _| {
            u[0] = decay * (2.0 * PI * x[0]).sin() * (2.0 * PI * x[1]).cos();
            u[1] = -decay * (2.0 * PI * x[0]).cos() * (2.0 * PI * x[1]).sin();
        });
        let pressure = errors(&mesh, &at("pressure"), 1, |x, p, _| {
            p[0] = 0.25 * decay * decay * ((4.0 * PI * x[0]).cos() + (4.0 * PI * x[1]).cos());
        });
        (velocity.0, pressure.0)
    };
    for integrator in ["semi-implicit", "implicit"] {
        let (coarse, fine) = (run(8, integrator), run(16, integrator));
        assert!(fine.0 < 1e-3 && coarse.0 / fine.0 > 3.6, "{integrator}: {coarse:?} {fine:?}");
        assert!(fine.1 < 5e-3 && coarse.1 / fine.1 > 3.0, "{integrator}: {coarse:?} {fine:?}");
    }
}

#[test]
fn a_body_force_drives_a_periodic_channel() {
    // Poiseuille: u = f y (1 - y) / (2 mu).
    let mesh = Arc::new(rectangle([0.5, 1.0], [2, 4], CellKind::Triangle6).unwrap());
    let case = format!(
        "physics = \"navier-stokes\"\nbody_force = [0.8, 0]\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 1.0\nviscosity = 0.1\n{ACROSS}\
        [[boundary]]\ntag = \"bottom\"\nno_slip = true\n[[boundary]]\ntag = \"top\"\nno_slip = true\n"
    );
    let t = solve(&case, &mesh);
    let u = t.states[0].field("velocity").unwrap();
    for n in 0..mesh.num_nodes() {
        let y = mesh.point(n)[1];
        assert!((u.at(n)[0] - 4.0 * y * (1.0 - y)).abs() < 1e-9 && u.at(n)[1].abs() < 1e-9);
    }
}

#[test]
fn a_cloud_is_carried_over_the_border() {
    let mesh = Arc::new(rectangle([1.0, 0.1], [40, 1], CellKind::Quad9).unwrap());
    let case = format!(
        "physics = \"advection-diffusion\"\nvelocity = [1.0, 0.0]\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndiffusivity = 1e-3\n\
        [initial]\nconcentration = \"1 + sin(2 * pi * x)\"\n[time]\nend = 1.0\nsteps = 200\ntheta = 0.5\n{ACROSS}"
    );
    let t = solve(&case, &mesh);
    let c = t.states[200].field("concentration").unwrap();
    let decay = (-4.0 * PI * PI * 1e-3_f64).exp();
    for n in 0..mesh.num_nodes() {
        let exact = 1.0 + decay * (2.0 * PI * mesh.point(n)[0]).sin();
        assert!((c.values[n] - exact).abs() < 3e-3, "{} {exact}", c.values[n]);
    }
}

/// A value held at one corner of a doubly periodic square holds at all four.
#[test]
fn what_one_of_many_partners_holds_all_hold() {
    let mesh = with_corner(rectangle([1.0, 1.0], [4, 4], CellKind::Quad4).unwrap());
    let case = format!(
        "physics = \"advection-diffusion\"\nvelocity = [0.3, 0.1]\nsource = 1.0\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndiffusivity = 0.1\n\
        {ACROSS}{UPWARDS}[[boundary]]\ntag = \"far\"\nconcentration = 2.0\n"
    );
    let t = solve(&case, &mesh);
    let c = &t.states[0].field("concentration").unwrap().values;
    let corner =
        |x: f64, y: f64| (0..mesh.num_nodes()).find(|&n| (mesh.point(n)[0] - x).abs() + (mesh.point(n)[1] - y).abs() < 1e-12).unwrap();
    for (x, y) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        assert_eq!(c[corner(x, y)], 2.0);
    }
    // The source lifts all the rest, and what leaves on one side comes in on the other.
    assert!((0..mesh.num_nodes()).all(|n| c[n] >= 2.0 - 1e-12));
    for y in [0.25, 0.5, 0.75] {
        assert!((c[corner(0.0, y)] - c[corner(1.0, y)]).abs() < 1e-12 && (c[corner(y, 0.0)] - c[corner(y, 1.0)]).abs() < 1e-12);
    }
}

#[test]
fn mistakes_are_named() {
    let mesh = with_corner(rectangle([1.0, 1.0], [3, 4], CellKind::Quad4).unwrap());
    let e = |rest: &str| {
        let head = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 1.0\nnu = 0.3\n";
        try_solve(&format!("{head}{rest}"), &mesh).unwrap_err()
    };
    assert!(e(&format!("{HELD}[[periodic]]\nfrom = \"left\"\nto = \"bottom\"\n")).contains("`left` has 5 nodes, `bottom` has 4"));
    assert!(e(&format!("{HELD}{ACROSS}jump = [1]\n")).contains("has 1 components"));
    assert!(e(&format!("{HELD}{ACROSS}jmp = [1, 0]\n")).contains("did you mean `jump`"));
    assert!(e(&format!("{ACROSS}[[periodic]]\nfrom = \"right\"\nto = \"left\"\n")).contains("follows itself"));
    assert!(e(&format!("{HELD}[[periodic]]\nfrom = \"left\"\nto = \"rihgt\"\n")).contains("did you mean \"right\"?"));
    // One corner and one pair of sides leave no way to move rigidly, no corner leaves two.
    assert!(e(ACROSS).contains("move rigidly in 2 of 3 ways"));
    let equation = |terms: &str| format!("{HELD}[[equation]]\nterms = [{terms}]\n");
    assert!(e(&equation("{ tag = \"top\", component = \"y\" }, { tag = \"right\", component = \"y\" }")).contains("`right` has 5 nodes"));
    assert!(e(&equation("{ tag = \"origin\", component = \"y\" }, { tag = \"far\", component = \"y\" }")).contains("is given already"));
    assert!(e(&format!("{HELD}[[equation]]\nvalue = 1\n")).contains("missing"));
    let held = "[[boundary]]\ntag = \"far\"\ndisplacement = [0, 0]\n";
    assert!(e(&format!("{held}{ACROSS}{UPWARDS}")).contains("prescribe its partner on `from`"));
    let same = "{ tag = \"top\", component = \"y\" }, { tag = \"far\", component = \"y\", factor = -1 }]\nvalue = 0.1";
    assert!(e(&format!("{HELD}[[equation]]\nterms = [{same}\n")).contains("is given already"));
    let wave = format!(
        "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[time]\nend = 1.0\nsteps = 1\n{ACROSS}jump = 0.5\n"
    );
    assert!(try_solve(&wave, &mesh).unwrap_err().contains("leave out jump"));
}
