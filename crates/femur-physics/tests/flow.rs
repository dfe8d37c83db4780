//! Incompressible flow on every element: manufactured and exact solutions with their slopes, orders in time, forces, published values.

use femur_fem::error_norms::errors;
use femur_mesh::CellKind::{self, Hex27, Quad8, Quad9, Tet10, Triangle6};
use femur_mesh::Mesh;
use femur_mesh::generate::{ChannelSpec, box_, channel_with_cylinder, rectangle};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_sim::{NodeType, Trajectory, rollout};
use std::sync::Arc;

fn run(case: &str, mesh: &Arc<Mesh>) -> Result<Trajectory, String> {
    let case = CaseFile::parse(case, "test.toml").unwrap().nominal().unwrap();
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
    let mut simulator = physics.simulator(&case, mesh).map_err(|e| e.to_string())?;
    case.finish().map_err(|e| e.to_string())?;
    let trajectory = rollout(simulator.as_mut(), &mut ()).map_err(|e| e.to_string())?;
    assert_eq!(trajectory.setup, physics.setup(&case, mesh).unwrap());
    Ok(trajectory)
}

fn solve(case: &str, mesh: &Arc<Mesh>) -> Trajectory {
    run(case, mesh).unwrap()
}

/// L2 errors of velocity and pressure in the last state.
fn flow_errors(t: &Trajectory, mesh: &Mesh, exact: impl Fn([f64; 3]) -> ([f64; 3], f64)) -> (f64, f64) {
    let state = t.states.last().unwrap();
    let (u, p) = (state.field("velocity").unwrap(), state.field("pressure").unwrap());
    let velocity = errors(mesh, &u.values, mesh.dim, |x, u, _| u.copy_from_slice(&exact(x).0[..mesh.dim])).0;
    // The pressure lives on the vertices: its error there is that of the linear interpolant.
    let (linear, kept) = mesh.vertices_only();
    let values: Vec<f64> = kept.iter().map(|&n| p.values[n as usize]).collect();
    (velocity, errors(&linear, &values, 1, |x, u, _| u[0] = exact(x).1).0)
}

fn check_slopes(kind: CellKind, coarse: usize, fine: usize, at: impl Fn(usize) -> (f64, f64)) {
    let (a, b) = (at(coarse), at(fine));
    let ratio = (fine as f64 / coarse as f64).log2();
    let (u, p) = ((a.0 / b.0).log2() / ratio, (a.1 / b.1).log2() / ratio);
    println!("{kind}: velocity {u:.3} pressure {p:.3} errors {a:?} {b:?}");
    assert!((u - 3.0).abs() < 0.1, "{kind}: slope of the velocity {u:.3}");
    assert!((p - 2.0).abs() < 0.1, "{kind}: slope of the pressure {p:.3}");
}

const SIDES: [&str; 6] = ["left", "right", "bottom", "top", "back", "front"];

/// Kovasznay (1948): laminar flow behind a grid, an exact solution of the steady equations.
#[test]
fn kovasznay_flow_converges_at_its_order() {
    use std::f64::consts::PI;
    let re: f64 = 40.0;
    let lambda = re / 2.0 - (re * re / 4.0 + 4.0 * PI * PI).sqrt();
    let mean = -(2.0 * lambda).exp_m1() / (4.0 * lambda);
    let u = format!("1 - exp({lambda} * x) * cos(2 * pi * y)");
    let v = format!("{} * exp({lambda} * x) * sin(2 * pi * y)", lambda / (2.0 * PI));
    let mut case = format!(
        "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 1.0\nviscosity = {}\n",
        1.0 / re
    );
    for side in &SIDES[..4] {
        case += &format!("[[boundary]]\ntag = \"{side}\"\nvelocity = [\"{u}\", \"{v}\"]\n");
    }
    for kind in [Triangle6, Quad8, Quad9] {
        check_slopes(kind, 20, 32, |n| {
            let mesh = Arc::new(rectangle([1.0, 1.0], [n, n], kind).unwrap());
            flow_errors(&solve(&case, &mesh), &mesh, |x| {
                let (e, w) = ((lambda * x[0]).exp(), 2.0 * PI * x[1]);
                ([1.0 - e * w.cos(), lambda / (2.0 * PI) * e * w.sin(), 0.0], -0.5 * e * e - mean)
            })
        });
    }
}

