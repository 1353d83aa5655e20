//! Media plane, recorder, KYC engine and face vault as the branch meets them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tokio::sync::{Barrier, mpsc};
use vbranch_domain::{
    CallId, FilmId, MediaKind, Mono, ParticipantId, RecordingId, Seat, UnixMillis, UserId,
    kyc::{
        Challenge, KycArtifact, KycEvent, KycOutcome, KycRequest, KycVerdict, PersonRef, Portrait,
        WatchAlarm, WatchEvent,
    },
    recording::{
        ArtifactRef, FilmState, FilmStatus, RecordedParticipant, RecorderEvent, RecordingMeta,
        RecordingSummary, ReplayEvent, ReplayTrack, ReplayView, StoreId, TrackName, TrackSource,
    },
    timeline::TimelineEvent,
};
use vbranch_signaling::ports::{
    FaceVault, FilmOrder, KycPort, MediaAnswer, MediaError, MediaPlane, PortEvent, RecorderError,
    RecorderPort, VaultError,
};

/// In an offer: it is of the connection that is there, with new ICE credentials.
pub const ICE_RESTART: &str = "a=x-ice-restart";

/// All four, with one diary of what was asked of them.
pub struct Peers {
    events: mpsc::Sender<PortEvent>,
    state: Mutex<State>,
    pub kyc_available: AtomicBool,
    pub recorder_refuses: AtomicBool,
    pub artifacts_refused: AtomicBool,
    /// Artifacts are stored when so many have come.
    pub artifacts_together: Mutex<Option<Arc<Barrier>>>,
    pub vault_refuses: AtomicBool,
    pub store_a_ok: AtomicBool,
    /// A recording is being opened, or has been.
    pub opening: AtomicBool,
    /// Opening waits while a test holds it.
    pub disk: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub struct State {
    /// What was called, in order: `open`, `join customer`, `end`, `close`…
    pub diary: Vec<String>,
    pub recordings: Vec<Recording>,
    /// Answers whose connection is not up yet.
    pub answered: Vec<(CallId, ParticipantId)>,
    pub calls: HashMap<CallId, Vec<ParticipantId>>,
    pub seats: HashMap<ParticipantId, Seat>,
    pub muted: Vec<(ParticipantId, MediaKind)>,
    pub cpu_limited: Vec<(ParticipantId, bool)>,
    pub verdicts: VecDeque<KycOutcome>,
    pub replays: Vec<(RecordingId, String)>,
    /// What each check was to be made of.
    pub checks: Vec<(CallId, ParticipantId, KycRequest)>,
    /// What each check hands over before its verdict: the end of its name, its type, its content.
    pub hands_over: Vec<(&'static str, &'static str, Bytes)>,
    /// Whose faces are watched.
    pub watched: Vec<ParticipantId>,
    /// Whose faces were to be forgotten, in order.
    pub unwatched: Vec<ParticipantId>,
    /// What the vault has.
    pub faces: HashMap<PersonRef, (Portrait, UnixMillis)>,
    /// Films asked for, and their bytes once a test has made them.
    pub films: BTreeMap<FilmId, (FilmOrder, Option<Bytes>)>,
}

pub struct Recording {
    pub meta: RecordingMeta,
    pub opened: Mono,
    pub marks: Vec<TimelineEvent>,
    pub artifacts: Vec<(String, Bytes)>,
    /// Marks and artifacts in the order they came.
    pub story: Vec<String>,
    pub closed: Option<Mono>,
}

impl Recording {
    /// The types of its marks.
    pub fn words(&self) -> Vec<String> {
        self.marks.iter().map(word).collect()
    }
}

fn word(event: &TimelineEvent) -> String {
    serde_json::to_value(&event.kind).unwrap()["type"].as_str().unwrap().to_owned()
}

impl Peers {
    pub fn new(events: mpsc::Sender<PortEvent>) -> Self {
        Self {
            events,
            state: Mutex::default(),
            kyc_available: AtomicBool::new(true),
            recorder_refuses: AtomicBool::new(false),
            artifacts_refused: AtomicBool::new(false),
            artifacts_together: Mutex::default(),
            vault_refuses: AtomicBool::new(false),
            store_a_ok: AtomicBool::new(true),
            opening: AtomicBool::new(false),
            disk: tokio::sync::Mutex::default(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub async fn send(&self, event: PortEvent) {
        self.events.send(event).await.unwrap();
    }

    /// The recorder acknowledges the first segment of the newest recording.
    pub async fn first_segment(&self) {
        let recording = self.newest();
        self.send(PortEvent::Recorder(RecorderEvent::FirstSegmentDurable { recording })).await;
    }

    /// Clients have their answers: connections come up.
    pub async fn connect(&self) {
        let answered = std::mem::take(&mut self.state().answered);
        for (call, participant) in answered {
            self.send(PortEvent::MediaConnected { call, participant }).await;
        }
    }

    /// The check that was begun last says something.
    pub async fn check_says(&self, event: KycEvent) {
        let (call, participant) = {
            let state = self.state();
            let (call, participant, _) = state.checks.last().expect("a check");
            (*call, *participant)
        };
        self.send(PortEvent::Kyc { call, participant, event }).await;
    }

    /// The watch over somebody of the newest call says something.
    pub async fn watch_says(&self, participant: ParticipantId, alarm: WatchAlarm, raised: bool) {
        let call = self.state().recordings.last().unwrap().meta.call;
        let event = WatchEvent { alarm, raised };
        self.send(PortEvent::Watch { call, participant, event }).await;
    }

    pub fn newest(&self) -> RecordingId {
        self.state().recordings.last().expect("a recording").meta.recording
    }

    /// Cuts a participant's line: 0 is the customer of the newest call, 1 the staff member.
    pub async fn cut(&self, index: usize) {
        let (call, participant) = {
            let state = self.state();
            let call = state.recordings.last().unwrap().meta.call;
            (call, state.calls[&call][index])
        };
        self.state().calls.get_mut(&call).unwrap().remove(index);
        self.send(PortEvent::MediaDisconnected { call, participant }).await;
    }
}

#[async_trait]
impl MediaPlane for Peers {
    fn check_offer(&self, offer: &str) -> Result<(), MediaError> {
        if !offer.contains("m=audio") {
            return Err(MediaError::BadSdp("no audio line".to_owned()));
        }
        if !offer.contains("H264") {
            return Err(MediaError::CodecNotAgreed("no H.264".to_owned()));
        }
        Ok(())
    }

    async fn join(
        &self,
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
        offer: String,
    ) -> Result<MediaAnswer, MediaError> {
        self.check_offer(&offer)?;
        let mut state = self.state();
        state.diary.push("join".to_owned());
        let peers = state.calls.entry(call).or_default();
        let restarted = peers.contains(&participant) && offer.contains(ICE_RESTART);
        if !peers.contains(&participant) {
            peers.push(participant);
        }
        if !restarted {
            state.answered.push((call, participant));
        }
        state.seats.insert(participant, seat);
        Ok(MediaAnswer { sdp: "v=0\r\nanswer".to_owned(), restarted })
    }

    async fn set_seat(&self, _call: CallId, participant: ParticipantId, seat: Seat) {
        if let Some(present) = self.state().seats.get_mut(&participant) {
            *present = seat;
        }
    }

    async fn mute(&self, call: CallId, participant: ParticipantId, kind: MediaKind, muted: bool) {
        let mut state = self.state();
        if !state.calls.get(&call).is_some_and(|all| all.contains(&participant)) {
            return;
        }
        state.muted.retain(|m| *m != (participant, kind));
        if muted {
            state.muted.push((participant, kind));
        }
    }

    async fn cpu_limited(&self, _call: CallId, participant: ParticipantId, limited: bool) {
        self.state().cpu_limited.push((participant, limited));
    }

    async fn leave(&self, call: CallId, participant: ParticipantId) {
        self.state().diary.push("leave".to_owned());
        self.send(PortEvent::MediaDisconnected { call, participant }).await;
    }

    async fn end(&self, call: CallId) {
        let mut state = self.state();
        state.diary.push("end".to_owned());
        state.calls.remove(&call);
    }
}

#[async_trait]
impl RecorderPort for Peers {
    async fn open(&self, meta: RecordingMeta, at: Mono) -> Result<(), RecorderError> {
        self.opening.store(true, Ordering::SeqCst);
        let _opens_when_let = self.disk.lock().await;
        if self.recorder_refuses.load(Ordering::SeqCst) {
            return Err(RecorderError::Unavailable("disk full".to_owned()));
        }
        let mut state = self.state();
        state.diary.push("open".to_owned());
        state.recordings.push(Recording {
            meta,
            opened: at,
            marks: Vec::new(),
            artifacts: Vec::new(),
            story: Vec::new(),
            closed: None,
        });
        Ok(())
    }

    async fn add_participant(&self, recording: RecordingId, who: RecordedParticipant) {
        self.with(recording, |r| r.meta.participants.push(who));
    }

    async fn mark(&self, recording: RecordingId, event: TimelineEvent) {
        self.with(recording, |r| {
            assert!(r.closed.is_none(), "marked after the end: {event:?}");
            r.story.push(word(&event));
            r.marks.push(event);
        });
    }

    async fn put_artifact(
        &self,
        recording: RecordingId,
        name: String,
        bytes: Bytes,
    ) -> Result<ArtifactRef, RecorderError> {
        if self.artifacts_refused.load(Ordering::SeqCst) {
            return Err(RecorderError::Unavailable("disk full".to_owned()));
        }
        let together = self.artifacts_together.lock().unwrap().clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let reference = reference(&name, &bytes);
        let stored = self.with(recording, |r| {
            r.story.push(name.clone());
            r.artifacts.push((name, bytes));
        });
        stored.map(|()| reference).ok_or(RecorderError::NotFound)
    }

    async fn close(&self, recording: RecordingId, at: Mono) {
        self.state().diary.push("close".to_owned());
        self.with(recording, |r| r.closed = Some(at));
    }

    fn store_ok(&self, store: StoreId) -> bool {
        store == StoreId::B || self.store_a_ok.load(Ordering::SeqCst)
    }

    async fn list(&self) -> Result<Vec<RecordingSummary>, RecorderError> {
        let state = self.state();
        Ok(state.recordings.iter().rev().filter(|r| r.closed.is_some()).map(summary).collect())
    }

    async fn view(&self, recording: RecordingId) -> Result<ReplayView, RecorderError> {
        let view = self.with(recording, |r| ReplayView {
            summary: summary(r),
            tracks: r.meta.participants.iter().map(track).collect(),
            timeline: r.marks.iter().map(|e| replayed(r.opened, e)).collect(),
            gaps: Vec::new(),
        });
        view.ok_or(RecorderError::NotFound)
    }

    async fn playlist(
        &self,
        recording: RecordingId,
        track: TrackName,
    ) -> Result<String, RecorderError> {
        let is_known = |p: &RecordedParticipant| TrackName::camera(p.id) == track;
        let known = self.with(recording, |r| r.meta.participants.iter().any(is_known));
        if known == Some(true) {
            Ok("#EXTM3U\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:2.0,\nsegment-0.m4s\n".to_owned())
        } else {
            Err(RecorderError::NotFound)
        }
    }

    async fn init_section(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError> {
        self.segment(recording, track, n).await
    }

    async fn segment(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError> {
        self.playlist(recording, track).await?;
        if n < SEGMENTS { Ok(Bytes::from_static(b"media")) } else { Err(RecorderError::NotFound) }
    }

    async fn segment_span(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Range<u64>, RecorderError> {
        self.segment(recording, track, n).await?;
        Ok(u64::from(n) * 2_000..u64::from(n + 1) * 2_000)
    }

    async fn log_replay(
        &self,
        recording: RecordingId,
        _by: UserId,
        reason: String,
    ) -> Result<(), RecorderError> {
        if self.recorder_refuses.load(Ordering::SeqCst) {
            return Err(RecorderError::Unavailable("disk full".to_owned()));
        }
        self.state().replays.push((recording, reason));
        Ok(())
    }

    async fn begin_film(
        &self,
        _recording: RecordingId,
        order: FilmOrder,
    ) -> Result<FilmId, RecorderError> {
        let mut state = self.state();
        if state.films.values().any(|(_, bytes)| bytes.is_none()) {
            return Err(RecorderError::Busy);
        }
        let film = FilmId::random();
        state.films.insert(film, (order, None));
        Ok(film)
    }

    async fn film(&self, film: FilmId) -> Option<FilmStatus> {
        self.state().films.get(&film).map(|(_, bytes)| FilmStatus {
            film,
            state: if bytes.is_some() { FilmState::Made } else { FilmState::Making },
            position_ms: 500,
            total_ms: 1_000,
            sha256: bytes.as_ref().map(|bytes| hex::encode(digest(&SHA256, bytes))),
            len: bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            left_out: Vec::new(),
        })
    }

    async fn film_bytes(&self, film: FilmId, from: u64) -> Result<Bytes, RecorderError> {
        let state = self.state();
        let (_, bytes) = state.films.get(&film).ok_or(RecorderError::NotFound)?;
        let bytes = bytes.clone().ok_or(RecorderError::NotFound)?;
        // In pieces, as the real one.
        let from = (from as usize).min(bytes.len());
        Ok(bytes.slice(from..(from + 1_000).min(bytes.len())))
    }

    async fn discard_film(&self, film: FilmId) {
        self.state().films.remove(&film);
    }
}

/// Segments of every track.
const SEGMENTS: u32 = 3;

impl Peers {
    fn with<T>(&self, id: RecordingId, f: impl FnOnce(&mut Recording) -> T) -> Option<T> {
        self.state().recordings.iter_mut().find(|r| r.meta.recording == id).map(f)
    }
}

fn reference(name: &str, bytes: &[u8]) -> ArtifactRef {
    ArtifactRef { name: name.to_owned(), sha256: hex::encode(digest(&SHA256, bytes)) }
}

fn summary(r: &Recording) -> RecordingSummary {
    let duration = r.closed.unwrap_or(r.opened).since(r.opened);
    RecordingSummary {
        recording: r.meta.recording,
        visit: r.meta.visit,
        started: r.meta.started,
        duration_ms: duration.as_millis() as u64,
        state: "sealed".to_owned(),
        gap_ms: 0,
    }
}

fn track(p: &RecordedParticipant) -> ReplayTrack {
    ReplayTrack {
        name: TrackName::camera(p.id),
        participant: p.id,
        source: TrackSource::Camera,
        role: p.role.clone(),
        start_ms: 0,
        duration_ms: 1,
    }
}

fn replayed(opened: Mono, event: &TimelineEvent) -> ReplayEvent {
    let offset_ms = event.at.since(opened).as_millis() as u64;
    ReplayEvent { offset_ms, kind: event.kind.clone() }
}

#[async_trait]
impl KycPort for Peers {
    async fn begin(&self, call: CallId, participant: ParticipantId, request: KycRequest) {
        let attempt = request.attempt;
        let (outcome, hands_over) = {
            let mut state = self.state();
            state.diary.push("kyc".to_owned());
            state.checks.push((call, participant, request));
            (state.verdicts.pop_front(), state.hands_over.clone())
        };
        let challenge = KycEvent::Challenge { challenge: Challenge::Blink, index: 0, of: 2 };
        self.send(PortEvent::Kyc { call, participant, event: challenge }).await;
        if let Some(outcome) = outcome {
            let mut artifacts = Vec::new();
            for (name, media_type, bytes) in hands_over {
                let name = format!("kyc-{attempt}-{name}");
                artifacts.push(reference(&name, &bytes));
                let artifact = KycArtifact { name, media_type, bytes };
                self.send(PortEvent::KycArtifact { call, participant, artifact }).await;
            }
            let event = KycEvent::Verdict(KycVerdict {
                outcome,
                reason: "peer".to_owned(),
                signals: Vec::new(),
                models: Vec::new(),
                frames: 30,
                artifacts,
                policy_sha256: "70".repeat(32),
            });
            self.send(PortEvent::Kyc { call, participant, event }).await;
        }
    }

    async fn cancel(&self, _call: CallId, _customer: ParticipantId) {
        self.state().diary.push("kyc cancelled".to_owned());
    }

    async fn watch(&self, _call: CallId, participant: ParticipantId) {
        let mut state = self.state();
        if !state.watched.contains(&participant) {
            state.watched.push(participant);
        }
    }

    async fn unwatch(&self, _call: CallId, participant: ParticipantId) {
        let mut state = self.state();
        state.watched.retain(|watched| *watched != participant);
        state.unwatched.push(participant);
    }

    fn available(&self) -> bool {
        self.kyc_available.load(Ordering::SeqCst)
    }
}

impl Peers {
    fn vault(&self) -> Result<MutexGuard<'_, State>, VaultError> {
        if self.vault_refuses.load(Ordering::SeqCst) {
            return Err(VaultError("disk full".to_owned()));
        }
        Ok(self.state())
    }
}

#[async_trait]
impl FaceVault for Peers {
    async fn keep(
        &self,
        person: PersonRef,
        portrait: Portrait,
        until: UnixMillis,
    ) -> Result<(), VaultError> {
        self.vault()?.faces.insert(person, (portrait, until));
        Ok(())
    }

    async fn portrait(&self, person: PersonRef) -> Result<Option<Portrait>, VaultError> {
        Ok(self.vault()?.faces.get(&person).map(|(portrait, _)| portrait.clone()))
    }

    async fn forget(&self, person: PersonRef) -> Result<(), VaultError> {
        self.vault()?.faces.remove(&person);
        Ok(())
    }

    fn persons(&self) -> u64 {
        self.state().faces.len() as u64
    }
}
