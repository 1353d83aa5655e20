//! How long a recording lives: retention and legal hold, destruction of its keys, and the change of
//! the key that wraps them.
//!
//! What was decided is on the evidence log and read from there, so a decision can neither be lost
//! nor taken back unseen.

mod destroy;
mod retention;
mod rotate;

use std::fs::{File, OpenOptions};

use vbranch_domain::{RecordingId, UnixMillis};

pub(crate) use self::destroy::{Destroyer, is_destroyed};
pub use self::{
    retention::{RetentionRules, Standing},
    rotate::Rotation,
};
use crate::{
    MAX_REASON,
    error::RecorderError,
    log::{LogEntry, Order, Retain},
    offline::Offline,
};

impl Offline {
    /// How a recording stands: whether it is held, and until when it must be kept.
    pub fn standing(&self, recording: RecordingId) -> Result<Standing, RecorderError> {
        let manifest = self.archive.manifest(recording)?;
        Ok(self.rules.standing(&manifest, &self.log.entries_of(recording)?))
    }

    /// Puts a recording under legal hold: whatever retention says, it is not destroyed.
    pub fn hold(&self, order: Order) -> Result<(), RecorderError> {
        self.decide(&order, |office| {
            office.refuse_destroyed(order.recording)?;
            Ok(LogEntry::Hold(order.clone()))
        })
    }

    /// Lifts the hold.
    pub fn unhold(&self, order: Order) -> Result<(), RecorderError> {
        self.decide(&order, |office| {
            if !office.standing(order.recording)?.is_held {
                return Err(RecorderError::Refused("the recording is not held".to_owned()));
            }
            Ok(LogEntry::Unhold(order.clone()))
        })
    }

    /// Has a recording kept until a day at least, because a contract or a dispute ended then and
    /// so many years count from there. The latest of all such days and of the general rule holds.
    pub fn retain(&self, order: Order, until: UnixMillis) -> Result<(), RecorderError> {
        self.decide(&order, |office| {
            office.refuse_destroyed(order.recording)?;
            Ok(LogEntry::Retain(Retain { order: order.clone(), until_ms: until }))
        })
    }

    /// Destroys every wrapped form of a recording's data key, so that its media can never be opened
    /// again; says so on the log. Refused while the recording is held or must be kept. After an
    /// error or a crash the recording is as it was, or the next call (or the next start of the
    /// server) finishes it.
    pub fn destroy(&self, order: Order) -> Result<(), RecorderError> {
        check(&order)?;
        let _lock = self.lock()?;
        let destroyer = Destroyer { archive: &self.archive, log: &self.log };
        if destroyer.is_begun(order.recording)? {
            return destroyer.finish(order.recording);
        }
        self.refuse_destroyed(order.recording)?;
        let standing = self.standing(order.recording)?;
        if standing.is_held {
            return Err(RecorderError::Held);
        }
        if self.clock.wall() < standing.until {
            return Err(RecorderError::Retained(standing.until));
        }
        destroyer.begin(&order, standing.until)?;
        destroyer.finish(order.recording)
    }

    fn decide(
        &self,
        order: &Order,
        entry: impl FnOnce(&Self) -> Result<LogEntry, RecorderError>,
    ) -> Result<(), RecorderError> {
        check(order)?;
        // A recording that is not there has no manifest.
        self.archive.manifest(order.recording)?;
        let _lock = self.lock()?;
        self.log.append(&entry(self)?)?;
        Ok(())
    }

    fn refuse_destroyed(&self, recording: RecordingId) -> Result<(), RecorderError> {
        if is_destroyed(&self.archive, recording)? { Err(RecorderError::Destroyed) } else { Ok(()) }
    }

    /// One decision at a time: nothing may be held while it is being destroyed.
    pub(crate) fn lock(&self) -> Result<File, RecorderError> {
        let io = || RecorderError::io("locking the evidence log's folder");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.log_folder.join("decisions.lock"))
            .map_err(io())?;
        file.lock().map_err(io())?;
        Ok(file)
    }
}

/// Who and why must be said.
fn check(order: &Order) -> Result<(), RecorderError> {
    let good_user = !order.user.is_empty() && order.user.len() <= 200;
    if order.reason.trim().is_empty() || order.reason.len() > MAX_REASON || !good_user {
        return Err(RecorderError::Config("a decision needs a user and a reason".to_owned()));
    }
    Ok(())
}
