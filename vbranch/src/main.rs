//! `vbranch`: a self-hosted virtual bank branch in one binary.

mod adapters;
mod cli;
mod config;
mod observe;
mod serve;
mod web;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
