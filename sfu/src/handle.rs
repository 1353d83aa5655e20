//! Starting the media plane and talking to it from outside.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use mio::Waker;
use ring::rand::SystemRandom;
use rtc::crypto::default_provider;
use tokio::sync::oneshot;
use vbranch_domain::{
    CallId, Clock, MediaKind, ParticipantId, Quality, Seat, Slot, SystemClock, Tap, TrackId,
    VideoCodec,
};

use crate::{
    bwe::{Bitrate, BweConfig},
    config::SfuConfig,
    io::Listening,
    peer::PeerSetup,
    sdp,
    shard::Shard,
    tap::{
        Worker,
        feed::{Input, TapFeed},
    },
    transport::dtls::DtlsIdentity,
};

/// Commands waiting for a shard. Full means the shard has stopped answering: the caller gets
/// [`JoinError::Unavailable`] rather than wait.
const COMMANDS: usize = 1024;

/// What the media plane tells the branch.
#[derive(Debug, Clone, PartialEq)]
pub enum SfuEvent {
    /// A participant's connection is up.
    Connected {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
    },
    /// A participant's connection is gone and no newer one has replaced it.
    Disconnected {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
    },
    /// What a participant's receiving slots show has changed.
    Slots {
        /// In which call.
        call: CallId,
        /// Whose slots.
        participant: ParticipantId,
        /// All of them, in the order of the media sections.
        slots: Vec<Slot>,
    },
    /// Somebody else is speaking now; `None` where the last speaker is gone.
    ActiveSpeaker {
        /// In which call.
        call: CallId,
        /// Who.
        participant: Option<ParticipantId>,
    },
    /// A participant's connection has become better or worse.
    Quality {
        /// In which call.
        call: CallId,
        /// Whose connection.
        participant: ParticipantId,
        /// How good it is.
        quality: Quality,
    },
    /// A participant is to send pictures in another codec from now on, so that all who take
    /// part openly can see them. Until told otherwise that is H.264.
    VideoCodec {
        /// In which call.
        call: CallId,
        /// Who.
        participant: ParticipantId,
        /// In which codec: of those it offered, also on later connections.
        codec: VideoCodec,
    },
}

/// Why a peer could not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The offer is not SDP that we can read.
    #[error("the offer could not be read: {0}")]
    BadSdp(String),
    /// The offer lacks Opus, or both H.264 constrained baseline and VP8.
    #[error("no common codec: {0}")]
    CodecNotAgreed(String),
    /// The call is full, or the media plane is stopping.
    #[error("the media plane is not available")]
    Unavailable,
}

/// Why the media plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or the address is not this machine's.
    #[error("cannot listen for media on {address}: {source}")]
    Bind {
        /// The address that was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread, poller or certificate could not be made.
    #[error("cannot start the media plane: {0}")]
    Setup(String),
}

/// What a join is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SDP answer.
    pub sdp: String,
    /// It was an ICE restart (RFC 8445 section 9): the connection that is there goes on, and no
    /// [`SfuEvent::Connected`] will tell of it.
    pub restarted: bool,
}

/// A command to a shard.
pub(crate) enum Command {
    Join {
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
        offer: Box<sdp::Offer>,
        reply: oneshot::Sender<Result<Answer, JoinError>>,
    },
    Leave {
        call: CallId,
        participant: ParticipantId,
    },
    EndCall {
        call: CallId,
    },
    Attach {
        call: CallId,
        name: &'static str,
        tap: Box<dyn Tap>,
    },
    Detach {
        call: CallId,
        name: &'static str,
    },
    RequestKeyframe {
        call: CallId,
        track: TrackId,
    },
    SetSeat {
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
    },
    Mute {
        call: CallId,
        participant: ParticipantId,
        kind: MediaKind,
        muted: bool,
    },
    CpuLimited {
        call: CallId,
        participant: ParticipantId,
        limited: bool,
    },
    Stop,
}

/// Receives [`SfuEvent`]s on the shard's thread; must not block.
pub type EventSink = Arc<dyn Fn(SfuEvent) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct ShardHandle {
    commands: SyncSender<Command>,
    waker: Arc<Waker>,
}

impl ShardHandle {
    pub(crate) fn send(&self, command: Command) -> Result<(), JoinError> {
        match self.commands.try_send(command) {
            Ok(()) => {
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                metrics::counter!("vbranch_sfu_commands_refused_total").increment(1);
                Err(JoinError::Unavailable)
            }
        }
    }
}

