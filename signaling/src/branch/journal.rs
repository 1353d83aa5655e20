//! Writing what happened, behind the visits' backs: a slow or lost database delays the answers to
//! commands, but neither calls nor recordings.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    store::{Entry, Store, StoreError},
    visit::Command,
};

/// Entries waiting for the database. At some ten per visit and minute, an outage of ten minutes
/// fits for tens of visits at once; entries are small.
const CAPACITY: usize = 16_384;
/// Commands are refused below this much room (503), so that what the branch has to note of its own
/// accord, such as a lost connection, still finds a place.
const HEADROOM: usize = 1_024;
/// One transaction's worth.
const BATCH: usize = 256;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The actor's end.
pub(super) struct Journal {
    tx: mpsc::Sender<Entry>,
    appended: u64,
}

/// How far the database has got.
#[derive(Debug, Clone)]
pub(super) struct Durable(watch::Receiver<u64>);

/// Starts the writer. It ends, having written everything, after the journal is dropped.
pub(super) fn start(store: Store) -> (Journal, Durable, JoinHandle<()>) {
    let (tx, rx) = mpsc::channel(CAPACITY);
    let (done_tx, done_rx) = watch::channel(0);
    let task = tokio::spawn(write(store, rx, done_tx));
    (Journal { tx, appended: 0 }, Durable(done_rx), task)
}

impl Journal {
    /// Whether another visit may be begun.
    pub fn has_room(&self) -> bool {
        self.tx.capacity() >= HEADROOM
    }

    /// Whether a command may be taken. The headroom is for what cannot be undone.
    pub fn takes(&self, command: &Command) -> bool {
        command.is_news() || self.has_room()
    }

    /// Hands an entry over and never waits. Full only when the database has been gone for long
    /// and the branch is busy: then the visit's log has a hole, which the recording has not.
    pub fn append(&mut self, entry: Entry) {
        match self.tx.try_send(entry) {
            Ok(()) => self.appended += 1,
            Err(_) => {
                metrics::counter!("vbranch_journal_lost_total").increment(1);
                tracing::error!("the database has been gone for too long: an event was not kept");
            }
        }
    }

    /// The position that is durable once everything so far is.
    pub const fn position(&self) -> u64 {
        self.appended
    }
}

impl Durable {
    /// Waits until `position` is durable; false when it was not within `limit`.
    pub async fn wait(&self, position: u64, limit: Duration) -> bool {
        let mut rx = self.0.clone();
        let reached = rx.wait_for(|done| *done >= position);
        matches!(timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// Whether `position` is durable.
    pub fn reached(&self, position: u64) -> bool {
        *self.0.borrow() >= position
    }
}

async fn write(store: Store, mut rx: mpsc::Receiver<Entry>, done: watch::Sender<u64>) {
    let mut batch = Vec::with_capacity(BATCH);
    while rx.recv_many(&mut batch, BATCH).await > 0 {
        write_batch(&store, &batch).await;
        done.send_modify(|n| *n += batch.len() as u64);
        batch.clear();
    }
}

async fn write_batch(store: &Store, batch: &[Entry]) {
    let mut delay = RETRY_FIRST;
    loop {
        match store.append(batch).await {
            Ok(()) => return,
            Err(error) if is_refused(&error) => return write_one_by_one(store, batch).await,
            Err(error) => {
                tracing::warn!(%error, delay_ms = delay.as_millis(), "the database takes no events");
            }
        }
        sleep(delay).await;
        delay = (delay * 2).min(RETRY_MAX);
    }
}

/// One entry the database will never take must not hold up the others.
async fn write_one_by_one(store: &Store, batch: &[Entry]) {
    for entry in batch {
        let mut delay = RETRY_FIRST;
        while let Err(error) = store.append(std::slice::from_ref(entry)).await {
            if is_refused(&error) {
                metrics::counter!("vbranch_journal_lost_total").increment(1);
                tracing::error!(%error, "the database refuses an event");
                break;
            }
            sleep(delay).await;
            delay = (delay * 2).min(RETRY_MAX);
        }
    }
}

/// Whether trying again is pointless.
fn is_refused(error: &StoreError) -> bool {
    match error {
        StoreError::Database(sqlx::Error::Database(e)) => {
            e.is_unique_violation() || e.is_foreign_key_violation() || e.is_check_violation()
        }
        StoreError::Database(_) | StoreError::Migrate(_) => false,
        StoreError::Corrupt(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::RecordingId;

    use super::*;
    use crate::visit::Actor;

    #[test]
    fn a_full_journal_takes_no_orders_but_hears_what_came_of_those_it_took() {
        let (tx, _rx) = mpsc::channel(HEADROOM - 1);
        let journal = Journal { tx, appended: 0 };
        assert!(!journal.has_room() && !journal.takes(&Command::Leave));
        let release = Command::ReleaseStep { step: "document".to_owned() };
        let opened = Command::RecordingOpened(RecordingId::random());
        for news in [release, opened, Command::Joined(Actor::Customer)] {
            assert!(journal.takes(&news), "{news:?}");
        }
    }
}
