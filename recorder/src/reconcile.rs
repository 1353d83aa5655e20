//! A day's calls held against its recordings: every call that had media has a sealed recording, on
//! the log, in both stores, that covers it.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;
use vbranch_domain::{RecordingId, UnixMillis, VisitId};

use crate::{
    archive::Archive,
    canonical,
    error::RecorderError,
    hash::Sha256,
    lifecycle::is_destroyed,
    log::{EvidenceLog, LogEntry, Reconciled},
    manifest::Manifest,
    offline::Offline,
    recovery::objects_of,
    service::Recorder,
    store::{ObjectName, StoreError},
};

/// Recordings named on the log; more are only counted, so that the entry stays within its limit.
const NAMED: usize = 100;

/// A day, from midnight to midnight in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(NaiveDate);

impl Day {
    /// The day of a moment.
    #[must_use]
    pub fn of(at: UnixMillis) -> Self {
        let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        Self(at.date_naive())
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.pred_opt().unwrap_or(self.0))
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> UnixMillis {
        UnixMillis(self.0.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
    }

    /// When the next one begins.
    #[must_use]
    pub fn ends(self) -> UnixMillis {
        Self(self.0.succ_opt().unwrap_or(self.0)).begins()
    }
}

impl std::str::FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| "not a day such as 2026-11-29")
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

/// A call that had media, as the branch's own records tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedCall {
    /// The visit.
    pub visit: VisitId,
    /// The recording the branch opened for it.
    pub recording: Option<RecordingId>,
    /// When the first media connection came up.
    pub began: UnixMillis,
    /// When the last one went away.
    pub ended: UnixMillis,
}

/// What is wrong with a call's recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The visit.
    pub visit: VisitId,
    /// Its recording, where it had one.
    pub recording: Option<RecordingId>,
    /// A sentence.
    pub what: String,
}

/// What came of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Which day.
    pub day: String,
    /// Calls that had to be recorded.
    pub calls: usize,
    /// Recordings that are missing, in one store only, or damaged.
    pub missing: Vec<Finding>,
    /// Recordings that do not cover their call.
    pub short: Vec<Finding>,
}

impl Reconciliation {
    /// Whether every call is recorded as it should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.missing.is_empty() && self.short.is_empty()
    }
}

impl Recorder {
    /// Holds a day's calls against the recordings and enters the outcome into the log. Blocks while
    /// both stores are asked for every object.
    pub fn reconcile(
        &self,
        day: Day,
        calls: &[ExpectedCall],
        tolerance: Duration,
    ) -> Result<Reconciliation, RecorderError> {
        let shared = self.shared();
        let reconciler = Reconciler { archive: &shared.archive, log: &shared.log, tolerance };
        reconciler.run(day, calls, shared.clock.wall())
    }
}

impl Offline {
    /// See [`Recorder::reconcile`].
    pub fn reconcile(
        &self,
        day: Day,
        calls: &[ExpectedCall],
        tolerance: Duration,
    ) -> Result<Reconciliation, RecorderError> {
        let reconciler = Reconciler { archive: &self.archive, log: &self.log, tolerance };
        reconciler.run(day, calls, self.clock.wall())
    }
}

struct Reconciler<'a> {
    archive: &'a Archive,
    log: &'a EvidenceLog,
    tolerance: Duration,
}

