//! A field on a few nodes that follows from place, load and time: what trainings in tests learn.

use femur_mesh::{Field, Location, Mesh};
use femur_sim::{Coordinates, Input, LearningTask, NodeType, Setup, SolverLog, State, Target, Trajectory, Update};
use std::sync::Arc;

/// `load sin(2 x + 0.3 t) exp(-0.2 t) + y` at so many times; one makes it steady.
pub(crate) fn trajectory(mesh: Mesh, load: f64, times: usize) -> Trajectory {
    let n = mesh.num_nodes();
    let state = |t: usize| {
        let (time, at) = (t as f64, |i: usize| mesh.point(i));
        let value = |i: usize| load * (2.0 * at(i)[0] + 0.3 * time).sin() * (-0.2 * time).exp() + at(i)[1];
        State { time, fields: vec![Field::scalar("u", "m", Location::Node, (0..n).map(value).collect())] }
    };
    let states: Vec<State> = (0..times).map(state).collect();
    let input = Input { name: "load".into(), unit: "N".into(), components: vec![String::new()], steps: 1, values: vec![load; n] };
    let setup = Setup {
        physics: "toy".into(),
        node_type: vec![NodeType::Normal; n],
        material_id: vec![0; mesh.num_cells()],
        mesh: Arc::new(mesh),
        units: "SI".into(),
        inputs: vec![input],
        prescribed: Vec::new(),
        loads: Vec::new(),
        params: Vec::new(),
        times: states.iter().map(|s| s.time).collect(),
        initial: (times > 1).then(|| states[0].clone()),
        initial_responses: Vec::new(),
        singular: Vec::new(),
    };
    Trajectory { setup, states, unit_responses: Vec::new(), log: SolverLog::default() }
}

/// What is learnt from it: the field from the load, or (with noise and a rollout before some samples) its change from the state before.
pub(crate) fn task(transient: bool) -> LearningTask {
    let update = if transient { Update::Delta } else { Update::Absolute };
    LearningTask {
        load_inputs: Vec::new(),
        unroll: if transient { 3 } else { 0 },
        physics: "toy".into(),
        dim: 2,
        targets: vec![Target { field: "u".into(), components: vec![String::new()], unit: "m".into(), update, weight: 1.0 }],
        state_inputs: if transient { vec!["u".into()] } else { Vec::new() },
        inputs: vec![("load".into(), 1)],
        linear_in: Vec::new(),
        distance_tags: vec!["left".into()],
        distance_scale: 0.2,
        coordinates: Coordinates::Mesh,
        input_means: true,
        long_range: 0,
        noise: if transient { 0.05 } else { 0.0 },
        units: "SI".into(),
    }
}
