//! Walks the list of models: gradients against finite differences in f64, permutation of the nodes.

use super::*;
use crate::{Memory, Precision};

fn config() -> ModelConfig {
    ModelConfig { kind: String::new(), width: 8, steps: 2, pattern: "LTF".into(), slices: 3, heads: 2, hidden_layers: 1 }
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

/// Shifts and biases that are not 0, scales that are not 1.
fn wiggle(params: &mut Params) {
    for (k, p) in params.list.iter_mut().enumerate().filter(|(_, p)| p.1 == 1) {
        p.3.iter_mut().enumerate().for_each(|(i, v)| *v += 0.1 * ((k * 31 + i) as f32).sin());
    }
}

const WIDTHS: Widths = Widths { nodes: 3, edges: 2, outputs: 2 };

#[test]
fn gradients_match_finite_differences() {
    let input = input(&(0..7).collect::<Vec<_>>());
    for (model, hidden_layers) in MODELS.iter().flat_map(|m| [(m, 1), (m, 2)]) {
        let config = || ModelConfig { hidden_layers, ..config() };
        let mut params = Params::new(3);
        model.init(WIDTHS, &config(), &mut params);
        // A ReLU of 0, which an unlucky start gives, has no derivative.
        wiggle(&mut params);
        let seed: Vec<f64> = (0..14).map(|k| (f64::from(k) * 1.3).sin()).collect();
        let loss = |vars: &Vars<f64>| -> f64 {
            let y = model.forward_f64(&config(), vars, &input, &mut Recorder::inference());
            y.values().iter().zip(&seed).map(|(y, s)| y * s).sum()
        };
        let vars = params.vars::<f64>();
        let mut recorder = Recorder::training(Memory::Store);
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
                let fd = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
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

/// A torus of `a x b` nodes, each with edges from its eight neighbours, so that blocks are many at a small width.
fn torus<E: Real>(a: usize, b: usize, w: usize) -> (Var<E>, Var<E>, Arc<Adjacency>) {
    let n = a * b;
    let mut edges: Vec<(u32, u32)> = Vec::new();
    for i in 0..a {
        for j in 0..b {
            for (di, dj) in [(0, 1), (1, 0), (1, 1), (0, b - 1), (a - 1, 0), (a - 1, b - 1), (1, b - 1), (a - 1, 1)] {
                edges.push(((i * b + j) as u32, (((i + di) % a) * b + (j + dj) % b) as u32));
            }
        }
    }
    edges.sort_unstable();
    let graph = Adjacency::new(edges.iter().map(|e| e.1).collect(), edges.iter().map(|e| e.0).collect(), n);
    let wave = |len: usize, f: f64| (0..len).map(|k| E::of((k as f64 * f).sin())).collect::<Vec<E>>();
    (Var::parameter(wave(n * w, 0.7), n, w), Var::parameter(wave(edges.len() * w, 0.3), edges.len(), w), Arc::new(graph))
}

/// Values and all gradients of so many full steps, by one operation or by single ones.
fn full_steps<E: Real>(
    graph: &(Var<E>, Var<E>, Arc<Adjacency>),
    [count, hidden]: [usize; 2],
    fused: bool,
    kind: (Memory, Precision),
) -> Vec<Vec<E>> {
    let (v, e, adjacency) = graph;
    let w = v.columns();
    let mut params = Params::new(11);
    let names: Vec<String> = (0..count).map(|k| format!("step.{k}")).collect();
    names.iter().for_each(|name| blocks::init_full(&mut params, name, w, hidden));
    wiggle(&mut params);
    let vars = params.vars::<E>();
    let mut recorder = Recorder::training(kind.0).with(kind.1);
    let input = GraphInput { nodes: v.clone(), edges: e.clone(), graph: adjacency.clone() };
    let mut host = Host::new(&vars, &input, &mut recorder);
    let (v2, e2) = if fused {
        let (v2, e2) = host.full_steps(v, e, &names, hidden, true);
        (v2, e2.unwrap())
    } else {
        names.iter().fold((v.clone(), e.clone()), |(v, e), name| blocks::full(&mut host, hidden, name, &v, &e))
    };
    // Nodes and edges both reach the loss.
    let total = {
        let sum = host.ops.segment_sum(&e2, adjacency);
        host.ops.add(&v2, &sum)
    };
    let seed = (0..total.values().len()).map(|k| E::of((k as f64 * 1.3).cos())).collect();
    let mut grads = recorder.backward(&total, seed);
    let mut out = vec![v2.values().to_vec(), e2.values().to_vec(), grads.take(v), grads.take(e)];
    out.extend(vars.list.iter().map(|p| grads.take(p)));
    out
}

#[test]
fn full_steps_in_one_are_full_steps_one_by_one() {
    let alone = |w: usize| {
        let node = Var::parameter((0..3 * w).map(|k| (k as f64).sin()).collect(), 3, w);
        (node, Var::parameter(Vec::new(), 0, w), Arc::new(Adjacency::new(Vec::new(), Vec::new(), 3)))
    };
    for (a, b, w, hidden) in [(2, 3, 4, 1), (13, 9, 12, 3), (40, 30, 9, 2), (0, 0, 8, 2)] {
        let graph = if a == 0 { alone(w) } else { torus::<f64>(a, b, w) };
        let kind = (Memory::Store, Precision::F32);
        let (one, single) = (full_steps(&graph, [2, hidden], true, kind), full_steps(&graph, [2, hidden], false, kind));
        assert_eq!(one.len(), single.len());
        for (k, (x, y)) in one.iter().zip(&single).enumerate() {
            let scale = y.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            assert!(x.len() == y.len() && (scale > 0.0 || a == 0));
            assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() <= 1e-11 * scale), "{a} x {b}, width {w}: matrix {k}");
        }
    }
}

#[test]
fn full_steps_give_the_same_bits_on_any_number_of_threads_and_with_less_memory() {
    let run = |threads: usize, memory: Memory, precision: Precision| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // A tape stays on its thread: all of the work is done on one of the pool's.
        pool.install(|| full_steps(&torus::<f32>(40, 30, 32), [5, 2], true, (memory, precision)))
    };
    for precision in Precision::ALL.map(|p| p.0) {
        let one = run(1, Memory::Store, precision);
        for (threads, memory) in
            [(1, Memory::Recompute), (3, Memory::Store), (2, Memory::Recompute), (1, Memory::Checkpoint), (3, Memory::Checkpoint)]
        {
            assert!(run(threads, memory, precision) == one, "{threads} threads, {memory:?}, {precision:?}");
        }
    }
}