#[test]
fn a_manufactured_flow_in_space_converges_at_its_order() {
    let (rho, mu) = (1.3, 1.0);
    let force = [
        format!("{rho} * sin(z) * cos(y) + {mu} * sin(y) + cos(x + y)"),
        format!("{rho} * sin(x) * cos(z) + {mu} * sin(z) + cos(x + y)"),
        format!("{rho} * sin(y) * cos(x) + {mu} * sin(x)"),
    ];
    let mut case = format!(
        "physics = \"navier-stokes\"\nbody_force = [\"{}\", \"{}\", \"{}\"]\n[mesh]\ngenerator = \"box\"\n[materials.body]\ndensity = {rho}\nviscosity = {mu}\n",
        force[0], force[1], force[2]
    );
    for side in SIDES {
        case += &format!("[[boundary]]\ntag = \"{side}\"\nvelocity = [\"sin(y)\", \"sin(z)\", \"sin(x)\"]\n");
    }
    // The mean of sin(x + y) over the unit square.
    let mean = 2.0 * 1f64.sin() - 2f64.sin();
    for kind in [Tet10, Hex27] {
        check_slopes(kind, 4, 6, |n| {
            let mesh = Arc::new(box_([1.0; 3], [n, n, n], kind).unwrap());
            flow_errors(&solve(&case, &mesh), &mesh, |x| ([x[1].sin(), x[2].sin(), x[0].sin()], (x[0] + x[1]).sin() - mean))
        });
    }
}

/// u = (y^2, x^2) g(t), p = (x + y - 1) h(t): met exactly in space, so that the error is that of the time integrator alone.
fn in_time(integrator: &str, steps: usize) -> (f64, f64) {
    let (rho, mu) = (1.2, 0.3);
    let (g, slope, h) = ("(1 + sin(3 * t))", "(3 * cos(3 * t))", "cos(2 * t)");
    let force = |own: &str, other: &str| format!("{rho} * ({slope} * {own}^2 + 2 * {other}^2 * {own} * {g}^2) - 2 * {mu} * {g} + {h}");
    let mut case = format!(
        "physics = \"navier-stokes\"\nbody_force = [\"{}\", \"{}\"]\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = {rho}\nviscosity = {mu}\n\
        [initial]\nvelocity = [\"y^2\", \"x^2\"]\n[time]\nend = 0.7\nsteps = {steps}\n[solver]\nintegrator = \"{integrator}\"\n",
        force("y", "x"),
        force("x", "y")
    );
    for side in &SIDES[..4] {
        case += &format!("[[boundary]]\ntag = \"{side}\"\nvelocity = [\"y^2 * {g}\", \"x^2 * {g}\"]\n");
    }
    let mesh = Arc::new(rectangle([1.0, 1.0], [3, 3], Quad9).unwrap());
    let t = solve(&case, &mesh);
    let (g, h) = (1.0 + 2.1f64.sin(), 1.4f64.cos());
    flow_errors(&t, &mesh, |x| ([x[1] * x[1] * g, x[0] * x[0] * g, 0.0], (x[0] + x[1] - 1.0) * h))
}

#[test]
fn both_integrators_are_of_second_order() {
    for integrator in ["semi-implicit", "implicit"] {
        let (a, b) = (in_time(integrator, 100), in_time(integrator, 200));
        let (u, p) = ((a.0 / b.0).log2(), (a.1 / b.1).log2());
        println!("{integrator}: velocity {u:.3} pressure {p:.3} {a:?} {b:?}");
        assert!((u - 2.0).abs() < 0.1, "{integrator}: order of the velocity {u:.3}");
        assert!((p - 2.0).abs() < 0.1, "{integrator}: order of the pressure {p:.3}");
    }
}

