//! `vbranch-load`: load for the media plane, and networks that are bad on purpose.
//!
//! Exit codes: 0 done, 1 the check failed (and what failed is named), 2 wrong usage or input.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;
use vbranch_load::{
    load::{
        calls::{self, BenchDoor, BranchDoor, Calls, Door, Login, NetemDoor},
        compare::{self, Compare, Entrant},
        flood::Flood,
        machine::{self, Spinners},
        report,
        server::{Program, Server},
        synthetic::Codec,
    },
    netem,
};

/// Load for the media plane.
#[derive(Parser)]
#[command(name = "vbranch-load", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Raw forwarding: senders as fast as packets come out again, subscribers that only count.
    Sfu(SfuOptions),
    /// Whole calls of two parties each, with recorded media.
    Calls(CallsOptions),
    /// Raw forwarding of several servers side by side.
    SfuCompare(CompareOptions),
    /// Bad networks between clients and servers, steered by lines of JSON on standard input.
    Relay,
    /// Keeps a core awake at the lowest priority.
    #[command(hide = true)]
    Spin {
        #[arg(long)]
        core: usize,
    },
}

#[derive(Args)]
struct SfuOptions {
    /// A running bench server; without it, ours is started.
    #[arg(long, requires = "pid")]
    addr: Option<SocketAddr>,
    /// The process of `--addr`.
    #[arg(long)]
    pid: Option<u32>,
    /// Rooms with one sender each.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Subscribers per room.
    #[arg(long, default_value_t = 1)]
    subs: usize,
    /// Measure so many silent clients instead.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// Packets per second and sender; 0: as many as come out again.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Packets of a sender on their way at once.
    #[arg(long, default_value_t = 64)]
    window: u64,
    /// How long to measure.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    #[arg(long, value_enum, default_value_t = Codec::H264)]
    codec: Codec,
    /// No audio section in the offers.
    #[arg(long)]
    video_only: bool,
    /// Write the figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct CallsOptions {
    /// A running `vbranch serve --demo`, e.g. http://localhost:8080; it records every call. Without
    /// it, our media plane alone is started.
    #[arg(long)]
    branch: Option<String>,
    /// A staff member of that branch, one per call.
    #[arg(long, value_parser = login, default_value = "staff:staff-demo", requires = "branch")]
    staff: Vec<Login>,
    /// Its process, for CPU and memory.
    #[arg(long, requires = "branch")]
    pid: Option<u32>,
    /// Whether our media plane records the calls.
    #[arg(long, value_enum, default_value_t = Record::Off, conflicts_with = "branch")]
    record: Record,
    /// How many calls.
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// How long to measure.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Video of each party.
    #[arg(long, default_value_t = 1_000)]
    video_kbps: u32,
    /// Packets lost on each party's way to the server and back, in percent each way.
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    loss: f64,
    /// Round trip between a party and the server.
    #[arg(long, default_value_t = 0)]
    rtt: u32,
    /// Jitter each way.
    #[arg(long, default_value_t = 0)]
    jitter: u32,
    /// Cap each way; 0: none.
    #[arg(long, default_value_t = 0)]
    kbps: u64,
    /// What the bad network draws from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with pictures here.
    #[arg(long)]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Record {
    On,
    Off,
}

fn login(text: &str) -> Result<Login, String> {
    let (username, password) = text.split_once(':').ok_or("not NAME:PASSWORD")?;
    Ok(Login { username: username.to_owned(), password: password.to_owned() })
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.0..=100.0).contains(&p) => Ok(p),
        _ => Err("not a percentage".to_owned()),
    }
}

#[derive(Args)]
struct CompareOptions {
    /// Another server, as `PATH [ARGUMENT…]`, video only in VP8.
    #[arg(long = "against")]
    against: Vec<String>,
    /// How often each; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each time.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Said at the end of the document, such as what was special about the machine.
    #[arg(long, default_value = "")]
    note: String,
    /// Keep `media-plane.md`, its chart and the figures in this folder.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Of two cores the server has the first, the clients have the second.
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Sfu(options) => sfu(&options),
        Command::Calls(options) => calls(&options),
        Command::SfuCompare(options) => sfu_compare(&options),
        Command::Relay => relay(),
        Command::Spin { core } => machine::spin(core),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vbranch-load: {error:#}");
            ExitCode::from(if error.is::<WrongInput>() { 2 } else { 1 })
        }
    }
}

/// What was asked for cannot be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongInput(String);

