//! Who watched or copied a recording, and why: entries of the evidence log. The reason may speak
//! of the customer, so it is sealed under the recording's key and dies with it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use vbranch_domain::{RecordingId, UnixMillis};

use crate::{
    error::RecorderError,
    keys::DataKey,
    log::{Access, EvidenceLog, LogEntry},
    seal::{open, seal},
};

/// The longest reason for a replay or an export, in bytes.
pub const MAX_REASON: usize = 2000;

/// What kind of access is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind {
    /// Someone watched.
    Replay,
    /// Someone took a copy.
    Export,
    /// Someone had a film made of it.
    Film,
}

/// An access to a recording, for the evidence log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLeaf {
    /// What was done.
    pub kind: AccessKind,
    /// By whom: an account's id.
    pub user: String,
    /// To which recording.
    pub recording: RecordingId,
    /// Why. Sealed under the recording's key before it is written down.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
}

/// Seals the reason under the recording's data key and enters the access. Without the key, which is
/// destroyed then, the reason is not written down.
pub(crate) fn log_access(
    key: Option<&DataKey>,
    log: &EvidenceLog,
    leaf: &AccessLeaf,
) -> Result<(), RecorderError> {
    let good_user = !leaf.user.is_empty() && leaf.user.len() <= 200;
    if leaf.reason.trim().is_empty() || leaf.reason.len() > MAX_REASON || !good_user {
        return Err(RecorderError::Config("an access needs a user and a reason".to_owned()));
    }
    let reason_sealed = match key {
        None => String::new(),
        Some(key) => {
            let context = access_context(leaf.recording, &leaf.user, leaf.at);
            let key = key.access(leaf.recording)?;
            BASE64_STANDARD.encode(seal(&key, &context, leaf.reason.as_bytes())?)
        }
    };
    let access = Access {
        recording: leaf.recording,
        user: leaf.user.clone(),
        reason_sealed,
        at_ms: leaf.at,
    };
    let entry = match leaf.kind {
        AccessKind::Replay => LogEntry::Replay(access),
        AccessKind::Export => LogEntry::Export(access),
        AccessKind::Film => LogEntry::Film(access),
    };
    log.append(&entry)?;
    Ok(())
}

pub(crate) fn open_access(key: &DataKey, entry: LogEntry) -> Option<AccessLeaf> {
    let (kind, access) = match entry {
        LogEntry::Replay(access) => (AccessKind::Replay, access),
        LogEntry::Export(access) => (AccessKind::Export, access),
        LogEntry::Film(access) => (AccessKind::Film, access),
        _ => return None,
    };
    let sealed = BASE64_STANDARD.decode(&access.reason_sealed).ok()?;
    let context = access_context(access.recording, &access.user, access.at_ms);
    let reason = open(&key.access(access.recording).ok()?, &context, &sealed).ok()?;
    Some(AccessLeaf {
        kind,
        user: access.user,
        recording: access.recording,
        reason: String::from_utf8(reason).ok()?,
        at: access.at_ms,
    })
}

fn access_context(recording: RecordingId, user: &str, at: UnixMillis) -> Vec<u8> {
    format!("vbranch/v1/access|{recording}|{user}|{}", at.0).into_bytes()
}
