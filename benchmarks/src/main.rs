//! `femur-bench`: times whole cases (mesh, assembly, factorisation, solve, recovery) on one thread and prints a JSON line each:
//! work, nodes, and the median, least and largest seconds of seven runs.

use femur_physics::PHYSICS;
use femur_sim::case::{CaseFile, generators};
use femur_sim::rollout;
use std::sync::Arc;
use std::time::Instant;

const PLATE: &str = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"plate-hole\"\nsize = 0.03\norder = 2\n[materials.plate]\nE = 210e9\nnu = 0.3\n\
    [[boundary]]\ntag = \"left\"\ndisplacement = [0, 0]\n[[boundary]]\ntag = \"right\"\ntraction = [1e6, 0]\n";
const BOX: &str = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\ncells = [12, 12, 12]\nkind = \"tet10\"\n[materials.body]\nE = 210e9\nnu = 0.3\n\
    [[boundary]]\ntag = \"left\"\ndisplacement = [0, 0, 0]\n[[boundary]]\ntag = \"right\"\ntraction = [1e6, 0, 0]\n";
const HEAT: &str = "physics = \"heat\"\n[mesh]\ngenerator = \"plate-hole\"\nsize = 0.03\norder = 2\n[materials.plate]\nconductivity = 50\ndensity = 7850\n\
    specific_heat = 460\n[initial]\ntemperature = 293\n[time]\nend = 10000\nsteps = 50\n[[boundary]]\ntag = \"left\"\ntemperature = 400\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (work, text) in
        [("plate, quadratic triangles, static", PLATE), ("box, quadratic tetrahedra, static", BOX), ("plate, heat, 50 steps", HEAT)]
    {
        let mut seconds = Vec::new();
        let mut nodes = 0;
        for _ in 0..7 {
            let start = Instant::now();
            let case = CaseFile::parse(text, work)?.nominal()?;
            let mesh = Arc::new(generators::build(&case)?);
            nodes = mesh.num_nodes();
            let physics = PHYSICS.iter().find(|p| p.name() == case.physics).ok_or("no such physics")?;
            rollout(physics.simulator(&case, &mesh)?.as_mut(), &mut ())?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        println!("{}", serde_json::json!({"work": work, "nodes": nodes, "median_s": seconds[3], "min_s": seconds[0], "max_s": seconds[6]}));
    }
    Ok(())
}
