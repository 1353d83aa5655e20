//! The server under attack and the honest call beside the attack.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use tokio::runtime::Runtime;
use vbranch_domain::{CallId, Leg, ParticipantId, Seat, SystemClock, Tap, TapItem, TrackId};
use vbranch_load::Bot;
use vbranch_sfu::{Sfu, SfuConfig, SfuEvent};

use crate::{
    client::{Client, Connecting, Identity},
    gauges,
};

/// How long anything may take. Generous: it says that something never comes, not how fast.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One runtime for all tests: the honest call outlives each of them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static BRANCH: tokio::sync::Mutex<Option<Branch>> = tokio::sync::Mutex::const_new(None);

/// A server, and two parties in a call.
pub struct Branch {
    pub call: CallId,
    pub clock: SystemClock,
    sfu: Sfu,
    events: Arc<Mutex<Vec<SfuEvent>>>,
    taped: Arc<Mutex<Taped>>,
    guests: Mutex<Vec<ParticipantId>>,
    customer: Bot,
    staff: Bot,
}

/// Guests of one call before another is begun; a call has room for 32 people in all its life, and
/// a test may bring several.
const GUESTS: usize = 8;

/// Runs one test; they take turns.
pub fn run(test: impl AsyncFnOnce(&Branch) -> anyhow::Result<()>) {
    RUNTIME.block_on(async {
        let mut place = BRANCH.lock().await;
        if let Some(branch) = place.take_if(|b| b.guests.lock().unwrap().len() > GUESTS) {
            Box::pin(branch.close()).await.unwrap();
        }
        if place.is_none() {
            *place = Some(Box::pin(Branch::start()).await.unwrap());
        }
        let branch = place.as_ref().unwrap();
        branch.send_guests_home();
        branch.still_flows().await.unwrap();
        test(branch).await.unwrap();
        branch.still_flows().await.unwrap();
        branch.taped.lock().unwrap().check();
    });
}

impl Branch {
    async fn start() -> anyhow::Result<Self> {
        gauges::install();
        let events = Arc::new(Mutex::new(vec![]));
        let (sink, clock) = (events.clone(), SystemClock::start());
        let config =
            SfuConfig::new((Ipv4Addr::LOCALHOST, 0).into(), vec![Ipv4Addr::LOCALHOST.into()]);
        let sink = Arc::new(move |event| sink.lock().unwrap().push(event));
        let sfu = Sfu::start(&config, clock, sink)?;
        let (call, taped) = (CallId::random(), Arc::new(Mutex::new(Taped::default())));
        sfu.handle().attach_tap(call, "recorder", Box::new(Recorder(taped.clone())))?;
        let mut bots = vec![];
        for (seat, tone) in [(Seat::Customer, 440.0), (Seat::Staff, 880.0)] {
            let (mut bot, offer) = Bot::offer(tone).await?;
            let answer = sfu.handle().join(call, ParticipantId::random(), seat, offer).await?;
            bot.connect(answer.sdp).await?;
            bots.push(bot);
        }
        let (Some(staff), Some(customer)) = (bots.pop(), bots.pop()) else { unreachable!() };
        Ok(Self { call, clock, sfu, events, taped, guests: Mutex::default(), customer, staff })
    }

    /// Both parties go on seeing and hearing each other.
    pub async fn still_flows(&self) -> anyhow::Result<()> {
        for bot in [&self.customer, &self.staff] {
            let before = bot.heard();
            let more = |now: vbranch_load::Heard| {
                now.frames > before.frames + 5 && now.packets > before.packets + 10
            };
            bot.wait_until(PATIENCE, more).await?;
        }
        Ok(())
    }

    pub fn address(&self) -> SocketAddr {
        self.sfu.listening_on()[0]
    }

    pub fn handle(&self) -> vbranch_sfu::SfuHandle {
        self.sfu.handle()
    }