#[test]
fn bfloat16_rounds_the_factors_and_nothing_else() {
    let relative = |x: &[Vec<f64>], y: &[Vec<f64>]| {
        let both = || x.iter().flatten().zip(y.iter().flatten());
        (both().map(|(x, y)| (x - y).powi(2)).sum::<f64>() / both().map(|(x, _)| x * x).sum::<f64>()).sqrt()
    };
    // Widths that the matrix unit takes, that only the dot product takes, and that are rounded and multiplied in f32.
    for w in [32, 48, 12] {
        let (wide, narrow) = (torus::<f64>(20, 15, w), torus::<f32>(20, 15, w));
        let exact = full_steps(&wide, [2, 2], true, (Memory::Store, Precision::F32));
        let rounded = full_steps(&wide, [2, 2], true, (Memory::Store, Precision::Bf16));
        let ours = full_steps(&narrow, [2, 2], true, (Memory::Store, Precision::Bf16));
        let ours: Vec<Vec<f64>> = ours.iter().map(|m| m.iter().map(|v| f64::from(*v)).collect()).collect();
        // Nodes and edges, their gradients, and that of all parameters.
        for part in [0..2, 2..4, 4..exact.len()] {
            // Sums in f32 make some factors round, and some values pass a ReLU, to the other side.
            let off = relative(&rounded[part.clone()], &ours[part.clone()]);
            assert!(off < 5e-3, "width {w}, matrices {part:?}: {off:.1e} from the sums in f64");
            let off = relative(&exact[part.clone()], &ours[part.clone()]);
            assert!(off > 1e-3 && off < if part.start == 0 { 0.02 } else { 0.2 }, "width {w}, matrices {part:?}: {off:.1e}");
        }
    }
}