/// A cheap, cloneable way to talk to the media plane.
#[derive(Clone)]
pub struct SfuHandle {
    shards: Arc<[ShardHandle]>,
}

impl SfuHandle {
    /// Joins a participant to a call, making the call where it is new. Takes an SDP offer and
    /// gives the answer (RFC 8829). A second join of the same participant replaces the first, unless
    /// its offer is of the same connection with new ICE credentials: then only its way is made
    /// anew (RFC 8445 section 9).
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(
        &self,
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
        offer: String,
    ) -> Result<Answer, JoinError> {
        // Read here and not on the media thread, which has packets to forward.
        let offer = Box::new(sdp::parse_offer(&offer)?);
        let (reply, answer) = oneshot::channel();
        self.shard(call)?.send(Command::Join { call, participant, seat, offer, reply })?;
        answer.await.map_err(|_| JoinError::Unavailable)?
    }

    /// Whether an offer could be answered at all: it parses and has our codecs. Costs no peer.
    ///
    /// # Errors
    /// As for [`Self::join`].
    pub fn check_offer(&self, offer: &str) -> Result<(), JoinError> {
        sdp::check_offer(offer)
    }

    /// Drops a participant's connection.
    pub fn leave(&self, call: CallId, participant: ParticipantId) {
        self.tell(call, Command::Leave { call, participant });
    }

    /// Ends a call: its connections are closed, its taps dropped after their last item.
    pub fn end_call(&self, call: CallId) {
        self.tell(call, Command::EndCall { call });
    }

    /// Attaches a tap to a call, making the call where it is new: a tap attached before anyone
    /// joins misses nothing. `name` is for [`Self::detach_tap`].
    ///
    /// # Errors
    /// [`JoinError::Unavailable`] where the media plane is stopping.
    pub fn attach_tap(
        &self,
        call: CallId,
        name: &'static str,
        tap: Box<dyn Tap>,
    ) -> Result<(), JoinError> {
        self.shard(call)?.send(Command::Attach { call, name, tap })
    }

    /// Detaches the taps of that name.
    pub fn detach_tap(&self, call: CallId, name: &'static str) {
        self.tell(call, Command::Detach { call, name });
    }

    /// Asks a participant's client for a key frame, at most as often as the stream's limit allows.
    pub fn request_keyframe(&self, call: CallId, track: TrackId) {
        self.tell(call, Command::RequestKeyframe { call, track });
    }

    /// Puts a participant into another seat: who sees and hears whom changes at once, nobody's
    /// connection is negotiated anew.
    pub fn set_seat(&self, call: CallId, participant: ParticipantId, seat: Seat) {
        self.tell(call, Command::SetSeat { call, participant, seat });
    }

    /// Mutes by policy: what the participant sends of this kind reaches nobody but the taps,
    /// whatever its client does, until it is unmuted.
    pub fn mute(&self, call: CallId, participant: ParticipantId, kind: MediaKind, muted: bool) {
        self.tell(call, Command::Mute { call, participant, kind, muted });
    }

    /// The participant's client says that its own machine limits what it sends (or no longer):
    /// for the quality score.
    pub fn set_cpu_limited(&self, call: CallId, participant: ParticipantId, limited: bool) {
        self.tell(call, Command::CpuLimited { call, participant, limited });
    }

    fn tell(&self, call: CallId, command: Command) {
        if self.shard(call).and_then(|shard| shard.send(command)).is_err() {
            tracing::error!(%call, "media plane does not take commands");
        }
    }

    /// A call lives on one shard for its whole life, chosen by its id.
    fn shard(&self, call: CallId) -> Result<&ShardHandle, JoinError> {
        let hash =
            call.as_bytes().iter().rev().take(4).fold(0usize, |h, b| h * 31 + usize::from(*b));
        self.shards.get(hash % self.shards.len().max(1)).ok_or(JoinError::Unavailable)
    }
}

