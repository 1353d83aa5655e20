//! The recorder behind [`RecorderPort`]. It blocks on disks, so every call that may wait runs
//! where blocking is allowed.

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;
use vbranch_domain::{
    Clock, FilmId, Mono, RecordingId, SystemClock, UserId,
    recording::{
        ArtifactRef, FilmStatus, RecordedParticipant, RecorderEvent, RecordingMeta,
        RecordingSummary, ReplayView, StoreId, TrackName,
    },
    timeline::TimelineEvent,
};
use vbranch_recorder::{
    AccessKind, AccessLeaf, Recorder, RecorderConfig, RecorderPaths, StoresRequired,
    composite::{self, FilmError, Films},
};
use vbranch_sfu::SfuHandle;
use vbranch_signaling::ports::{FilmOrder, PortEvent, RecorderError, RecorderPort};

use super::Events;
use crate::config;

/// Name of the recorder's tap on a call.
const TAP: &str = "recorder";

/// Attaches recordings to calls and answers replays.
pub struct RecorderAdapter {
    recorder: Recorder,
    films: Arc<Films>,
    sfu: SfuHandle,
    clock: SystemClock,
    events: Events,
}

/// What the settings mean for the recorder.
pub fn recorder_config(config: &config::Recorder, data: &Path) -> RecorderConfig {
    let mut paths = RecorderPaths::under(data);
    paths.keys.clone_from(&config.keys_dir);
    RecorderConfig {
        paths,
        stores: config.stores.clone(),
        stores_required: StoresRequired::Both,
        spool_bytes: config.spool_mib.saturating_mul(1 << 20),
        escrow: config.escrow,
        retention: config.retention.clone(),
        log_origin: "vbranch.local/evidence".to_owned(),
    }
}

impl RecorderAdapter {
    /// Starts the recorder; what a crash left open is sealed before this returns.
    pub fn start(
        config: &config::Recorder,
        data: &Path,
        clock: SystemClock,
        events: Events,
    ) -> Result<Recorder, vbranch_recorder::RecorderError> {
        let config = recorder_config(config, data);
        let on_event =
            Box::new(move |event: RecorderEvent| events.send(PortEvent::Recorder(event)));
        let recorder = Recorder::start(&config, Arc::new(clock), on_event)?;
        for recording in recorder.recovered() {
            tracing::warn!(%recording, "recording cut off by a crash: sealed, loss declared");
        }
        Ok(recorder)
    }

    pub fn new(recorder: Recorder, sfu: SfuHandle, clock: SystemClock, events: Events) -> Self {
        let films = Arc::new(Films::new(recorder.clone()));
        Self { recorder, films, sfu, clock, events }
    }

    /// Runs `f` on the recorder where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Recorder) -> Result<T, vbranch_recorder::RecorderError> + Send + 'static,
    ) -> Result<T, RecorderError> {
        let recorder = self.recorder.clone();
        spawn_blocking(move || f(&recorder))
            .await
            .map_err(|_| RecorderError::Unavailable("the recorder's task ended".to_owned()))?
            .map_err(to_port)
    }

    /// Runs `f` on the films where blocking is allowed.
    async fn with_films<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Films) -> Result<T, FilmError> + Send + 'static,
    ) -> Result<T, RecorderError> {
        let films = Arc::clone(&self.films);
        spawn_blocking(move || f(&films))
            .await
            .map_err(|_| RecorderError::Unavailable("the recorder's task ended".to_owned()))?
            .map_err(film_to_port)
    }

    /// What cannot be written down is a failed recording, and the branch must know.
    fn or_fail(&self, recording: RecordingId, result: Result<(), vbranch_recorder::RecorderError>) {
        if let Err(error) = result {
            tracing::error!(%recording, %error, "recorder");
            let reason = error.to_string();
            self.events.send(PortEvent::Recorder(RecorderEvent::Failed { recording, reason }));
        }
    }
}

