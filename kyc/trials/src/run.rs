//! Playing trials on several threads, for as long as there is time.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use serde::{Serialize, de::DeserializeOwned};
use vbranch_domain::{Clock as _, SystemClock, kyc::Portrait};
use vbranch_kyc::{LivenessPolicy, ModelStore, vision::FaceModels};

use crate::{
    Places,
    roles::Kind,
    stage::{Outcome, Stage},
    subject::Cast,
};

/// What to play.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    places: Places,
    /// Kinds to play; all attacks and live people where none is given
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Trials of each kind of attack
    #[arg(long, default_value_t = 30)]
    attacks: u32,
    /// Trials with live people
    #[arg(long, default_value_t = 150)]
    live: u32,
    /// Only the trial of this number of each kind
    #[arg(long)]
    only: Option<u32>,
    /// Folder for the course of every check, as the server would seal it
    #[arg(long)]
    traces: Option<PathBuf>,
    /// Outcomes, one JSON object a line
    #[arg(long)]
    out: PathBuf,
    /// No trial is begun after so many seconds
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Plays trials that have not been played yet.
///
/// # Errors
/// When films, models or a codec fail.
pub fn run(options: &Run) -> anyhow::Result<()> {
    if let Some(folder) = &options.traces {
        std::fs::create_dir_all(folder)?;
    }
    let stage = Stage { traces: options.traces.clone(), ..Stage::load(&options.places)? };
    let done: HashSet<(Kind, u32)> =
        read_lines::<Outcome>(&options.out)?.iter().map(|o| (o.kind, o.index)).collect();
    let kinds = if options.kinds.is_empty() {
        Kind::ATTACKS.into_iter().chain([Kind::Live]).collect()
    } else {
        options.kinds.clone()
    };
    let count = |kind| if kind == Kind::Live { options.live } else { options.attacks };
    let most = kinds.iter().map(|k| count(*k)).max().unwrap_or(0);
    // All kinds advance side by side, so that a run cut short has something of each.
    let share = |kind, turn: u32| -> std::ops::Range<u32> {
        let of = |t: u32| {
            u32::try_from(u64::from(count(kind)) * u64::from(t) / u64::from(most)).unwrap_or(0)
        };
        of(turn)..of(turn + 1)
    };
    let todo: Vec<(Kind, u32)> = (0..most)
        .flat_map(|turn| {
            kinds.iter().flat_map(move |&k| share(k, turn).map(move |i| (k, i))).collect::<Vec<_>>()
        })
        .filter(|trial| options.only.is_none_or(|only| trial.1 == only) && !done.contains(trial))
        .collect();
    let play = |&(kind, index): &(Kind, u32)| stage.play(kind, index);
    let say = |o: &Outcome| {
        format!(
            "{:<16} {:>3} {:<4} {:<5} {} ({} ms, {} looks)",
            o.kind.name(),
            o.index,
            o.subject,
            o.outcome,
            o.reason,
            o.took_ms,
            o.looks
        )
    };
    side_by_side(&todo, options.threads, options.seconds, &options.out, play, say)
}

/// Does jobs on threads until the time is up, and adds each result to a file.
pub fn side_by_side<J: Sync, R: Serialize>(
    jobs: &[J],
    threads: usize,
    seconds: u64,
    out: &Path,
    work: impl Fn(&J) -> anyhow::Result<R> + Sync,
    say: impl Fn(&R) -> String + Sync,
) -> anyhow::Result<()> {
    let clock = SystemClock::start();
    let until = clock.mono() + Duration::from_secs(seconds);
    let file = OpenOptions::new().create(true).append(true).open(out)?;
    let (file, next, failed) = (Mutex::new(file), AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while clock.mono() < until {
                    let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let result = work(job).and_then(|result| {
                        let line = serde_json::to_string(&result)? + "\n";
                        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                        file.write_all(line.as_bytes())?;
                        writeln!(std::io::stdout(), "{}", say(&result))?;
                        Ok(())
                    });
                    if let Err(error) = result {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        break;
                    }
                }
            });
        }
    });
    let left = jobs.len().saturating_sub(next.load(Ordering::Relaxed));
    writeln!(std::io::stdout(), "{left} not begun")?;
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Reads a file of JSON lines; none where there is no file.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).context("a line of results")).collect()
}

impl Stage {
    /// Loads films, models and policy, and takes portraits.
    ///
    /// # Errors
    /// When one is missing.
    pub fn load(places: &Places) -> anyhow::Result<Self> {
        let cast = Cast::load(&places.films, &places.notes)?;
        let policy = match &places.policy {
            Some(path) => LivenessPolicy::from_toml(&std::fs::read_to_string(path)?)?,
            None => LivenessPolicy::default(),
        };
        let store = ModelStore::open(&places.models)?;
        let models = FaceModels::load(&store)?.with_passive(&store, &policy);
        let portraits = cast
            .subjects
            .iter()
            .map(|s| portrait(&places.films.join(format!("{}.mp4", s.film.name)), s.portrait_at))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { cast, models, policy, portraits, traces: None })
    }
}

/// A picture of another moment than those that are played, as a scanner would have it.
fn portrait(film: &Path, at: f32) -> anyhow::Result<Portrait> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-ss", &at.to_string(), "-i"])
        .arg(film)
        .args(["-frames:v", "1", "-vf", "scale=-2:420", "-c:v", "mjpeg", "-q:v", "5"])
        .args(["-pix_fmt", "yuvj420p", "-f", "image2pipe", "-"])
        .output()
        .context("ffmpeg cannot be run")?;
    ensure!(output.status.success(), "no portrait in {}", film.display());
    Ok(Portrait(Bytes::from(output.stdout)))
}