impl Reconciler<'_> {
    fn run(
        &self,
        day: Day,
        calls: &[ExpectedCall],
        now: UnixMillis,
    ) -> Result<Reconciliation, RecorderError> {
        // The log is what everything is proven by: it is gone through once a day as well.
        self.log.check_all()?;
        let mut found = Reconciliation {
            day: day.to_string(),
            calls: calls.len(),
            missing: Vec::new(),
            short: Vec::new(),
        };
        for call in calls {
            let finding = |what| Finding { visit: call.visit, recording: call.recording, what };
            match self.look(call) {
                Err(what) => found.missing.push(finding(what)),
                Ok(Some(what)) => found.short.push(finding(what)),
                Ok(None) => {}
            }
        }
        let named = |findings: &[Finding]| {
            findings.iter().filter_map(|f| f.recording).take(NAMED).collect::<Vec<_>>()
        };
        let (missing, short) = (named(&found.missing), named(&found.short));
        let all = found.missing.len() + found.short.len();
        let entry = Reconciled {
            day: found.day.clone(),
            calls: calls.len() as u64,
            more: (all - missing.len() - short.len()) as u64,
            missing,
            short,
            at_ms: now,
        };
        self.log.append(&LogEntry::Reconcile(entry))?;
        for finding in found.missing.iter().chain(&found.short) {
            let Finding { visit, recording, what } = finding;
            tracing::error!(%visit, ?recording, what, "a call is not recorded as it should be");
        }
        Ok(found)
    }

    /// What is missing is an error; what is short, a sentence.
    fn look(&self, call: &ExpectedCall) -> Result<Option<String>, String> {
        let recording = call.recording.ok_or("the call was not recorded at all")?;
        let manifest = self.manifest(call, recording)?;
        self.in_both_stores(&manifest)?;
        Ok(self.short(call, &manifest))
    }

    fn manifest(&self, call: &ExpectedCall, recording: RecordingId) -> Result<Manifest, String> {
        let said = |error: RecorderError| format!("there is no sealed recording: {error}");
        let signed = self.archive.signed_manifest(recording).map_err(said)?;
        let manifest = self.archive.parse(recording, &signed).map_err(said)?;
        if manifest.visit != call.visit {
            return Err("the recording is of another visit".to_owned());
        }
        let proof = self.log.prove(recording).map_err(|error| error.to_string())?;
        let entry = proof.and_then(|proof| canonical::parse::<LogEntry>(&proof.entry).ok());
        let hash = Sha256::of(&signed.bytes);
        match entry {
            Some(LogEntry::Manifest { sha256, .. }) if sha256 == hash => Ok(manifest),
            _ => Err("the recording is not on the evidence log".to_owned()),
        }
    }

    fn in_both_stores(&self, manifest: &Manifest) -> Result<(), String> {
        let recording = manifest.recording;
        let destroyed = is_destroyed(self.archive, recording).map_err(|error| error.to_string())?;
        let names = [ObjectName::manifest(recording), ObjectName::signature(recording)];
        let key = (!destroyed).then(|| ObjectName::key(recording));
        let objects = objects_of(manifest).into_iter().map(|(name, object)| (name, Some(object)));
        let objects: Vec<_> =
            names.into_iter().chain(key).map(|name| (name, None)).chain(objects).collect();
        for (store, word) in self.archive.stores.iter().zip(["a", "b"]) {
            for (name, object) in &objects {
                let name_text = name.as_str();
                match (store.len(name), object) {
                    (Ok(len), Some(object)) if len != object.sealed_len => {
                        return Err(format!("store {word} has {name_text} in another length"));
                    }
                    (Ok(_), _) => {}
                    (Err(StoreError::NotFound), _) => {
                        return Err(format!("store {word} does not have {name_text}"));
                    }
                    (Err(error), _) => {
                        return Err(format!("store {word} cannot be asked: {error}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// In which way the recording does not cover the call.
    fn short(&self, call: &ExpectedCall, manifest: &Manifest) -> Option<String> {
        let tolerance = i64::try_from(self.tolerance.as_millis()).unwrap_or(i64::MAX);
        if manifest.tracks.iter().all(|track| track.segments.iter().all(|s| s.lost)) {
            return Some("the recording has no media".to_owned());
        }
        let begins = manifest.started_ms.0;
        let duration = i64::try_from(manifest.duration_us / 1000).unwrap_or(i64::MAX);
        let ends = begins.saturating_add(duration);
        let late = begins.saturating_sub(call.began.0);
        let early = call.ended.0.saturating_sub(ends);
        if late > tolerance {
            return Some(format!("the recording begins {late} ms after the call"));
        }
        (early > tolerance).then(|| format!("the recording ends {early} ms before the call"))
    }
}