/// Half a channel between a wall and a plane of symmetry, turned by 30 degrees: met exactly.
#[test]
fn half_a_turned_channel_is_exact() {
    let (mu, drop) = (0.5, 3.0);
    for kind in [Triangle6, Quad9] {
        let mut mesh = rectangle([2.0, 1.0], [5, 4], kind).unwrap();
        let (sin, cos) = 30f64.to_radians().sin_cos();
        for p in mesh.points.chunks_exact_mut(2) {
            (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
        }
        let mesh = Arc::new(mesh);
        let across = format!("(-{sin} * x + {cos} * y)");
        let along = format!("{} * {across} * (2 - {across})", drop / (2.0 * mu));
        let case = format!(
            "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 2.0\nviscosity = {mu}\n\
            [[boundary]]\ntag = \"left\"\nvelocity = [\"{cos} * {along}\", \"{sin} * {along}\"]\n[[boundary]]\ntag = \"top\"\nslip = true\n\
            [[boundary]]\ntag = \"bottom\"\nno_slip = true\n[[boundary]]\ntag = \"right\"\noutflow = true\npressure = 7.0\n\
            [pressure_difference]\npoints = [[0.0, 0.0], [{}, {}]]\n",
            2.0 * cos,
            2.0 * sin
        );
        let t = solve(&case, &mesh);
        let (u, p) = flow_errors(&t, &mesh, |x| {
            let (along, across) = (cos * x[0] + sin * x[1], -sin * x[0] + cos * x[1]);
            let speed = drop / (2.0 * mu) * across * (2.0 - across);
            ([cos * speed, sin * speed, 0.0], 7.0 + drop * (2.0 - along))
        });
        assert!(u < 1e-9 && p < 1e-8, "{kind}: {u} {p}");
        let series = |name: &str| t.log.series.iter().find(|s| s.name == name).unwrap().values[0];
        assert!((series("pressure_difference") - 2.0 * drop).abs() < 1e-8);
        let count = |kind: NodeType| t.setup.node_type.iter().filter(|t| **t == kind).count();
        assert!(
            count(NodeType::Inflow) > 0
                && count(NodeType::Outflow) > 0
                && count(NodeType::WallBoundary) > 0
                && count(NodeType::Symmetry) > 0
        );
    }
}

/// A heavy fluid at rest lifts a body by the weight of what it displaces, but for the pressure's interpolation in curved cells.
#[test]
fn a_fluid_at_rest_lifts_a_body_by_its_displaced_weight() {
    let mesh = Arc::new(channel_with_cylinder(&ChannelSpec { order: 2, length: 1.0, size: 0.06, ..ChannelSpec::default() }).unwrap());
    let mut case = String::from(
        "physics = \"navier-stokes\"\nbody_force = [0.0, -3.0]\n[mesh]\ngenerator = \"channel-cylinder\"\n[materials.fluid]\ndensity = 1.0\n\
        viscosity = 0.1\n[forces]\ntag = \"cylinder\"\nvelocity = 2.0\nlength = 0.5\n",
    );
    for tag in ["inflow", "walls", "cylinder", "outflow"] {
        case += &format!("[[boundary]]\ntag = \"{tag}\"\nno_slip = true\n");
    }
    let t = solve(&case, &mesh);
    // The displaced area by the divergence theorem over the curved facets, whose normals point into the body.
    let points = femur_fem::facets::facet_points(&mesh, mesh.tag_facets("cylinder").unwrap(), 5);
    let area: f64 = -points.iter().map(|p| p.area * p.normal[1] * p.position[1]).sum::<f64>();
    assert!((area / (std::f64::consts::PI * 0.0025) - 1.0).abs() < 1e-3);
    let value = |k: usize| t.log.series[k].values[0];
    assert_eq!((t.log.series[0].name.as_str(), t.log.series[1].name.as_str()), ("drag_coefficient", "lift_coefficient"));
    assert!(value(0).abs() < 1e-6 && (value(1) / (3.0 * area) - 1.0).abs() < 1e-4, "{} {} {area}", value(0), value(1));
}

/// DFG benchmark 2D-1 (Schaefer and Turek 1996; FeatFlow's values): steady flow around a cylinder at Re 20.
fn dfg_2d_1(size: f64, refinement: f64) -> [f64; 3] {
    let spec = ChannelSpec { order: 2, size, refinement, ..ChannelSpec::default() };
    let mesh = Arc::new(channel_with_cylinder(&spec).unwrap());
    let case = "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"channel-cylinder\"\n[materials.fluid]\ndensity = 1.0\nviscosity = 0.001\n\
        [[boundary]]\ntag = \"inflow\"\ninflow.mean = 0.2\n[[boundary]]\ntag = \"outflow\"\noutflow = true\n\
        [[boundary]]\ntag = \"walls\"\nno_slip = true\n[[boundary]]\ntag = \"cylinder\"\nno_slip = true\n\
        [forces]\ntag = \"cylinder\"\nvelocity = 0.2\nlength = 0.1\n[pressure_difference]\npoints = [[0.15, 0.2], [0.25, 0.2]]\n";
    let t = solve(case, &mesh);
    let series = |name: &str| t.log.series.iter().find(|s| s.name == name).unwrap().values[0];
    [series("drag_coefficient"), series("lift_coefficient"), series("pressure_difference")]
}

#[test]
fn the_steady_cylinder_meets_the_published_forces() {
    let [drag, lift, drop] = dfg_2d_1(0.04, 0.1);
    assert!((drag / 5.57953523384 - 1.0).abs() < 0.001, "{drag}");
    assert!((lift / 0.010618948146 - 1.0).abs() < 0.03, "{lift}");
    assert!((drop / 0.11752016697 - 1.0).abs() < 0.005, "{drop}");
}

/// Lid-driven cavity at Re 100 against Ghia, Ghia and Shin (1982), table I.
#[test]
fn the_cavity_meets_the_published_profile() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [24, 24], Quad9).unwrap());
    let mut case = String::from(
        "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 1.0\nviscosity = 0.01\n\
        [[boundary]]\ntag = \"top\"\nvelocity = [1.0, 0.0]\n",
    );
    for side in &SIDES[..3] {
        case += &format!("[[boundary]]\ntag = \"{side}\"\nno_slip = true\n");
    }
    let t = solve(&case, &mesh);
    let locator = femur_mesh::Locator::new(&mesh);
    let u = t.states[0].field("velocity").unwrap();
    for (y, published) in [(0.9766, 0.84123), (0.5, -0.20581), (0.1719, -0.10150)] {
        let value = locator.interpolate(u, &[0.5, y]).unwrap()[0];
        assert!((value - published).abs() < 0.01 * 0.84, "{y}: {value} {published}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let mesh = Arc::new(channel_with_cylinder(&ChannelSpec { order: 2, size: 0.05, ..ChannelSpec::default() }).unwrap());
    let case = "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"channel-cylinder\"\n[materials.fluid]\ndensity = 1.0\nviscosity = 0.001\n\
        [[boundary]]\ntag = \"inflow\"\nvelocity = [\"6 * y * (0.41 - y) / 0.41^2\", 0.0]\n[[boundary]]\ntag = \"outflow\"\noutflow = true\n\
        [[boundary]]\ntag = \"walls\"\nno_slip = true\n[[boundary]]\ntag = \"cylinder\"\nno_slip = true\n[time]\nend = 0.02\nsteps = 2\n\
        [solver]\nsubsteps = 5\n";
    let run = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| solve(case, &mesh));
    assert_eq!(run(1).states, run(3).states);
}