fn sfu(options: &SfuOptions) -> anyhow::Result<()> {
    let started = match options.addr {
        Some(_) => None,
        None => Some(Program::ours()?.flooded().start(SERVER_CORE)?),
    };
    let (server, pid) = match (&started, options.addr, options.pid) {
        (Some(server), ..) => (server.address, server.pid()),
        (None, Some(address), Some(pid)) => (address, pid),
        _ => anyhow::bail!("--addr needs --pid"),
    };
    let _awake = Spinners::start(2)?;
    machine::pin(CLIENT_CORE)?;
    let flood = Flood {
        rooms: options.rooms,
        subs: options.subs,
        idle: options.idle,
        measure: Duration::from_secs(options.seconds),
        rate: options.rate,
        window: options.window,
        codec: options.codec,
        audio: !options.video_only,
    };
    let outcome = flood.run(server, pid)?;
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    match &options.json {
        Some(path) => report::write_json(path, &outcome),
        None => Ok(()),
    }
}

/// Where the calls take place.
enum Place {
    Branch(String),
    /// Our media plane, and where it records.
    MediaPlane {
        server: Server,
        _records: Option<TempDir>,
    },
}

impl Place {
    fn of(options: &CallsOptions) -> anyhow::Result<Self> {
        if let Some(url) = &options.branch {
            return Ok(Self::Branch(url.clone()));
        }
        let mut program = Program::ours()?;
        let folder = (options.record == Record::On).then(TempDir::new).transpose()?;
        if let Some(folder) = &folder {
            program.arguments.extend(["--record".to_owned(), folder.path().display().to_string()]);
        }
        Ok(Self::MediaPlane { server: program.start(SERVER_CORE)?, _records: folder })
    }

    fn door(&self, options: &CallsOptions) -> anyhow::Result<Box<dyn Door>> {
        Ok(match self {
            Self::Branch(url) => Box::new(BranchDoor::new(url, options.staff.clone())?),
            Self::MediaPlane { server, .. } => Box::new(BenchDoor(server.address)),
        })
    }

    fn pid(&self, options: &CallsOptions) -> Option<u32> {
        match self {
            Self::Branch(_) => options.pid,
            Self::MediaPlane { server, .. } => Some(server.pid()),
        }
    }
}

fn calls(options: &CallsOptions) -> anyhow::Result<()> {
    let conditions = netem::Conditions {
        loss: netem::Loss::Uniform((options.loss / 100.0).try_into()?),
        delay_ms: options.rtt / 2,
        jitter_ms: options.jitter,
        rate_bps: (options.kbps > 0).then_some(options.kbps * 1_000),
        ..netem::Conditions::default()
    };
    let (count, staff) = (options.count, options.staff.len());
    if options.branch.is_some() && staff < count {
        let words = format!("{count} calls need as many staff members; {staff} given by --staff");
        return Err(WrongInput(words).into());
    }
    let place = Place::of(options)?;
    let mut door = NetemDoor::new(place.door(options)?, conditions, options.seed)?;
    let _awake = Spinners::start(2)?;
    machine::pin(CLIENT_CORE)?;
    let calls = Calls {
        count: options.count,
        measure: Duration::from_secs(options.seconds),
        video_bps: options.video_kbps * 1_000,
    };
    let outcome = calls.run(&mut door, place.pid(options))?;
    print!("{}", calls::table(&outcome));
    if let Some(path) = &options.json {
        report::write_json(path, &outcome)?;
    }
    if let Some(path) = &options.html {
        report::write(path, &calls::page(&outcome))?;
    }
    anyhow::ensure!(outcome.blind == 0, "{} parties never saw a picture", outcome.blind);
    Ok(())
}

fn sfu_compare(options: &CompareOptions) -> anyhow::Result<()> {
    let ours = Entrant { program: Program::ours()?.flooded(), codec: Codec::H264, audio: true };
    let mut programs = vec![ours];
    for text in &options.against {
        let program = Program::parse(text).map_err(|e| WrongInput(e.to_string()))?;
        programs.push(Entrant { program, codec: Codec::Vp8, audio: false });
    }
    let _awake = Spinners::start(2)?;
    machine::pin(CLIENT_CORE)?;
    let compare = Compare {
        programs,
        rounds: options.rounds,
        measure: Duration::from_secs(options.seconds),
        cores: [SERVER_CORE, CLIENT_CORE],
    };
    let cells = compare.run(|step| eprintln!("{step}"));
    print!("{}", compare::table(&cells));
    match &options.out {
        Some(folder) => compare.keep(folder, &cells, &options.note),
        None => Ok(()),
    }
}

fn relay() -> anyhow::Result<()> {
    machine::die_with_parent()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(netem::serve(tokio::io::stdin(), tokio::io::stdout()))?;
    Ok(())
}
