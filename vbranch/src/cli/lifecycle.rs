//! `vbranch hold`, `unhold`, `retain`, `destroy`, `keys` and `reconcile`: what operators decide on
//! recordings and their keys. Each decision is on the evidence log.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};
use vbranch_domain::{Clock, RecordingId, SystemClock};
use vbranch_recorder::{
    Day, Offline, RecorderError,
    keys::{EscrowSecretKey, EvidencePublicKey},
    log::Order,
    open_escrowed, write_films,
};

use super::{USAGE, complain, evidence::whoami, say, say_json};
use crate::{adapters, config::Config};

/// A decision on one recording.
#[derive(Debug, Args)]
pub struct Decide {
    /// The recording's id, as the audit page shows it
    recording: RecordingId,
    /// Why: a file number, say. It is kept in clear, so nothing about the customer
    #[arg(long)]
    reason: String,
    /// Settings file of the server (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What is decided.
#[derive(Debug, Clone, Copy)]
pub enum Decision {
    Hold,
    Unhold,
    Destroy,
}

#[derive(Debug, Args)]
pub struct Retain {
    #[command(flatten)]
    decide: Decide,
    /// The last day it must be kept, such as 2046-12-31 (UTC)
    #[arg(long, value_name = "DAY")]
    until: Day,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Have a new key-encryption key take over: data keys are wrapped anew, media stay as they are.
    /// Run again, it goes on with a change that was not finished
    Rotate {
        /// Settings file of the server (TOML)
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make a second holder's key pair; on their machine, not on the server
    EscrowInit {
        /// Where the private key goes; the public one goes beside it, as .pub
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open a bundle's data key, and films, with a second holder's private key; offline
    EscrowOpen {
        /// The bundle
        bundle: PathBuf,
        /// The second holder's private key
        #[arg(long, value_name = "FILE")]
        escrow_key: PathBuf,
        /// The branch's public evidence key
        #[arg(long, value_name = "PUB")]
        key: PathBuf,
        /// A folder for the playable films, in clear
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Reconcile {
    /// The day, such as 2026-11-29 (UTC); yesterday if left out
    #[arg(long)]
    day: Option<Day>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Settings file of the server (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The recorder's folders as the settings say.
fn office(config: Option<&PathBuf>) -> Result<(Config, Offline), ExitCode> {
    let config = Config::load(config.map(PathBuf::as_path)).map_err(|e| complain(USAGE, &e))?;
    let recorder = adapters::recorder_config(&config.recorder, &config.data.dir);
    let office = Offline::open(&recorder, Arc::new(SystemClock::start()));
    Ok((config, office.map_err(|error| complain(1, &error))?))
}

fn order(decide: Decide) -> Order {
    Order {
        recording: decide.recording,
        user: whoami(),
        reason: decide.reason,
        at_ms: SystemClock::start().wall(),
    }
}

pub fn run_decision(decision: Decision, decide: Decide) -> ExitCode {
    let office = match office(decide.config.as_ref()) {
        Ok((_, office)) => office,
        Err(code) => return code,
    };
    let recording = decide.recording;
    let (done, word) = match decision {
        Decision::Hold => (office.hold(order(decide)), "is held"),
        Decision::Unhold => (office.unhold(order(decide)), "is no longer held"),
        Decision::Destroy => (office.destroy(order(decide)), "is destroyed"),
    };
    answer(done, &format!("recording {recording} {word}"))
}

pub fn run_retain(retain: Retain) -> ExitCode {
    let office = match office(retain.decide.config.as_ref()) {
        Ok((_, office)) => office,
        Err(code) => return code,
    };
    let (recording, until) = (retain.decide.recording, retain.until);
    let done = office.retain(order(retain.decide), until.ends());
    answer(done, &format!("recording {recording} is kept until the end of {until} at least"))
}

fn answer(done: Result<(), RecorderError>, said: &str) -> ExitCode {
    match done {
        Ok(()) => {
            say(&said);
            ExitCode::SUCCESS
        }
        Err(error) => complain(1, &error),
    }
}

pub fn run_keys(command: KeysCommand) -> ExitCode {
    match command {
        KeysCommand::Rotate { config } => rotate(config.as_ref()),
        KeysCommand::EscrowInit { out } => escrow_init(&out),
        KeysCommand::EscrowOpen { bundle, escrow_key, key, out } => {
            match escrow_open(&bundle, &escrow_key, &key, &out) {
                Ok(code) => code,
                Err(why) => complain(1, &why),
            }
        }
    }
}

fn rotate(config: Option<&PathBuf>) -> ExitCode {
    let office = match office(config) {
        Ok((_, office)) => office,
        Err(code) => return code,
    };
    let rotation = match office.rotate_keys(&whoami()) {
        Ok(rotation) => rotation,
        Err(error) => return complain(1, &error),
    };
    let (from, to) = (rotation.turn.from.join(", "), &rotation.turn.to);
    say(&format!("{} data keys wrapped anew: {to} takes over from {from}", rotation.wrapped));
    if rotation.is_finished() {
        say(&"nothing needs the old key any more; it is deleted");
        return ExitCode::SUCCESS;
    }
    for (recording, why) in &rotation.waiting {
        say(&format!("recording {recording} still needs the old key: {why}"));
    }
    let left = rotation.waiting.len();
    complain(
        1,
        &format!("{left} recordings still need the old key; both keys work. Run this again"),
    )
}

fn escrow_init(out: &Path) -> ExitCode {
    let made = EscrowSecretKey::create(out).and_then(|secret| secret.public());
    let public = match made {
        Ok(public) => public,
        Err(error) => return complain(1, &error),
    };
    let path = out.with_extension("pub");
    if let Err(error) = std::fs::write(&path, public.to_pem()) {
        return complain(1, &format!("{}: {error}", path.display()));
    }
    say(&format!("private key: {}   keep it off the server, and back it up", out.display()));
    say(&format!("public key:  {}   [recorder] escrow_key on the server", path.display()));
    say(&format!("name:        {}", public.id()));
    ExitCode::SUCCESS
}

fn escrow_open(
    bundle: &Path,
    escrow_key: &Path,
    key: &Path,
    out: &Path,
) -> Result<ExitCode, String> {
    let holder = EscrowSecretKey::open(escrow_key).map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(key).map_err(|e| format!("{}: {e}", key.display()))?;
    let key: EvidencePublicKey = text.parse().map_err(|error| format!("{error}"))?;
    let data_key = open_escrowed(bundle, &key, &holder).map_err(|error| error.to_string())?;
    let films = write_films(bundle, &key, &data_key, out).map_err(|error| error.to_string())?;
    for film in films {
        say(&format!("in clear: {}", film.display()));
    }
    let report = vbranch_recorder::verify::verify(bundle, &key, Some(data_key));
    match report.first_failure {
        None => {
            say(&"the bundle verifies, plaintext included");
            Ok(ExitCode::SUCCESS)
        }
        Some(failure) => Err(format!("the bundle does not verify: {failure}")),
    }
}

pub fn run_reconcile(options: &Reconcile) -> ExitCode {
    let (config, office) = match office(options.config.as_ref()) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let day = options.day.unwrap_or_else(|| Day::of(SystemClock::start().wall()).before());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(1, &format!("cannot start: {error}")),
    };
    let calls = match runtime.block_on(adapters::calls_of(&config.data.database_url, day)) {
        Ok(calls) => calls,
        Err(error) => return complain(1, &format!("visits: {error}")),
    };
    let found = match office.reconcile(day, &calls, config.recorder.reconcile_tolerance) {
        Ok(found) => found,
        Err(error) => return complain(1, &error),
    };
    if options.json {
        let printed = say_json(&found);
        return if found.is_ok() { printed } else { ExitCode::from(1) };
    }
    say(&format!("{}: {} calls", found.day, found.calls));
    for (word, findings) in [("missing", &found.missing), ("short", &found.short)] {
        for finding in findings {
            let recording = finding.recording.map(|r| r.to_string());
            let recording = recording.as_deref().unwrap_or("none");
            let (visit, what) = (finding.visit, &finding.what);
            say(&format!("{word}: visit {visit}, recording {recording}: {what}"));
        }
    }
    if found.is_ok() {
        say(&"every call has its recording in both stores");
        return ExitCode::SUCCESS;
    }
    let (missing, short) = (found.missing.len(), found.short.len());
    complain(1, &format!("{missing} recordings are missing, {short} are short"))
}