/// Velocity by its change, pressure as it is; held where the script says so, at the kinds of node of the published data sets.
#[test]
fn a_surrogate_learns_the_step() {
    let spec = ChannelSpec { order: 2, size: 0.06, ..ChannelSpec::default() };
    let mesh = Arc::new(channel_with_cylinder(&spec).unwrap());
    let text = "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"channel-cylinder\"\n[materials.fluid]\ndensity = 1.0\nviscosity = 0.001\n\
        [[boundary]]\ntag = \"inflow\"\ninflow.mean = 1.0\n[[boundary]]\ntag = \"outflow\"\noutflow = true\n[[boundary]]\ntag = \"walls\"\n\
        no_slip = true\n[[boundary]]\ntag = \"cylinder\"\nno_slip = true\n[time]\nend = 0.02\nsteps = 2\n[solver]\nsubsteps = 20\n[output]\n\
        vertices_only = true\n";
    let t = solve(text, &mesh);
    let vertices = mesh.vertices_only().0;
    assert!(t.states.iter().all(|s| s.fields.iter().all(|f| f.len() == vertices.num_nodes())));
    let case = CaseFile::parse(text, "test.toml").unwrap().nominal().unwrap();
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
    let task = physics.learning_task(&case, &t.setup).unwrap();
    let targets: Vec<_> = task.targets.iter().map(|t| (t.field.as_str(), t.update)).collect();
    assert_eq!(targets, [("velocity", femur_sim::Update::Delta), ("pressure", femur_sim::Update::Absolute)]);
    assert!(task.linear_in.is_empty() && task.state_inputs == ["velocity"]);
    let held = t.setup.prescribed("velocity").unwrap();
    for n in 0..vertices.num_nodes() {
        let (x, kind) = (vertices.point(n), t.setup.node_type[n]);
        let wall = x[1] == 0.0 || x[1] == 0.41 || ((x[0] - 0.2).hypot(x[1] - 0.2) - 0.05).abs() < 1e-9;
        let expected = match (wall, x[0] == 0.0, x[0] == 2.2) {
            (true, ..) => NodeType::WallBoundary,
            (_, true, _) => NodeType::Inflow,
            (_, _, true) => NodeType::Outflow,
            _ => NodeType::Normal,
        };
        assert_eq!(kind, expected, "{x:?}");
        assert_eq!(held.mask[2 * n], matches!(kind, NodeType::WallBoundary | NodeType::Inflow));
        if kind == NodeType::Inflow {
            assert!((held.values[2 * n] - 6.0 * x[1] * (0.41 - x[1]) / 0.41f64.powi(2)).abs() < 1e-12);
        }
    }
}

