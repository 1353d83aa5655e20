//! The machine under test: which core who runs on, what a process costs.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use rustix::{
    process::{Signal, set_parent_process_death_signal},
    thread::{CpuSet, sched_setaffinity},
};
use serde::Serialize;

/// Keeps the calling thread, and what it starts from now on, on one core.
///
/// # Errors
/// When the machine has no such core.
pub fn pin(core: usize) -> anyhow::Result<()> {
    ensure!(core < CpuSet::MAX_CPU, "there is no core {core}");
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("there is no core {core}"))
}

/// Ends this process when the one that started it ends.
///
/// # Errors
/// When the system refuses.
pub fn die_with_parent() -> anyhow::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// The time that the kernel stamps datagrams with: since the epoch.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "compared with the kernel's own reading")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Burns a core until it is killed.
///
/// # Errors
/// When the system has no such core.
pub fn spin(core: usize) -> anyhow::Result<()> {
    die_with_parent()?;
    pin(core)?;
    loop {
        for _ in 0..1_000_000 {
            std::hint::spin_loop();
        }
    }
}

/// Spinners on the first cores, in the class of idle tasks. An idle virtual core sleeps, and waking
/// it is charged to whoever is measured; one that spins is at once there for anyone else. (A task
/// that is merely nice may finish its slice, some milliseconds, before a woken one gets its turn.)
pub struct Spinners(Vec<Process>);

impl Spinners {
    /// One per core, as `vbranch-load spin --core N`.
    ///
    /// # Errors
    /// When this program, or `chrt`, cannot be started.
    pub fn start(cores: usize) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let spinner = |core: usize| {
            let mut command = Command::new("chrt");
            command.args(["--idle", "0"]).arg(&program);
            Process::start(command.args(["spin", "--core", &core.to_string()]))
        };
        (0..cores).map(spinner).collect::<anyhow::Result<_>>().map(Self)
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

/// A child that does not outlive its owner.
pub struct Process(Child);

impl Process {
    /// Starts it without input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// Time on a core, all its threads.
    pub cpu_s: f64,
    /// Of that, outside the kernel (to 10 ms).
    pub user_s: f64,
    /// Memory in RAM.
    pub rss_kb: u64,
}

impl Usage {
    /// Reads it from `/proc`.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let gone = || format!("there is no process {pid}");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(gone)?;
        // Field 14 of proc_pid_stat(5), in ticks of 10 ms; the name before may hold spaces.
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
        let user: f64 = after_name.split(' ').nth(11).and_then(|t| t.parse().ok()).unwrap_or(0.0);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(gone)?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss_kb = rss.and_then(|r| r.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        Ok(Self { cpu_s: on_core(pid)?, user_s: user / 100.0, rss_kb })
    }
}

/// The scheduler's own count in nanoseconds: ticks would round what a light load costs.
fn on_core(pid: u32) -> anyhow::Result<f64> {
    let mut nanos = 0u64;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we look.
        let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += line.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(nanos as f64 / 1e9)
}