#[test]
fn parts_give_the_bits_and_the_gradient_of_the_whole() {
    let (_, _, graph) = torus::<f32>(40, 30, 1);
    let (n, m) = (graph.start.len() - 1, graph.senders.len());
    let wave = |len: usize, f: f32| (0..len).map(|k| (k as f32 * f).sin()).collect::<Vec<f32>>();
    let (nodes, edges, seed) = (wave(n * WIDTHS.nodes, 0.7), wave(m * WIDTHS.edges, 0.3), wave(n * WIDTHS.outputs, 1.3));
    let partition = femur_mesh::Partition { parts: 5, owner: (0..n).map(|i| ((i / 30) * 5 / 40) as u32).collect() };
    let kinds =
        [("meshgraphnet", "", Memory::Store), ("meshgraphnet", "", Memory::Checkpoint), ("meshgraphnet-global", "LFFL", Memory::Recompute)];
    for (kind, pattern, memory) in kinds {
        let config = ModelConfig { width: 16, steps: 3, pattern: pattern.into(), hidden_layers: 2, ..config() };
        let model = find(kind).unwrap();
        let mut params = Params::new(3);
        model.init(WIDTHS, &config, &mut params);
        wiggle(&mut params);
        let vars = params.vars::<f32>();
        let run = |nodes: Vec<f32>, edges: Vec<f32>, graph: &Arc<Adjacency>, seed: Vec<f32>| {
            let (rows, m) = (graph.start.len() - 1, graph.senders.len());
            let input = GraphInput {
                nodes: Var::constant(nodes, rows, WIDTHS.nodes),
                edges: Var::constant(edges, m, WIDTHS.edges),
                graph: graph.clone(),
            };
            let mut recorder = Recorder::training(memory);
            let y = model.forward(&config, &vars, &input, &mut recorder);
            let mut grads = recorder.backward(&y, seed);
            (y.values().to_vec(), vars.list.iter().map(|v| grads.take(v)).collect::<Vec<_>>())
        };
        let (whole, gradient) = run(nodes.clone(), edges.clone(), &graph, seed.clone());
        let mut sum: Vec<Vec<f32>> = gradient.iter().map(|g| vec![0.0; g.len()]).collect();
        let parts = crate::parts::cut(&graph, &partition, model.reach(&config).unwrap());
        assert_eq!(parts.iter().map(|p| p.owned).sum::<usize>(), n);
        for part in &parts {
            let pick = |all: &[f32], which: &[u32], w: usize| which.iter().flat_map(|&k| all[k as usize * w..][..w].to_vec()).collect();
            let mut weights: Vec<f32> = pick(&seed, &part.nodes, WIDTHS.outputs);
            weights[part.owned * WIDTHS.outputs..].fill(0.0);
            let (nodes, edges) = (pick(&nodes, &part.nodes, WIDTHS.nodes), pick(&edges, &part.edges, WIDTHS.edges));
            let (y, gradients) = run(nodes, edges, &part.graph, weights);
            assert!(
                part.nodes.len() < n && y[..part.owned * WIDTHS.outputs] == pick(&whole, &part.nodes[..part.owned], WIDTHS.outputs)[..]
            );
            sum.iter_mut().zip(gradients).for_each(|(s, g)| s.iter_mut().zip(g).for_each(|(s, g)| *s += g));
        }
        for (k, (sum, exact)) in sum.iter().zip(&gradient).enumerate() {
            let scale = exact.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert!(sum.iter().zip(exact).all(|(a, b)| (a - b).abs() < 2e-5 * scale), "{kind} {}", params.list[k].0);
        }
    }
}
