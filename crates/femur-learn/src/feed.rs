//! How training data get to the updates: held where they fit into the cache, else read ahead of the updates by threads of their own. What
//! is drawn when depends on the seed alone, so both give the same bits.

use crate::LearnError;
use crate::config::{Plan, TrainingConfig};
use crate::params::unit;
use crate::sample::{Body, Draw, Example, Measure};
use femur_dataset::{Dataset, Frames};
use femur_sim::{Setup, Trajectory, UnitResponse};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// Where trajectories come from. Several threads read at once.
pub trait TrajectorySource: Sync {
    /// Number of trajectories of a split.
    fn count(&self, split: &str) -> usize;

    /// Trajectory `k` of a split, counted from 0.
    fn trajectory(&self, split: &str, k: usize) -> Result<Trajectory, LearnError>;

    /// Hash of the training data.
    fn data_sha256(&self) -> String;

    /// The set-up of [`TrajectorySource::trajectory`] alone.
    fn setup(&self, split: &str, k: usize) -> Result<Setup, LearnError> {
        Ok(self.trajectory(split, k)?.setup)
    }

    /// Its states and unit responses at the output times `steps` alone, in their order.
    fn at_steps(&self, split: &str, k: usize, steps: &[usize]) -> Result<Frames, LearnError> {
        let whole = self.trajectory(split, k)?;
        let responses = whole.unit_responses.into_iter().map(|r| {
            let picked = steps.iter().filter_map(|&s| r.steps.get(s).cloned()).collect();
            UnitResponse { load: r.load, steps: picked }
        });
        Ok((steps.iter().filter_map(|&s| whole.states.get(s).cloned()).collect(), responses.collect()))
    }
}

impl TrajectorySource for Dataset {
    fn count(&self, split: &str) -> usize {
        self.entries(split).len()
    }

    fn trajectory(&self, split: &str, k: usize) -> Result<Trajectory, LearnError> {
        Ok(self.read(&self.entries(split)[k])?)
    }

    fn data_sha256(&self) -> String {
        self.manifest().data_hash("train")
    }

    fn setup(&self, split: &str, k: usize) -> Result<Setup, LearnError> {
        Ok(self.read_setup(&self.entries(split)[k])?)
    }

    fn at_steps(&self, split: &str, k: usize, steps: &[usize]) -> Result<Frames, LearnError> {
        Ok(self.read_steps(&self.entries(split)[k], steps)?)
    }
}

/// Threads that read: HDF5 serves one at a time, so while one reads, another builds the graph of what it has read.
const READERS: usize = 2;

/// Results of threads that run ahead, in the order of the jobs.
pub(crate) struct Ahead<T> {
    lanes: Vec<Receiver<Result<T, LearnError>>>,
    next: usize,
}

/// Lets [`READERS`] threads work on jobs in turn; each result of a lane waits behind at most `depth` others.
pub(crate) fn ahead<'s, J, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    jobs: impl Iterator<Item = J> + Clone + Send + 's,
    depth: usize,
    work: impl Fn(J) -> Result<T, LearnError> + Clone + Send + 's,
) -> Ahead<T> {
    let lane = |lane| {
        let (give, take) = sync_channel(depth);
        let (jobs, work) = (jobs.clone().skip(lane).step_by(READERS), work.clone());
        scope.spawn(move || {
            for job in jobs {
                // Nobody waits any more: the training ended or went back.
                if give.send(work(job)).is_err() {
                    break;
                }
            }
        });
        take
    };
    Ahead { lanes: (0..READERS).map(lane).collect(), next: 0 }
}

impl<T> Iterator for Ahead<T> {
    type Item = Result<T, LearnError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.lanes[self.next % READERS].recv().ok();
        self.next += 1;
        result
    }
}

/// The trajectories of a split, whole and in order.
pub(crate) fn read_all<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    data: &'e dyn TrajectorySource,
    plan: &Arc<Plan>,
    split: &'static str,
) -> Ahead<Example> {
    let plan = plan.clone();
    ahead(scope, 0..data.count(split), 0, move |k| Example::new(name(split, k), &plan, data.trajectory(split, k)?))
}

fn name(split: &str, k: usize) -> String {
    format!("{split} trajectory {k}")
}

