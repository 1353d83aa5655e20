//! `kyc-trials`: presentation attack trials of the liveness check.
//!
//! Live people and attackers are painted picture by picture from films, encoded as a browser does,
//! and played against the real check in virtual time: what the check asks for decides what the next
//! picture shows. `docs/benchmarks/liveness.md` says what came of it and what it cannot stand for.
#![expect(
    clippy::indexing_slicing,
    reason = "numbers of pixels and points come from this program; one out of range is a bug that \
              should stop it"
)]

mod acting;
mod actions;
mod codec;
mod film;
mod light;
mod medium;
mod mesh;
mod picture;
mod rehearse;
mod report;
mod roles;
mod run;
mod sitter;
mod stage;
mod subject;
mod warp;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Presentation attack trials of the liveness check
#[derive(Debug, Parser)]
#[command(name = "kyc-trials")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play trials and add their outcomes to a file; trials that are in it already are left out
    Run(run::Run),
    /// Ask for single gestures that are made, or not made, and add what was found to a file
    Actions(actions::Actions),
    /// Write what a sitter would show to a film, to be looked at
    Rehearse(rehearse::Rehearse),
    /// Make the report of what was played
    Report(report::Report),
}

/// Where films, annotations and models are.
#[derive(Debug, Args)]
struct Places {
    /// Folder with the films of faces
    #[arg(long, env = "VBRANCH_FACES")]
    films: PathBuf,
    /// Folder with their annotations (tools/annotate.py)
    #[arg(long, env = "VBRANCH_FACES_NOTES")]
    notes: PathBuf,
    /// Folder with fetched models
    #[arg(long, env = "VBRANCH_MODELS", default_value = "data/models")]
    models: PathBuf,
    /// Policy of the check (TOML); what it leaves out keeps its default
    #[arg(long)]
    policy: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Actions(options) => actions::run(&options),
        Command::Rehearse(options) => rehearse::run(&options),
        Command::Report(options) => report::run(&options),
    }
}