#[test]
fn mistakes_are_named() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [4, 4], Quad9).unwrap());
    let complaint = |lines: &str, mesh: &Arc<Mesh>| {
        let case = format!(
            "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndensity = 1.0\nviscosity = 0.1\n{lines}"
        );
        run(&case, mesh).unwrap_err()
    };
    let walls = |from: usize| SIDES[from..4].iter().map(|s| format!("[[boundary]]\ntag = \"{s}\"\nno_slip = true\n")).collect::<String>();
    let e = complaint(&walls(1), &mesh);
    assert!(e.contains("4 boundary facets have no condition") && e.contains("hint:"), "{e}");
    let e = complaint(&format!("[[boundary]]\ntag = \"left\"\nvelocity = [1.0, 0.0]\n{}", walls(1)), &mesh);
    assert!(e.contains("enclosed, but a net volume"), "{e}");
    let e = complaint(&format!("[[boundary]]\ntag = \"left\"\nvelocity = [1.0]\n{}", walls(1)), &mesh);
    assert!(e.contains("`boundary.0.velocity`: has 1 components"), "{e}");
    let e = complaint(&format!("[[boundary]]\ntag = \"left\"\nslip = true\noutflow = true\n{}", walls(1)), &mesh);
    assert!(e.contains("`boundary.0.outflow`: stands beside `slip`"), "{e}");
    let e = complaint(&format!("{}[time]\nend = 1.0\nsteps = 2\ntheta = 0.5\n", walls(0)), &mesh);
    assert!(e.contains("`time.theta`: is not for this physics"), "{e}");
    let e = complaint(&format!("{}[forces]\ntag = \"outlet\"\nvelocity = 1.0\nlength = 1.0\n", walls(0)), &mesh);
    assert!(e.contains("the mesh has no tag \"outlet\""), "{e}");
    let linear = Arc::new(rectangle([1.0, 1.0], [4, 4], CellKind::Quad4).unwrap());
    assert!(complaint(&walls(0), &linear).contains("velocities need quadratic cells, the mesh has quad4"));
}

/// Far too long a step of the semi-implicit scheme ends with the reason, not with NaN.
#[test]
fn a_step_that_is_too_long_is_named() {
    let mesh = Arc::new(channel_with_cylinder(&ChannelSpec { order: 2, size: 0.05, ..ChannelSpec::default() }).unwrap());
    let case = "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"channel-cylinder\"\n[materials.fluid]\ndensity = 1.0\nviscosity = 1e-5\n\
        [[boundary]]\ntag = \"inflow\"\nvelocity = [\"6 * y * (0.41 - y) / 0.41^2\", 0.0]\n[[boundary]]\ntag = \"outflow\"\noutflow = true\n\
        [[boundary]]\ntag = \"walls\"\nno_slip = true\n[[boundary]]\ntag = \"cylinder\"\nno_slip = true\n[time]\nend = 60.0\nsteps = 300\n";
    let e = run(case, &mesh).unwrap_err();
    assert!(e.contains("Raise [solver] substeps"), "{e}");
}