    /// An offer of `identity` is answered; nothing is connected yet.
    pub async fn answer(
        &self,
        who: ParticipantId,
        identity: Identity,
    ) -> anyhow::Result<Connecting> {
        let offer = identity.offer();
        let answer = self.handle().join(self.call, who, Seat::ThirdParty, offer).await?;
        self.guests.lock().unwrap().push(who);
        Ok(Connecting::new(identity, &answer.sdp, self.clock))
    }

    /// A third party that is connected and driven by hand.
    pub async fn third_party(&self) -> anyhow::Result<(ParticipantId, Client)> {
        let who = ParticipantId::random();
        let client = self.answer(who, Identity::new()).await?.connect().await?;
        Ok((who, client))
    }

    /// Waits for an event of the media plane.
    pub async fn event(&self, wanted: impl Fn(&SfuEvent) -> bool) -> anyhow::Result<()> {
        let seen = || self.events.lock().unwrap().iter().any(&wanted);
        eventually("event", seen).await
    }

    /// Whether a participant was ever connected.
    pub fn was_connected(&self, who: ParticipantId) -> bool {
        self.events
            .lock()
            .unwrap()
            .iter()
            .any(|e| matches!(e, SfuEvent::Connected { participant, .. } if *participant == who))
    }

    /// Legs of a participant that the recorder was told of.
    pub fn legs(&self, who: ParticipantId) -> Vec<Leg> {
        let taped = self.taped.lock().unwrap();
        taped.legs.iter().filter(|(p, _)| *p == who).map(|(_, leg)| *leg).collect()
    }

    /// What the recorder got of a track.
    pub fn taped(&self, track: TrackId) -> TapedTrack {
        self.taped.lock().unwrap().tracks.get(&track).copied().unwrap_or_default()
    }

    /// What a former test left behind.
    fn send_guests_home(&self) {
        for who in self.guests.lock().unwrap().iter() {
            self.handle().leave(self.call, *who);
        }
    }

    async fn close(self) -> anyhow::Result<()> {
        self.customer.close().await?;
        self.staff.close().await?;
        Ok(tokio::task::spawn_blocking(|| self.sfu.stop()).await?)
    }

    /// The client leaves, and the server forgets it.
    pub async fn leave(&self, who: ParticipantId) -> anyhow::Result<()> {
        self.handle().leave(self.call, who);
        self.event(
            |e| matches!(e, SfuEvent::Disconnected { participant, .. } if *participant == who),
        )
        .await
    }
}

/// Waits until something is so.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, poll).await;
    waited.map_err(|_| anyhow::anyhow!("{what} did not come"))
}

/// Memory of this process, which is the server's and both bots'.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What the recorder was given, without the media itself.
#[derive(Default)]
struct Taped {
    legs: Vec<(ParticipantId, Leg)>,
    tracks: HashMap<TrackId, TapedTrack>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct TapedTrack {
    pub frames: u64,
    pub bytes: u64,
    pub largest: usize,
    /// Packets declared missing.
    pub lost: u64,
    leg: Leg,
    last: u64,
    disordered: bool,
}

impl Taped {
    fn check(&self) {
        for (track, taped) in &self.tracks {
            assert!(!taped.disordered, "{track}: frames out of order");
        }
    }
}

struct Recorder(Arc<Mutex<Taped>>);

impl Tap for Recorder {
    fn push(&mut self, item: TapItem) {
        let mut taped = self.0.lock().unwrap();
        match item {
            TapItem::LegStarted { participant, leg, .. } => taped.legs.push((participant, leg)),
            TapItem::Frame(frame) => {
                let track = taped.tracks.entry(frame.track).or_default();
                if track.leg != frame.leg {
                    (track.leg, track.last) = (frame.leg, 0);
                }
                track.disordered |= frame.rtp_time.0 < track.last;
                track.last = frame.rtp_time.0;
                track.frames += 1;
                track.bytes += frame.payload.len() as u64;
                track.largest = track.largest.max(frame.payload.len());
            }
            TapItem::Lost { track, packets, .. } => {
                taped.tracks.entry(track).or_default().lost += u64::from(packets);
            }
            _ => {}
        }
    }
}
