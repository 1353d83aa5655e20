//! The watch over faces in the call: whom it watches, and what staff hear of it.

use std::collections::BTreeMap;

use vbranch_domain::{
    kyc::{WatchAlarm, WatchEvent},
    timeline::TimelineKind,
};

use super::{Outbox, PortCall, Visit, VisitEvent, VisitState, view::WatchView};
use crate::content::Party;

/// What the recording's timeline takes of it. Who sits at the edge of the picture comes and goes
/// some times a minute: beyond this, staff see it and the timeline does not grow.
const MAX_MARKS: u32 = 500;

/// Both watches.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    customer: Option<Raised>,
    staff: Option<Raised>,
    /// Beginnings put on the timeline so far.
    marks: u32,
}

/// What is so now, and whether the timeline has its beginning.
type Raised = BTreeMap<WatchAlarm, bool>;

impl Watch {
    const fn of(&self, party: Party) -> Option<&Raised> {
        match party {
            Party::Customer => self.customer.as_ref(),
            Party::Staff => self.staff.as_ref(),
        }
    }

    const fn place(&mut self, party: Party) -> &mut Option<Raised> {
        match party {
            Party::Customer => &mut self.customer,
            Party::Staff => &mut self.staff,
        }
    }
}

impl Visit {
    /// Watches a party who is in the call, if that is to be. Said again for each connection:
    /// whoever watches may have lost the former.
    pub(super) fn watch_if_due(&mut self, out: &mut Outbox, party: Party) {
        let wanted = match party {
            Party::Customer => self.limits.watch_customer && self.state.face == Some(true),
            Party::Staff => self.limits.watch_staff,
        };
        if wanted && self.state.phase == VisitState::InCall && self.state.connected(party) {
            self.live.watch.place(party).get_or_insert_default();
            out.port(PortCall::Watch(self.participant(party)));
        }
    }

    /// Watches a party no longer. A customer's face may be held since their check, watched or not.
    pub(super) fn unwatch(&mut self, out: &mut Outbox, party: Party) {
        let watched = self.live.watch.place(party).take();
        let held = party == Party::Customer && self.state.attempt > 0;
        if watched.is_some() || held {
            out.port(PortCall::Unwatch(self.participant(party)));
        }
        for (alarm, marked) in watched.unwrap_or_default() {
            if marked {
                self.mark_watch(out, party, WatchEvent { alarm, raised: false });
            }
        }
    }

    /// The end of the visit is the end of everything that lasts: the timeline need not say it.
    pub(super) fn unwatch_all(&mut self, out: &mut Outbox) {
        for party in Party::ALL {
            if let Some(raised) = self.live.watch.place(party) {
                raised.clear();
            }
            self.unwatch(out, party);
        }
    }

    pub(super) fn watched(&mut self, out: &mut Outbox, party: Party, event: WatchEvent) {
        let WatchEvent { alarm, raised } = event;
        let room = self.live.watch.marks < MAX_MARKS;
        // What an ended watch still had to say is of no interest.
        let Some(now) = self.live.watch.place(party) else { return };
        let marked = match (now.get(&alarm).copied(), raised) {
            (Some(_), true) | (None, false) => return,
            (None, true) => {
                now.insert(alarm, room);
                self.live.watch.marks += u32::from(room);
                room
            }
            (Some(marked), false) => {
                now.remove(&alarm);
                marked
            }
        };
        if marked {
            self.mark_watch(out, party, event);
        }
        if raised {
            self.alarm_of(out, party, alarm);
        }
    }

    fn mark_watch(&self, out: &mut Outbox, party: Party, WatchEvent { alarm, raised }: WatchEvent) {
        let participant = self.participant(party);
        self.mark(out, TimelineKind::FaceWatch { participant, alarm, raised });
    }

    fn alarm_of(&mut self, out: &mut Outbox, party: Party, alarm: WatchAlarm) {
        let code = code(alarm);
        if self.state.takes_alarm(code, Some(party), out.now.wall) {
            self.emit(out, VisitEvent::Alarm { code: code.to_owned(), who: Some(party) });
        }
    }

    pub(super) fn watch_view(&self) -> Vec<WatchView> {
        let watched = Party::ALL.into_iter().filter_map(|party| {
            let alarms = self.live.watch.of(party)?.keys().copied().collect();
            Some(WatchView { participant: self.participant(party), alarms })
        });
        watched.collect()
    }
}

/// As staff are told of it.
const fn code(alarm: WatchAlarm) -> &'static str {
    match alarm {
        WatchAlarm::Absent => "face_absent",
        WatchAlarm::SeveralFaces => "face_several",
        WatchAlarm::DifferentFace => "face_different",
        WatchAlarm::EyesClosed => "eyes_closed",
        WatchAlarm::CameraCovered => "camera_covered",
    }
}
