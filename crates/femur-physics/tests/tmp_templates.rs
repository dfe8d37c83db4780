use femur_physics::PHYSICS;
use femur_sim::case::{CaseFile, generators};
use femur_sim::rollout;
use std::sync::Arc;
#[test]
fn templates() {
    for name in ["hyperelastic-beam", "elastoplastic-plate", "deforming-plate"] {
        let text = std::fs::read_to_string(format!("../femur/templates/{name}.toml")).unwrap();
        let file = CaseFile::parse(&text, name).unwrap();
        for draw in 0..std::env::var("DRAWS").map_or(2, |d| d.parse().unwrap()) {
            let case = if draw == 0 { file.nominal().unwrap() } else { file.draw(femur_sim::case::Split::Train, draw, 0).unwrap() };
            let mesh = Arc::new(generators::build(&case).unwrap());
            let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
            let start = std::time::Instant::now();
            let mut s = physics.simulator(&case, &mesh).unwrap();
            match rollout(s.as_mut(), &mut ()) {
                Ok(t) => {
                    println!("{name} {draw}: {} nodes, {:?}, newton {:?}", mesh.num_nodes(), start.elapsed(), t.log.newton_iters);
                    for f in &t.states.last().unwrap().fields { println!("   {} max {:.4e} min {:.4e}", f.name, f.values.iter().fold(-1e300_f64, |a, v| a.max(*v)), f.values.iter().fold(1e300_f64, |a, v| a.min(*v))); }
                    for s in &t.log.series { println!("   {} {} .. {}", s.name, s.values.len(), s.values.last().unwrap()); }
                }
                Err(e) => println!("{name} {draw}: {} nodes FAILED {e}", mesh.num_nodes()),
            }
        }
    }
}

#[test]
fn problems() {
    for name in ["cook-nearly-incompressible", "cook-neo-hookean", "cook-neo-hookean-compressible", "thick-cylinder-elastoplastic", "hertz-cylinder"] {
        let text = std::fs::read_to_string(format!("../../benchmarks/problems/{name}.toml")).unwrap();
        let file = CaseFile::parse(&text, name).unwrap();
        let case = file.nominal().unwrap();
        let mesh = Arc::new(generators::build(&case).unwrap());
        let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
        let start = std::time::Instant::now();
        let mut s = physics.simulator(&case, &mesh).unwrap();
        case.finish().unwrap();
        match rollout(s.as_mut(), &mut ()) {
            Ok(t) => {
                println!("{name}: {} nodes, {:?}, newton {:?}", mesh.num_nodes(), start.elapsed(), t.log.newton_iters);
                for e in case.expectations().unwrap() {
                    println!("   {:?}", e.check(&t));
                }
                for s in &t.log.series { println!("   {} {} .. {}", s.name, s.values.len(), s.values.last().unwrap()); }
            }
            Err(e) => println!("{name}: {} nodes FAILED {e}", mesh.num_nodes()),
        }
    }
}
