//! Calls as visits' events tell them, for whoever holds them against what was recorded.

use vbranch_domain::{RecordingId, UnixMillis, VisitId};

use super::{Store, StoreError, visits::id_of};
use crate::{
    content::Party,
    visit::{Recorded, VisitEvent},
};

/// A call that had media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldCall {
    /// The visit.
    pub visit: VisitId,
    /// The recording that was opened for it.
    pub recording: Option<RecordingId>,
    /// When the first media connection came up.
    pub began: UnixMillis,
    /// When the last one went away, or the visit was closed under it.
    pub ended: UnixMillis,
}

/// Reads the calls of visits that were closed from `from` to before `to`. Nothing is written, and
/// no table is changed: the database may be a running server's.
///
/// # Errors
/// A database that cannot be read, or holds something unreadable.
pub async fn held_calls(
    url: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<HeldCall>, StoreError> {
    let store = Store::open_to_read(url).await?;
    let calls = store.calls_closed(from, to).await;
    store.close().await;
    calls
}

impl Store {
    async fn calls_closed(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<HeldCall>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM visits \
             WHERE closed >= $1 AND closed < $2 AND closed > 0 ORDER BY ordinal",
        )
        .bind(from.0)
        .bind(to.0)
        .fetch_all(&self.pool)
        .await?;
        let mut calls = Vec::new();
        for row in rows {
            let visit = id_of(&row)?;
            calls.extend(call_of(visit, &self.events_of(visit).await?));
        }
        Ok(calls)
    }
}

/// The call in a visit's events; `None` where no media connection ever came up.
fn call_of(visit: VisitId, events: &[Recorded]) -> Option<HeldCall> {
    let mut call: Option<HeldCall> = None;
    let mut recording = None;
    let mut connected: Vec<Party> = Vec::new();
    for Recorded { at, event, .. } in events {
        match event {
            VisitEvent::RecordingOpened { recording: opened } => recording = Some(*opened),
            VisitEvent::Connected { party } => {
                connected.push(*party);
                call.get_or_insert(HeldCall { visit, recording, began: *at, ended: *at });
            }
            VisitEvent::Disconnected { party } => {
                connected.retain(|other| other != party);
                if let Some(call) = call.as_mut().filter(|_| connected.is_empty()) {
                    call.ended = *at;
                }
            }
            VisitEvent::Closed { .. } => {
                if let Some(call) = call.as_mut().filter(|_| !connected.is_empty()) {
                    call.ended = *at;
                }
            }
            _ => {}
        }
    }
    call.map(|call| HeldCall { recording, ..call })
}

#[cfg(test)]
mod tests {
    use super::{
        super::visits::{Entry, NewVisit},
        *,
    };
    use crate::{auth::TokenHash, visit::Outcome};

    fn events(events: Vec<(i64, VisitEvent)>) -> Vec<Recorded> {
        let numbered = (0..).zip(events);
        numbered.map(|(seq, (at, event))| Recorded { seq, at: UnixMillis(at), event }).collect()
    }

    #[tokio::test]
    async fn calls_are_read_from_the_database_of_a_running_server() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("branch.db").display());
        let store = Store::open(&url).await.unwrap();
        let (visit, recording) = (VisitId::random(), RecordingId::random());
        let line = Entry::Visit(NewVisit {
            id: visit,
            ordinal: 1,
            number: "A001".into(),
            token: TokenHash::from_hex(&"00".repeat(32)).unwrap(),
            journey: "demo@1".into(),
            created: UnixMillis(0),
            expires: UnixMillis(1_000),
            customer: None,
        });
        let happened = events(vec![
            (1, VisitEvent::RecordingOpened { recording }),
            (5, VisitEvent::Connected { party: Party::Customer }),
            (90, VisitEvent::Closed { outcome: Outcome::Completed }),
        ]);
        let entries = happened.into_iter().map(|event| Entry::Event(visit, event));
        store.append(&[line]).await.unwrap();
        store.append(&entries.collect::<Vec<_>>()).await.unwrap();
        let (began, ended) = (UnixMillis(5), UnixMillis(90));
        let call = HeldCall { visit, recording: Some(recording), began, ended };
        let of = |from, to| held_calls(&url, UnixMillis(from), UnixMillis(to));
        assert_eq!(of(90, 91).await.unwrap(), [call]);
        assert_eq!(of(0, 90).await.unwrap(), []);
    }

    #[test]
    fn a_call_lasts_from_the_first_connection_to_the_last() {
        let (visit, recording) = (VisitId::random(), RecordingId::random());
        let connected = |party| VisitEvent::Connected { party };
        let gone = |party| VisitEvent::Disconnected { party };
        let opened = VisitEvent::RecordingOpened { recording };
        let closed = VisitEvent::Closed { outcome: Outcome::Completed };
        let staff_last = events(vec![
            (1, opened.clone()),
            (5, connected(Party::Customer)),
            (20, connected(Party::Staff)),
            (90, gone(Party::Customer)),
            (99, closed.clone()),
        ]);
        let call = HeldCall {
            visit,
            recording: Some(recording),
            began: UnixMillis(5),
            ended: UnixMillis(99),
        };
        assert_eq!(call_of(visit, &staff_last), Some(call));
        let nobody = events(vec![
            (1, opened),
            (5, connected(Party::Customer)),
            (60, gone(Party::Customer)),
            (99, closed.clone()),
        ]);
        let ended = UnixMillis(60);
        assert_eq!(call_of(visit, &nobody), Some(HeldCall { ended, ..call }));
        let unrecorded = events(vec![(5, connected(Party::Customer)), (99, closed.clone())]);
        assert_eq!(
            call_of(visit, &unrecorded),
            Some(HeldCall { recording: None, ..call }),
            "it had media all the same"
        );
        assert_eq!(call_of(visit, &events(vec![(99, closed)])), None);
    }
}
