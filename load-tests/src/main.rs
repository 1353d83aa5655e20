//! `vbranch-load`: load for the media plane, and networks that are bad on purpose.
//!
//! Exit codes: 0 done, 1 the check failed (and what failed is named), 2 wrong usage or input.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;
use vbranch_domain::Redacted;
use vbranch_load::{
    load::{
        calls::{self, BenchDoor, BranchDoor, Calls, Door, Login, NetemDoor},
        compare::{self, Cell, Compare, Entrant},
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
    /// Raw forwarding: senders at a rate, or as fast as packets come out again; subscribers that
    /// only count.
    Sfu(SfuOptions),
    /// Whole calls of two parties each, with recorded media.
    Calls(CallsOptions),
    /// Raw forwarding of several servers side by side.
    SfuCompare(CompareOptions),
    /// Bad networks between clients and servers, steered by lines of JSON: commands on standard
    /// input, replies on standard output.
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
    /// The process of `--addr`, for CPU and memory.
    #[arg(long, requires = "addr")]
    pid: Option<u32>,
    /// Rooms with one sender each.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    rooms: usize,
    /// Subscribers per room.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    subs: usize,
    /// Connect so many clients that stay silent, instead of rooms, and measure their memory.
    #[arg(long, default_value_t = 0, conflicts_with_all = ["rooms", "subs", "rate"])]
    idle: usize,
    /// Packets per second and sender, whose delay is then measured; 0: as many as come out again.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Without a `--rate`: packets of a sender on their way at once.
    #[arg(long, default_value_t = 64)]
    window: u64,
    /// How long to measure, after a warm-up.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// What the packets look like.
    #[arg(long, value_enum, default_value_t = Codec::H264)]
    codec: Codec,
    /// No audio section in the offers.
    #[arg(long)]
    video_only: bool,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with a picture here.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Args)]
struct CallsOptions {
    /// A running `vbranch serve --demo`, e.g. http://localhost:8080; it records every call. Without
    /// it, our media plane alone is started.
    #[arg(long, value_name = "URL")]
    branch: Option<String>,
    /// A staff member of that branch; once for each call, as nobody is in two.
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = login, default_value = "staff:staff-demo", requires = "branch")]
    staff: Vec<Login>,
    /// That branch's process, for CPU and memory: without it, they are shown as 0.
    #[arg(long, requires = "branch")]
    pid: Option<u32>,
    /// Whether our media plane records the calls, into a folder that is thrown away.
    #[arg(long, value_enum, default_value_t = Record::Off, conflicts_with = "branch")]
    record: Record,
    /// How many calls [default: 10, or with --branch as many as staff members].
    #[arg(long, value_parser = at_least_one)]
    count: Option<usize>,
    /// How long to measure, after a warm-up.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Video of each party.
    #[arg(long, value_name = "KBIT/S", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    video_kbps: u32,
    /// Packets lost on each party's way to the server and again on the way back.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    loss: f64,
    /// Round trip between a party and the server.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    rtt: u32,
    /// Jitter each way.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    jitter: u32,
    /// Cap each way, for each party; 0: none.
    #[arg(long, value_name = "KBIT/S", default_value_t = 0)]
    kbps: u32,
    /// What the bad network draws from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with pictures here.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Calls, where neither a number nor staff members are given.
const CALLS: usize = 10;

impl CallsOptions {
    fn count(&self) -> usize {
        let all = if self.branch.is_some() { self.staff.len() } else { CALLS };
        self.count.unwrap_or(all)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Record {
    On,
    Off,
}

fn login(text: &str) -> Result<Login, String> {
    let (username, password) = text.split_once(':').ok_or("not NAME:PASSWORD")?;
    Ok(Login { username: username.to_owned(), password: Redacted::new(password.to_owned()) })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("not a number from 1 on".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.0..=100.0).contains(&p) => Ok(p),
        _ => Err("not a percentage".to_owned()),
    }
}

#[derive(Args)]
struct CompareOptions {
    /// Another server, in one word; it is offered nothing but VP8.
    #[arg(long = "against", value_name = "PATH [ARGUMENT…]")]
    against: Vec<String>,
    /// How often each; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long to measure each time.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Said at the end of the document, such as what was special about the machine.
    #[arg(long, default_value = "")]
    note: String,
    /// Keep `media-plane.md`, its chart and the figures in this folder.
    #[arg(long, value_name = "FOLDER")]
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
    let (_started, name, address, pid) = match options.addr.zip(options.pid) {
        Some((address, pid)) => (None, address.to_string(), address, pid),
        None => {
            let program = Program::ours()?.flooded();
            let server = program.start(SERVER_CORE)?;
            let (address, pid) = (server.address, server.pid());
            (Some(server), program.name, address, pid)
        }
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
    let outcome = flood.run(address, pid)?;
    if let Some(path) = &options.json {
        report::write_json(path, &outcome)?;
    }
    let scenario = flood.title();
    let cells = [Cell { server: name, scenario, outcome: Some(outcome), refused: None }];
    print!("{}", compare::table(&cells));
    match &options.html {
        Some(path) => report::write(path, &compare::page("Forwarding", &cells)),
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
        rate_bps: (options.kbps > 0).then_some(u64::from(options.kbps) * 1_000),
        ..netem::Conditions::default()
    };
    let (count, staff) = (options.count(), options.staff.len());
    if options.branch.is_some() && staff < count {
        let words = format!("{count} calls need as many staff members; {staff} given by --staff");
        return Err(WrongInput(words).into());
    }
    let place = Place::of(options)?;
    let mut door = NetemDoor::new(place.door(options)?, conditions, options.seed)?;
    let _awake = Spinners::start(2)?;
    machine::pin(CLIENT_CORE)?;
    let calls = Calls {
        count,
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
