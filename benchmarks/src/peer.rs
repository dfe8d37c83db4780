//! Peers that are kept running: one process each, a job in, then one answer for every `run`.
//!
//! Over standard input: first the job, a JSON object in one line; the peer reads meshes and matrices, compiles, and answers
//! `{"ready": true}`, or `{"missing": "..."}` where it is not installed. Then every line `run` is answered by
//! `{"wall": s, "cpu": s, "answer": {name: value}, "detail": {name: value}}`. `peers/protocol.py` is the other side.

use crate::clock::Seconds;
use crate::contest::{Contender, Sample};
use crate::options::{Options, Peers};
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What runs a peer's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Python in `peers/.venv-NAME`.
    Venv(&'static str),
    /// The system's Python.
    System,
    /// The system's Python, one MPI rank a thread.
    SystemMpi,
    /// A C program, compiled when it is needed, with these libraries.
    C(&'static [&'static str]),
}

/// One line of a work's list of peers.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Name in the table.
    pub name: &'static str,
    /// Program in `benchmarks/peers`.
    pub program: &'static str,
    /// What runs it.
    pub runtime: Runtime,
}

impl Peer {
    fn set(&self) -> Peers {
        if matches!(self.runtime, Runtime::Venv(_)) { Peers::Pip } else { Peers::All }
    }

    /// Starts the peer on a job. Where it is not installed says so on stderr, with the remedy, and gives a contender that cannot run.
    ///
    /// # Errors
    /// It is there but fails.
    pub fn start<'a>(&self, job: &Value, options: &Options) -> Result<Option<Contender<'a>>> {
        if options.peers < self.set() {
            return Ok(None);
        }
        let name = self.name.to_string();
        let absent = |why: String| {
            let set = if self.set() == Peers::Pip { "pip" } else { "all" };
            eprintln!("femur-bench: {} is not here ({why}): benchmarks/peers/setup.sh {set}", self.name);
            Ok(Some(Contender { name: self.name.into(), run: None }))
        };
        let command = match self.command(options) {
            Ok(command) => command,
            Err(why) => return absent(why.to_string()),
        };
        let mut process = match Process::spawn(command) {
            Ok(process) => process,
            Err(why) => return absent(why.to_string()),
        };
        let reply = process.ask(&job.to_string()).with_context(|| name.clone())?;
        if let Some(what) = reply["missing"].as_str() {
            return absent(what.into());
        }
        if reply["ready"] != Value::Bool(true) {
            bail!("{name} is not ready: {reply}");
        }
        let run = move || {
            let reply = process.ask("run").with_context(|| name.clone())?;
            sample(&reply).with_context(|| format!("{name}: {reply}"))
        };
        Ok(Some(Contender { name: self.name.into(), run: Some(Box::new(run)) }))
    }

    fn command(&self, options: &Options) -> Result<Command> {
        let program = folder().join(self.program);
        let mut command = match self.runtime {
            Runtime::Venv(venv) => Command::new(venv_python(venv)?),
            Runtime::System => Command::new(system_python()?),
            Runtime::SystemMpi if options.threads == 1 => Command::new(system_python()?),
            Runtime::SystemMpi => {
                let mut c = Command::new("mpirun");
                c.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", &options.threads.to_string()]);
                c.arg(system_python()?);
                c
            }
            Runtime::C(libraries) => {
                let mut c = Command::new(compiled(&program, libraries)?);
                limit_threads(&mut c, options.threads());
                return Ok(c);
            }
        };
        command.arg(program);
        limit_threads(&mut command, if self.runtime == Runtime::SystemMpi { 1 } else { options.threads() });
        Ok(command)
    }
}

/// Starts all peers of a list that the options allow.
///
/// # Errors
/// One is there but fails.
pub fn start_all<'a>(peers: &[Peer], job: &Value, options: &Options) -> Result<Vec<Contender<'a>>> {
    peers.iter().filter_map(|p| p.start(job, options).transpose()).collect()
}

/// `benchmarks/peers`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The Python of `peers/.venv-NAME`.
///
/// # Errors
/// It is not there.
pub fn venv_python(venv: &str) -> Result<PathBuf> {
    let python = folder().join(format!(".venv-{venv}/bin/python"));
    if python.is_file() { Ok(python) } else { Err(anyhow!("no environment .venv-{venv}")) }
}

/// The system's Python, which sees the packages of the Debian archive; another one on the PATH may not.
///
/// # Errors
/// It is not there.
pub fn system_python() -> Result<PathBuf> {
    let python = PathBuf::from("/usr/bin/python3");
    if python.is_file() { Ok(python) } else { Err(anyhow!("no /usr/bin/python3")) }
}

/// Sets the number of threads of every library that a peer may use; threads that wait must not take the next program's core.
pub fn limit_threads(command: &mut Command, threads: usize) {
    for name in
        ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS", "CCX_NPROC_STIFFNESS"]
    {
        command.env(name, threads.to_string());
    }
    command.env("KMP_BLOCKTIME", "0").env("OMP_WAIT_POLICY", "passive").env("PYTHONDONTWRITEBYTECODE", "1");
}

/// Compiles a C program into the folder of temporary files, once for each of its versions.
fn compiled(source: &Path, libraries: &[&str]) -> Result<PathBuf> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hash = DefaultHasher::new();
    std::fs::read(source)?.hash(&mut hash);
    let binary = std::env::temp_dir().join(format!("femur-bench-{:016x}", hash.finish()));
    if !binary.is_file() {
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-I/usr/include/suitesparse", "-o"]).arg(&binary).arg(source);
        cc.args(libraries.iter().map(|l| format!("-l{l}")));
        let out = cc.output().context("no C compiler")?;
        if !out.status.success() {
            bail!("{} does not compile: {}", source.display(), String::from_utf8_lossy(&out.stderr).lines().next().unwrap_or_default());
        }
    }
    Ok(binary)
}

fn sample(reply: &Value) -> Result<Sample> {
    let number = |key: &str| reply[key].as_f64().ok_or_else(|| anyhow!("no number `{key}`"));
    let numbers = |key: &str| -> BTreeMap<String, f64> {
        let object = reply[key].as_object();
        object.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect()
    };
    Ok(Sample { seconds: Seconds { wall: number("wall")?, cpu: number("cpu")? }, answer: numbers("answer"), detail: numbers("detail") })
}

/// A running peer; it ends when its input closes.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("it does not start")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or_else(|| anyhow!("it has no output"))?);
        Ok(Process { child, input, output })
    }

    fn ask(&mut self, line: &str) -> Result<Value> {
        let input = self.input.as_mut().ok_or_else(|| anyhow!("it has ended"))?;
        writeln!(input, "{line}").and_then(|()| input.flush()).context("it has ended")?;
        let mut reply = String::new();
        if self.output.read_line(&mut reply)? == 0 {
            bail!("it ended without an answer");
        }
        let value: Value = serde_json::from_str(&reply).with_context(|| format!("not an answer: {reply}"))?;
        if let Some(error) = value["error"].as_str() {
            bail!("{error}");
        }
        Ok(value)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