/// The running media plane.
pub struct Sfu {
    handle: SfuHandle,
    ports: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Sfu {
    /// Binds every port and starts every shard; on an error nothing stays behind.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        config: &SfuConfig,
        clock: SystemClock,
        events: EventSink,
    ) -> Result<Self, StartError> {
        let setup = |e: &dyn std::fmt::Display| StartError::Setup(e.to_string());
        let crypto = default_provider().map_err(|e| setup(&e))?;
        let identity = DtlsIdentity::generate(&crypto).map_err(|e| setup(&e))?;
        // All ports first: a taken one must stop the start, not one shard.
        let sockets = (0..config.shards.max(1))
            .map(|n| bind(config, n))
            .collect::<Result<Vec<Listening>, StartError>>()?;
        let ports = sockets.iter().map(|listening| listening.udp.local_addr()).collect();
        let (mut shards, mut threads) = (Vec::new(), Vec::new());
        for (n, socket) in sockets.into_iter().enumerate() {
            let port = socket.udp.local_addr().port();
            let setup = PeerSetup {
                identity: identity.clone(),
                crypto: crypto.clone(),
                candidates: config.advertise.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
                bandwidth: BweConfig {
                    start: Bitrate::from_bps(config.start_bitrate),
                    max: Bitrate::from_bps(config.max_bitrate),
                    ..BweConfig::default()
                },
                random: SystemRandom::new(),
            };
            match start_shard(n, socket, setup, clock, events.clone()) {
                Ok((handle, handles)) => {
                    shards.push(handle);
                    threads.extend(handles);
                }
                Err(error) => {
                    Self { handle: SfuHandle { shards: shards.into() }, ports, threads }.stop();
                    return Err(error);
                }
            }
        }
        Ok(Self { handle: SfuHandle { shards: shards.into() }, ports, threads })
    }

    /// How to talk to it.
    #[must_use]
    pub fn handle(&self) -> SfuHandle {
        self.handle.clone()
    }

    /// Where the shards listen.
    #[must_use]
    pub fn listening_on(&self) -> &[SocketAddr] {
        &self.ports
    }

    /// Closes every connection, gives the taps their last items and joins the threads. Blocks.
    pub fn stop(self) {
        for shard in &*self.handle.shards {
            // Waits for a place in the queue: a shard empties it every few milliseconds.
            let _ = shard.commands.send(Command::Stop);
            let _ = shard.waker.wake();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a media thread panicked");
            }
        }
    }
}

/// A media thread that died would leave calls that look alive and recordings without media. The
/// process ends instead: it is restarted, and recovery seals what was recorded.
fn or_abort(f: Box<dyn FnOnce() + Send>) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err() {
        tracing::error!("a media thread panicked: ending the process, so that it starts afresh");
        std::process::abort();
    }
}

fn bind(config: &SfuConfig, shard: u16) -> Result<Listening, StartError> {
    let mut address = config.listen;
    if address.port() != 0 {
        let port = address.port().checked_add(shard).ok_or_else(|| {
            StartError::Setup(format!("no port left for shard {shard} above {}", config.listen))
        })?;
        address.set_port(port);
    }
    Listening::bind(address).map_err(|source| StartError::Bind { address, source })
}

fn start_shard(
    n: usize,
    socket: Listening,
    setup: PeerSetup,
    clock: SystemClock,
    events: EventSink,
) -> Result<(ShardHandle, [JoinHandle<()>; 2]), StartError> {
    let setup_error = |e: io::Error| StartError::Setup(e.to_string());
    let (commands, inbox): (_, Receiver<Command>) = sync_channel(COMMANDS);
    let (feed, items): (TapFeed, Receiver<Input>) = TapFeed::new();
    let shard = Shard::new(socket, setup, clock, events, inbox, feed).map_err(setup_error)?;
    let handle = ShardHandle { commands, waker: shard.waker() };
    let back = handle.clone();
    let worker = Worker::new(
        clock,
        Box::new(move |request| {
            let (call, track) = (request.call, request.track);
            // Refused when the shard is overloaded; the next loss asks again.
            let _ = back.send(Command::RequestKeyframe { call, track });
        }),
    );
    let spawn = |name: String, f: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name).spawn(move || or_abort(f)).map_err(setup_error)
    };
    let media = spawn(format!("media-{n}"), Box::new(move || shard.run()))?;
    let taps = spawn(format!("taps-{n}"), Box::new(move || worker.run(&items)))?;
    tracing::info!(shard = n, now_ns = clock.mono().as_nanos(), "media shard started");
    Ok((handle, [media, taps]))
}
