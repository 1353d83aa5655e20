//! One recording in the worker's hands: where it is, and who waits for what of it.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use vbranch_domain::{
    Mono, RecordingId,
    recording::{ArtifactRef, RecorderEvent},
};

use super::Reply;
use crate::{
    error::RecorderError, hash::Sha256, manifest::Manifest, recording::OpenRecording,
    service::Shared, store::ObjectName,
};

/// How soon sealing is tried again after an error. Shorter loads a full disk for nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where a recording is.
pub(super) enum Phase {
    Open(Box<OpenRecording>),
    Flushing(Box<OpenRecording>),
    Sealing(Box<Manifest>, Sha256),
    Replicating,
}

/// A recording and who waits for it.
pub(super) struct Slot {
    pub phase: Phase,
    pub folder: PathBuf,
    /// Objects handed over and not durable yet.
    pub pending: HashSet<ObjectName>,
    /// What must be durable before business may begin; `None` once that was told.
    pub first: Option<First>,
    pub artifacts: Vec<(ObjectName, ArtifactRef, Reply<ArtifactRef>)>,
    pub waiting: Vec<Reply<()>>,
    /// A chore of this recording is under way.
    pub is_busy: bool,
    /// An error in sealing was told; it is tried again then, without telling again.
    pub retry_at: Option<Mono>,
}

/// The objects before business may begin.
#[derive(Default)]
pub(super) struct First {
    pub objects: Vec<ObjectName>,
    pub has_segment: bool,
}

impl Slot {
    pub(super) fn new(phase: Phase, folder: PathBuf, first: Option<First>) -> Self {
        Self {
            phase,
            folder,
            pending: HashSet::new(),
            first,
            artifacts: Vec::new(),
            waiting: Vec::new(),
            is_busy: false,
            retry_at: None,
        }
    }

    /// Tells whoever waits for objects that are durable now.
    pub(super) fn answer(&mut self, recording: RecordingId, shared: &Shared) {
        let ready = self.first.as_ref().is_some_and(|first| {
            first.has_segment && first.objects.iter().all(|name| !self.pending.contains(name))
        });
        if ready {
            self.first = None;
            (shared.on_event)(RecorderEvent::FirstSegmentDurable { recording });
        }
        let pending = &self.pending;
        self.artifacts.retain(|(object, reference, reply)| {
            if pending.contains(object) {
                return true;
            }
            let _ = reply.try_send(Ok(reference.clone()));
            false
        });
    }

    pub(super) fn complain(
        &mut self,
        recording: RecordingId,
        error: &RecorderError,
        shared: &Shared,
    ) {
        let retry_at = shared.clock.mono() + RETRY_AFTER;
        if self.retry_at.replace(retry_at).is_some() {
            return;
        }
        tracing::error!(%recording, %error, "recording cannot be sealed yet");
        (shared.on_event)(RecorderEvent::Failed { recording, reason: error.to_string() });
    }
}