fn to_port(error: vbranch_recorder::RecorderError) -> RecorderError {
    use vbranch_recorder::RecorderError as E;
    match error {
        E::NotFound | E::NotOpen => RecorderError::NotFound,
        E::Destroyed => RecorderError::Destroyed,
        E::NoGoodCopy | E::BadSignature | E::Seal(_) | E::Canonical(_) => {
            RecorderError::Damaged(error.to_string())
        }
        other => RecorderError::Unavailable(other.to_string()),
    }
}

fn film_to_port(error: FilmError) -> RecorderError {
    match error {
        FilmError::Recorder(error) => to_port(error),
        FilmError::Busy => RecorderError::Busy,
        other => RecorderError::Unavailable(other.to_string()),
    }
}

#[async_trait]
impl RecorderPort for RecorderAdapter {
    async fn open(&self, meta: RecordingMeta, at: Mono) -> Result<(), RecorderError> {
        let call = meta.call;
        let tap = self.blocking(move |r| r.open(meta, at)).await?;
        self.sfu.attach_tap(call, TAP, tap).map_err(|e| RecorderError::Unavailable(e.to_string()))
    }

    async fn add_participant(&self, recording: RecordingId, who: RecordedParticipant) {
        self.or_fail(recording, self.recorder.add_participant(recording, who));
    }

    async fn mark(&self, recording: RecordingId, event: TimelineEvent) {
        self.or_fail(recording, self.recorder.mark(recording, event));
    }

    async fn put_artifact(
        &self,
        recording: RecordingId,
        name: String,
        bytes: Bytes,
    ) -> Result<ArtifactRef, RecorderError> {
        self.blocking(move |r| r.put_artifact(recording, &name, bytes.to_vec())).await
    }

    async fn close(&self, recording: RecordingId, at: Mono) {
        let result = self.blocking(move |r| r.close(recording, at)).await;
        if let Err(error) = result {
            // The recorder goes on trying, and seals at the next start at the latest.
            tracing::error!(%recording, %error, "recording not sealed yet");
        }
    }

    fn store_ok(&self, store: StoreId) -> bool {
        self.recorder.health().stores.iter().any(|s| s.store == store && s.trouble.is_none())
    }

    async fn list(&self) -> Result<Vec<RecordingSummary>, RecorderError> {
        Ok(self.recorder.list())
    }

    async fn view(&self, recording: RecordingId) -> Result<ReplayView, RecorderError> {
        self.blocking(move |r| r.view(recording)).await
    }

    async fn playlist(
        &self,
        recording: RecordingId,
        track: TrackName,
    ) -> Result<String, RecorderError> {
        self.blocking(move |r| r.playlist(recording, track)).await
    }

    async fn init_section(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError> {
        self.blocking(move |r| r.init_section(recording, track, n)).await
    }

    async fn segment(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Bytes, RecorderError> {
        self.blocking(move |r| r.segment(recording, track, n)).await
    }

    async fn segment_span(
        &self,
        recording: RecordingId,
        track: TrackName,
        n: u32,
    ) -> Result<Range<u64>, RecorderError> {
        self.blocking(move |r| r.segment_span(recording, track, n)).await
    }

    async fn log_replay(
        &self,
        recording: RecordingId,
        by: UserId,
        reason: String,
    ) -> Result<(), RecorderError> {
        let at = self.clock.wall();
        let leaf =
            AccessLeaf { kind: AccessKind::Replay, user: by.to_string(), recording, reason, at };
        self.blocking(move |r| r.log_access(&leaf)).await
    }

    async fn begin_film(
        &self,
        recording: RecordingId,
        order: FilmOrder,
    ) -> Result<FilmId, RecorderError> {
        let order = composite::FilmOrder {
            layout: order.layout,
            by: order.by,
            user: order.user.to_string(),
            reason: order.reason,
            at: order.at,
            names: order.names,
        };
        self.with_films(move |films| films.begin(recording, order)).await
    }

    async fn film(&self, film: FilmId) -> Option<FilmStatus> {
        self.films.status(film)
    }

    async fn film_bytes(&self, film: FilmId, from: u64) -> Result<Bytes, RecorderError> {
        self.with_films(move |films| films.read(film, from)).await.map(Bytes::from)
    }

    async fn discard_film(&self, film: FilmId) {
        self.films.discard(film);
    }
}