/// What is kept of a training trajectory.
enum Held {
    Whole(Arc<Example>),
    Body(Arc<Body>),
    Nothing,
}

/// A training trajectory.
struct Kept {
    held: Held,
    /// Nodes of its graph.
    nodes: usize,
    /// First output time that is predicted, and how many are.
    first: usize,
    steps: usize,
}

/// The training trajectories.
pub(crate) struct Store<'e> {
    data: &'e dyn TrajectorySource,
    plan: Arc<Plan>,
    kept: Vec<Kept>,
    /// Memory that all trajectories together take, and what they may.
    bytes: u64,
    cache: u64,
    /// Samples of each reader that may wait.
    depth: usize,
}

impl<'e> Store<'e> {
    /// Reads every training trajectory once, measures it and keeps all if they fit into the cache. Else the set-ups with their graphs are
    /// kept, as many as fit into three quarters of it, and the last quarter is for samples that were read ahead.
    pub(crate) fn load<'s>(
        scope: &'s Scope<'s, 'e>,
        data: &'e dyn TrajectorySource,
        plan: &Arc<Plan>,
        cache: u64,
    ) -> Result<(Self, Measure), LearnError>
    where
        'e: 's,
    {
        let mut measure = Measure::new(&plan.task);
        let mut store = Store { data, plan: plan.clone(), kept: Vec::new(), bytes: 0, cache, depth: 0 };
        let (mut bodies, mut largest) = (0, 1);
        // The set-up and graph of a trajectory where there is still room for it.
        let mut shrink = |body: &Arc<Body>| {
            let bytes = body.bytes();
            let fits = bodies + bytes <= cache / 4 * 3;
            bodies += if fits { bytes } else { 0 };
            if fits { Held::Body(body.clone()) } else { Held::Nothing }
        };
        for example in read_all(scope, data, plan, "train") {
            let example = example?;
            let body = example.body.clone();
            if example.steps() == 0 {
                let what = format!("{}: there is no step to learn from", body.name);
                return Err(LearnError::Mismatch { what, hint: "a run in time needs two output times at least".into() });
            }
            measure.add(&plan.task, &example)?;
            let fitted = store.is_whole();
            store.bytes += body.bytes() + example.states.len() as u64 * example.step_bytes();
            largest = largest.max(body.bytes() + 2 * example.step_bytes());
            let (nodes, first, steps) = (body.graph.n, body.first(), example.steps());
            if fitted && !store.is_whole() {
                for kept in &mut store.kept {
                    if let Held::Whole(example) = &kept.held {
                        kept.held = shrink(&example.body);
                    }
                }
            }
            let held = if store.is_whole() { Held::Whole(Arc::new(example)) } else { shrink(&body) };
            store.kept.push(Kept { held, nodes, first, steps });
        }
        // One more waits in the hands of each reader. To be more than two updates ahead would be of no use.
        let fit = usize::try_from(cache / 4 / largest / READERS as u64).unwrap_or(usize::MAX);
        let fewest = store.kept.iter().map(|k| k.nodes).min().unwrap_or(1).max(1);
        let graphs = plan.training.batch_nodes.map_or(plan.training.batch, |most| most / fewest + 1);
        store.depth = fit.saturating_sub(1).min(graphs + 4);
        Ok((store, measure))
    }

    /// Number of trajectories.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether all are held whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes <= self.cache
    }

    /// What to tell where not all are held.
    pub(crate) fn note(&self) -> Option<String> {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let graphs = self.kept.iter().filter(|k| !matches!(k.held, Held::Nothing)).count();
        (!self.is_whole()).then(|| {
            format!(
                "the training trajectories take {:.1} MB, the cache {:.1} MB: states are read ahead of the updates, {graphs} of {} graphs are held",
                megabytes(self.bytes),
                megabytes(self.cache),
                self.len(),
            )
        })
    }

    /// Places of an update's samples in the sequence of all that are drawn, after `drawn`.
    pub(crate) fn draws(&self, step: usize, drawn: usize) -> Range<usize> {
        let t = &self.plan.training;
        let Some(most) = t.batch_nodes else { return step * t.batch..(step + 1) * t.batch };
        let (mut nodes, mut end) = (0, drawn);
        loop {
            nodes += self.kept[shuffled(self.len(), end, t.seed)].nodes;
            if nodes > most && end > drawn {
                return drawn..end;
            }
            end += 1;
        }
    }

    /// The sample at a place of the sequence, from what is held or read for it.
    fn sample(&self, place: usize) -> Result<Drawn, LearnError> {
        let k = shuffled(self.len(), place, self.plan.training.seed);
        let kept = &self.kept[k];
        let draw = Draw::new(&self.plan, place, kept.first, kept.steps);
        let body = match &kept.held {
            Held::Whole(example) => return Ok((example.clone(), draw)),
            Held::Body(body) => body.clone(),
            Held::Nothing => Arc::new(Body::new(name("train", k), &self.plan, self.data.setup("train", k)?)?),
        };
        let frames = self.data.at_steps("train", k, &draw.reads)?;
        Ok((Arc::new(Example::of_steps(body, draw.reads.clone(), frames)), draw))
    }
}

