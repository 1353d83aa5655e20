//! The command line. Exit codes: 0 done, 1 the check or start failed, 2 wrong usage or input.

mod composite;
mod evidence;
mod kyc;
mod lifecycle;

use std::{fmt::Display, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use self::lifecycle::Decision;
use crate::{config::Config, serve};

/// How long blocking work may go on after the server has stopped.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Exit code for wrong usage or input (also clap's own).
const USAGE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    version,
    about = "A self-hosted virtual bank branch: visits over WebRTC, liveness checks on the media \
             path, encrypted dual recording that can be proven",
    after_help = "Settings come from a TOML file (--config) and from variables named \
                  VBRANCH_<SECTION>_<KEY>, e.g. VBRANCH_HTTP_LISTEN=127.0.0.1:8080; \
                  docs/operations.md lists them all.\n\
                  Exit codes: 0 done, 1 failed (what failed is named), 2 wrong usage or input."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve {
        /// Settings file (TOML)
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Make one account per role with public passwords, and let anyone start a visit
        #[arg(long)]
        demo: bool,
    },
    /// Write a recording's evidence bundle, to be checked anywhere with `verify`
    Export(evidence::Export),
    /// Check an evidence bundle, offline
    Verify(evidence::Verify),
    /// Make one film of a recording's parties, with clock and watermark; to look at, not evidence
    Composite(composite::Composite),
    /// Put a recording under legal hold: it is not destroyed, whatever retention says
    Hold(lifecycle::Decide),
    /// Lift a recording's legal hold
    Unhold(lifecycle::Decide),
    /// Have a recording kept until a day at least
    Retain(lifecycle::Retain),
    /// Destroy a recording's keys, so that its media can never be opened again. Refused while it is
    /// held or must be kept
    Destroy(lifecycle::Decide),
    /// Key-encryption key and second key holders
    Keys {
        #[command(subcommand)]
        command: lifecycle::KeysCommand,
    },
    /// Hold a day's calls against its recordings; exit code 1 when one is missing or short
    Reconcile(lifecycle::Reconcile),
    /// Face models and liveness
    Kyc {
        #[command(subcommand)]
        command: kyc::KycCommand,
    },
}

/// Runs the command and turns its outcome into an exit code.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve { config, demo } => run_server(config, demo),
        Command::Export(export) => evidence::run_export(&export),
        Command::Verify(verify) => evidence::run_verify(&verify),
        Command::Composite(composite) => composite::run(&composite),
        Command::Hold(decide) => lifecycle::run_decision(Decision::Hold, decide),
        Command::Unhold(decide) => lifecycle::run_decision(Decision::Unhold, decide),
        Command::Retain(retain) => lifecycle::run_retain(retain),
        Command::Destroy(decide) => lifecycle::run_decision(Decision::Destroy, decide),
        Command::Keys { command } => lifecycle::run_keys(command),
        Command::Reconcile(reconcile) => lifecycle::run_reconcile(&reconcile),
        Command::Kyc { command } => kyc::run(command),
    }
}

fn run_server(file: Option<PathBuf>, demo: bool) -> ExitCode {
    let config = match Config::load(file.as_deref()) {
        Ok(config) => config,
        Err(mistakes) => return complain(USAGE, &mistakes),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(1, &format!("cannot start: {error}")),
    };
    let outcome = runtime.block_on(Box::pin(serve::serve(config, demo)));
    // A disk that hangs must not keep the process from ending.
    runtime.shutdown_timeout(STOP_WITHIN);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &format!("{error:#}")),
    }
}

/// Says on standard error what went wrong.
#[expect(clippy::print_stderr, reason = "the command line talks to a person")]
fn complain(code: u8, message: &dyn Display) -> ExitCode {
    eprintln!("vbranch: {}", printable(&message.to_string()));
    ExitCode::from(code)
}

/// Prints a line of the command's answer.
#[expect(clippy::print_stdout, reason = "the command line talks to a person or a script")]
fn say(line: &dyn Display) {
    println!("{}", printable(&line.to_string()));
}

/// Text that cannot steer a terminal: names and messages may come out of a hostile bundle.
fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

/// Prints an answer for a script.
fn say_json<T: serde::Serialize>(value: &T) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => complain(1, &error),
    }
}
