//! Walks the list of models: gradients against finite differences in f64, permutation of the nodes.

use super::*;

fn config() -> ModelConfig {
    ModelConfig { kind: String::new(), width: 8, steps: 2, pattern: "LTF".into(), slices: 3, heads: 2 }
}

/// A ring of nodes with chords; features from sines.
fn input(order: &[usize]) -> GraphInput<f64> {
    let n = order.len();
    let mut place = vec![0; n];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
    let mut edges: Vec<(u32, u32, usize)> = (0..n)
        .flat_map(|a| [(a, (a + 1) % n), ((a + 1) % n, a), (a, (a + 3) % n)])
        .map(|(s, r)| (place[r] as u32, place[s] as u32, s * n + r))
        .collect();
    edges.sort_unstable();
    let nodes = order.iter().flat_map(|&i| (0..3).map(move |c| ((i * 3 + c) as f64 * 0.7).sin())).collect();
    let features = edges.iter().flat_map(|e| (0..2).map(move |c| ((e.2 * 2 + c) as f64 * 0.3).cos())).collect();
    let graph = Adjacency::new(edges.iter().map(|e| e.1).collect(), edges.iter().map(|e| e.0).collect(), n);
    GraphInput { nodes: Var::constant(nodes, n, 3), edges: Var::constant(features, edges.len(), 2), graph: Arc::new(graph) }
}

const WIDTHS: Widths = Widths { nodes: 3, edges: 2, outputs: 2 };

#[test]
fn gradients_match_finite_differences() {
    let input = input(&(0..7).collect::<Vec<_>>());
    for model in MODELS {
        let mut params = Params::new(3);
        model.init(WIDTHS, &config(), &mut params);
        let seed: Vec<f64> = (0..14).map(|k| (f64::from(k) * 1.3).sin()).collect();
        let loss = |vars: &Vars<f64>| -> f64 {
            let y = model.forward_f64(&config(), vars, &input, &mut Recorder::inference());
            y.values().iter().zip(&seed).map(|(y, s)| y * s).sum()
        };
        let vars = params.vars::<f64>();
        let mut recorder = Recorder::training();
        let y = model.forward_f64(&config(), &vars, &input, &mut recorder);
        let mut grads = recorder.backward(&y, seed.clone());
        for (k, (name, rows, columns, values)) in params.list.iter().enumerate() {
            let gradient = grads.take(&vars.list[k]);
            assert_eq!(gradient.len(), values.len());
            for at in [0, values.len() / 2, values.len() - 1] {
                let shifted = |by: f64| {
                    let mut moved = vars.clone();
                    let mut v: Vec<f64> = vars.list[k].values().to_vec();
                    v[at] += by;
                    moved.list[k] = Var::parameter(v, *rows, *columns);
                    loss(&moved)
                };
                let fd = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert!((fd - gradient[at]).abs() < 1e-6 * (1.0 + fd.abs()), "{} {name}[{at}]: {fd} and {}", model.name(), gradient[at]);
            }
        }
    }
}

#[test]
fn renumbering_the_nodes_renumbers_the_answer() {
    let order = [3, 0, 6, 2, 5, 1, 4];
    for model in MODELS {
        let mut params = Params::new(5);
        model.init(WIDTHS, &config(), &mut params);
        let vars = params.vars::<f64>();
        let run = |input: &GraphInput<f64>| model.forward_f64(&config(), &vars, input, &mut Recorder::inference());
        let (a, b) = (run(&input(&(0..7).collect::<Vec<_>>())), run(&input(&order)));
        for (new, &old) in order.iter().enumerate() {
            for c in 0..2 {
                assert!((a.values()[old * 2 + c] - b.values()[new * 2 + c]).abs() < 1e-10, "{}", model.name());
            }
        }
    }
}
