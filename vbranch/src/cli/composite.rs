//! `vbranch composite`.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use vbranch_domain::{
    Clock, RecordingId, SystemClock,
    recording::{FilmLayout, FilmStatus},
};
use vbranch_recorder::{
    Offline,
    composite::{FilmError, FilmOrder, Watch, composite},
};

use super::{USAGE, complain, evidence::whoami, say, say_json};
use crate::{adapters, config::Config};

#[derive(Debug, Args)]
pub struct Composite {
    /// The recording's id, as the audit page shows it
    recording: RecordingId,
    /// A file that does not exist yet; the film lies there in clear
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How the parties are arranged
    #[arg(long, value_enum, default_value_t = Layout::Side)]
    layout: Layout,
    /// Why the film is made; goes on the evidence log
    #[arg(long, default_value = "command line")]
    reason: String,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
    /// Settings file of the server (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Side by side, screens below
    Side,
    /// One large, the others small within it
    Pip,
}

pub fn run(options: &Composite) -> ExitCode {
    let config = match Config::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(mistakes) => return complain(USAGE, &mistakes),
    };
    let recorder = adapters::recorder_config(&config.recorder, &config.data.dir);
    let clock = SystemClock::start();
    let office = match Offline::open(&recorder, Arc::new(clock)) {
        Ok(office) => office,
        Err(error) => return complain(1, &error),
    };
    let who = whoami();
    let order = FilmOrder {
        layout: match options.layout {
            Layout::Side => FilmLayout::Side,
            Layout::Pip => FilmLayout::Pip,
        },
        by: who.clone(),
        user: who,
        reason: options.reason.clone(),
        at: clock.wall(),
        names: Vec::new(),
    };
    let watch = Arc::new(Watch::default());
    if let Err(error) = cancel_on_interrupt(&watch) {
        return complain(1, &format!("cannot wait for Ctrl-C: {error}"));
    }
    let made = with_progress(&watch, || {
        composite(&office, options.recording, &options.out, &order, &watch)
    });
    match made {
        Ok(film) if options.json => say_json(&film),
        Ok(film) => report(options, &film),
        Err(error) => complain(1, &error),
    }
}

fn report(options: &Composite, film: &FilmStatus) -> ExitCode {
    let out = options.out.display();
    say(&format!("film of {}: {out} ({} bytes, in clear)", options.recording, film.len));
    say(&format!("sha256 {}", film.sha256.as_deref().unwrap_or_default()));
    for track in &film.left_out {
        say(&format!("not shown: {track}"));
    }
    ExitCode::SUCCESS
}

/// Ctrl-C: the film is not wanted any more, and nothing is left of it.
fn cancel_on_interrupt(watch: &Arc<Watch>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = Arc::clone(watch);
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            watch.cancel();
        }
    })?;
    Ok(())
}

/// Shows how far it is, where a person looks on.
fn with_progress(
    watch: &Watch,
    work: impl FnOnce() -> Result<FilmStatus, FilmError>,
) -> Result<FilmStatus, FilmError> {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        scope.spawn(move || {
            while wait.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
                let (position, total) = watch.progress();
                // Standard error that is gone is no reason to stop.
                let _ = write!(
                    std::io::stderr(),
                    "\r{:3} %  {} of {} s ",
                    position * 100 / total.max(1),
                    position / 1000,
                    total / 1000
                );
            }
            let _ = writeln!(std::io::stderr());
        });
        let made = work();
        drop(done);
        made
    })
}