/// A trajectory with what a sample of it needs, and which sample.
pub(crate) type Drawn = (Arc<Example>, Draw);

/// Gives one process its samples, in the order of their places.
pub(crate) struct Feed<'s, 'e> {
    scope: &'s Scope<'s, 'e>,
    store: Arc<Store<'e>>,
    /// Number of this process, and of all.
    share: (usize, usize),
    stream: Option<Ahead<Drawn>>,
    waited: Duration,
}

impl<'s, 'e: 's> Feed<'s, 'e> {
    pub(crate) fn new(scope: &'s Scope<'s, 'e>, store: Arc<Store<'e>>, share: (usize, usize)) -> Self {
        Feed { scope, store, share, stream: None, waited: Duration::ZERO }
    }

    /// Goes on from an update before which so many samples were drawn.
    pub(crate) fn start(&mut self, t: &TrainingConfig, step: usize, drawn: usize) {
        if self.store.is_whole() {
            return;
        }
        let (store, share) = (self.store.clone(), self.share);
        let update = move |drawn: &mut usize, step| {
            let draws = store.draws(step, *drawn);
            *drawn = draws.end;
            Some(own(draws, share))
        };
        let (places, store) = ((step..t.steps).scan(drawn, update).flatten(), self.store.clone());
        self.stream = Some(ahead(self.scope, places, store.depth, move |place| store.sample(place)));
    }

    /// The places of an update's samples.
    pub(crate) fn draws(&self, step: usize, drawn: usize) -> Range<usize> {
        self.store.draws(step, drawn)
    }

    /// Those of them that are this process's.
    pub(crate) fn own(&self, draws: Range<usize>) -> Vec<usize> {
        own(draws, self.share).collect()
    }

    /// The samples at these places, which follow those that were taken before: whoever reads knows the places beforehand.
    pub(crate) fn take(&mut self, places: &[usize]) -> Result<Vec<Drawn>, LearnError> {
        let Some(stream) = &mut self.stream else { return places.iter().map(|&place| self.store.sample(place)).collect() };
        let start = Instant::now();
        let taken: Vec<Drawn> = stream.take(places.len()).collect::<Result<_, _>>()?;
        self.waited += start.elapsed();
        if taken.len() < places.len() {
            let what = "a thread that reads training data ended before its time".into();
            return Err(LearnError::Mismatch { what, hint: "go on with --resume".into() });
        }
        Ok(taken)
    }

    /// Seconds that updates waited for their data.
    pub(crate) fn waited(&self) -> f64 {
        self.waited.as_secs_f64()
    }
}

/// Places of a process among those of an update.
fn own(draws: Range<usize>, (rank, size): (usize, usize)) -> impl Iterator<Item = usize> + Clone {
    draws.skip(rank).step_by(size)
}

/// The example at place `k` of an endless sequence of shuffled passes over `n` examples.
fn shuffled(n: usize, k: usize, seed: u64) -> usize {
    let (pass, place) = (k / n, k % n);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    rng.set_stream(pass as u64);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, (unit(&mut rng) * (i + 1) as f64) as usize);
    }
    order[place]
}

/// What the cache takes where a case does not say: half of the memory that is free, shared with the other processes; 4 GB where that is
/// not known.
pub(crate) fn usual_cache(processes: usize) -> u64 {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    free.map_or(4_000_000_000, |kb| kb * 1024 / 2 / processes as u64)
}
