//! `vbranch export` and `vbranch verify`.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use vbranch_domain::{Clock, RecordingId, SystemClock};
use vbranch_recorder::{
    ExportOptions, Offline,
    keys::EvidencePublicKey,
    verify::{Outcome, Report, verify},
};

use super::{USAGE, complain, say, say_json};
use crate::{adapters, config::Config};

#[derive(Debug, Args)]
pub struct Export {
    /// The recording's id, as the audit page shows it
    recording: RecordingId,
    /// A folder that does not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Why the copy is taken; goes on the evidence log
    #[arg(long, default_value = "command line")]
    reason: String,
    /// Also write playable films, in clear
    #[arg(long)]
    media: bool,
    /// Also write the recording's data key, in clear, so that the plaintext can be checked too
    #[arg(long)]
    data_key: bool,
    /// Settings file of the server (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// The bundle
    bundle: PathBuf,
    /// The branch's public evidence key (`keys/evidence.pub`), got by another way than the bundle
    #[arg(long, value_name = "PUB")]
    key: PathBuf,
    /// Print the whole report as JSON
    #[arg(long)]
    json: bool,
}

pub fn run_export(options: &Export) -> ExitCode {
    let config = match Config::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(mistakes) => return complain(USAGE, &mistakes),
    };
    let recorder = adapters::recorder_config(&config.recorder, &config.data.dir);
    let clock = SystemClock::start();
    let how = ExportOptions {
        by: whoami(),
        reason: options.reason.clone(),
        at: clock.wall(),
        media: options.media,
        data_key: options.data_key,
    };
    let office = Offline::open(&recorder, Arc::new(clock));
    match office.and_then(|office| office.export(options.recording, &options.out, &how)) {
        Ok(record) => {
            say(&format!("exported {} to {}", record.recording, options.out.display()));
            say(&format!("manifest sha256 {}", record.manifest_sha256));
            if record.key_sha256.is_none() {
                say(&"its keys are destroyed: media cannot be opened, all else can be checked");
            }
            for file in &record.media {
                say(&format!("in clear: {} ({} bytes)", file.path, file.len));
            }
            ExitCode::SUCCESS
        }
        Err(error) => complain(1, &error),
    }
}

/// The account the command runs under: whoever reads the keys can export, so that is who did.
pub(super) fn whoami() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.map_or_else(|_| "command line".to_owned(), |user| format!("command line: {user}"))
}

pub fn run_verify(options: &Verify) -> ExitCode {
    if !options.bundle.is_dir() {
        return complain(USAGE, &format!("{} is not a folder", options.bundle.display()));
    }
    let key = std::fs::read_to_string(&options.key).map_err(|e| e.to_string());
    let key: EvidencePublicKey = match key.and_then(|t| t.parse().map_err(|e| format!("{e}"))) {
        Ok(key) => key,
        Err(error) => {
            return complain(USAGE, &format!("public key {}: {error}", options.key.display()));
        }
    };
    let report = verify(&options.bundle, &key, None);
    if options.json {
        let printed = say_json(&report);
        return if report.ok { printed } else { ExitCode::from(1) };
    }
    print(&report);
    match &report.first_failure {
        None => ExitCode::SUCCESS,
        Some(failure) => complain(1, &format!("the bundle does not verify: {failure}")),
    }
}

fn print(report: &Report) {
    for check in &report.checks {
        let word = match check.outcome {
            Outcome::Pass => "ok  ",
            Outcome::Fail => "FAIL",
            Outcome::Skipped => "skip",
        };
        let detail =
            if check.detail.is_empty() { String::new() } else { format!(": {}", check.detail) };
        say(&format!("{word}  {:<10} {}{detail}", check.check, check.subject));
    }
    if report.ok {
        say(&"the bundle verifies");
    }
}
