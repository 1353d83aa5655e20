//! The media plane alone, for measurements: calls are made by who asks, nobody signs in.
//!
//! `sfu-bench-server --listen 127.0.0.1:7000 --core 0`; signaling as in `load/signal.rs`.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Parser;
use vbranch_domain::{
    CallId, Clock, ParticipantId, RecordingId, Seat, SystemClock, VisitId,
    recording::{RecordedParticipant, RecordingMeta},
};
use vbranch_load::load::{
    machine,
    signal::{self, Request},
};
use vbranch_recorder::{
    Recorder, RecorderConfig, RecorderPaths, RetentionRules, StoresRequired, store::StorePlace,
};
use vbranch_sfu::{Sfu, SfuConfig, SfuHandle};

/// The media plane alone, for measurements.
#[derive(Parser)]
struct Options {
    /// Where to take offers (TCP).
    #[arg(long, default_value = "127.0.0.1:7000")]
    listen: SocketAddr,
    /// Where media comes (UDP); 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    media: SocketAddr,
    /// Stay on this core.
    #[arg(long)]
    core: Option<usize>,
    /// Record every call into this folder, as the server does.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Media threads.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// Take every client's network to carry 10 Gbit/s: a flood is to show what the server can do,
    /// not what congestion control would allow on a network.
    #[arg(long)]
    flood: bool,
}

/// More than any network here carries, bit/s.
const FLOOD: u64 = 10_000_000_000;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    machine::die_with_parent()?;
    if let Some(core) = options.core {
        machine::pin(core)?;
    }
    let mut config = SfuConfig {
        shards: options.shards,
        ..SfuConfig::new(options.media, vec![Ipv4Addr::LOCALHOST.into()])
    };
    if options.flood {
        (config.start_bitrate, config.max_bitrate) = (FLOOD, FLOOD);
    }
    let clock = SystemClock::start();
    let sfu = Sfu::start(&config, clock, Arc::new(|_| ()))?;
    let recorder =
        options.record.as_deref().map(|folder| record_into(folder, clock)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let calls = HashMap::new();
    let mut desk = Desk { sfu: sfu.handle(), runtime, clock, recorder, calls };
    for stream in TcpListener::bind(options.listen)?.incoming() {
        // A client that breaks off its request is its own loss.
        let _ = desk.serve(&mut stream?);
    }
    Ok(())
}

/// Both stores are folders here, and healthy.
const SPOOL: u64 = 1 << 30;

fn record_into(folder: &Path, clock: SystemClock) -> anyhow::Result<Recorder> {
    let config = RecorderConfig {
        paths: RecorderPaths::under(folder),
        stores: StorePlace::both_under(folder),
        stores_required: StoresRequired::Both,
        spool_bytes: SPOOL,
        escrow: None,
        retention: RetentionRules::default(),
        log_origin: "vbranch.bench/evidence".to_owned(),
    };
    Ok(Recorder::start(&config, Arc::new(clock), Box::new(|_| ()))?)
}

/// Who is let into which call: the one place that talks to the media plane.
struct Desk {
    sfu: SfuHandle,
    runtime: tokio::runtime::Runtime,
    clock: SystemClock,
    recorder: Option<Recorder>,
    calls: HashMap<usize, CallId>,
}

impl Desk {
    fn serve(&mut self, stream: &mut TcpStream) -> anyhow::Result<()> {
        let request: Request = serde_json::from_slice(&signal::read(stream)?)?;
        let answer = self.join(request).unwrap_or_default();
        Ok(signal::write(stream, answer.as_bytes())?)
    }

    /// Who sends and who does not is in the offer; everyone is a participant of the room's call.
    fn join(&mut self, request: Request) -> anyhow::Result<String> {
        let call = match self.calls.get(&request.room) {
            Some(call) => *call,
            None => self.open(request.room)?,
        };
        let join = self.sfu.join(call, ParticipantId::random(), Seat::Staff, request.sdp);
        Ok(self.runtime.block_on(join)?.sdp)
    }

    /// A new call, recorded from its first packet.
    fn open(&mut self, room: usize) -> anyhow::Result<CallId> {
        let call = CallId::random();
        if let Some(recorder) = &self.recorder {
            let meta = RecordingMeta {
                recording: RecordingId::random(),
                visit: VisitId::random(),
                call,
                started: self.clock.wall(),
                journey: "bench@1".to_owned(),
                participants: Vec::<RecordedParticipant>::new(),
            };
            self.sfu.attach_tap(call, "recorder", recorder.open(meta, self.clock.mono())?)?;
        }
        self.calls.insert(room, call);
        Ok(call)
    }
}
