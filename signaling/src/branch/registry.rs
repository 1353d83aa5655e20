//! The live visits and the order of the queue. Synchronous: values in, effects out.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Mutex, mpsc, watch};
use vbranch_domain::{CallId, Mono, ParticipantId, RecordingId, UnixMillis, UserId, VisitId};

use super::{
    BranchError, GuestKey, Link, NewLink, QueueRow, Views, Wanted, join::RecentJoins,
    journal::Journal,
};
use crate::{
    auth::{Token, TokenHash},
    config::Limits,
    content::{Content, Party},
    person::Person,
    store::{Entry, NewVisit, StoredVisit},
    visit::{
        Actor, Command, Created, Effect, GuestPlan, MediaPlan, Now, PortCall, Refusal, Supervisor,
        Visit, VisitState, view::StoresView,
    },
};

/// A visit and what hangs on it.
pub(super) struct Place {
    pub visit: Visit,
    pub views: watch::Sender<Views>,
    pub media: Arc<Mutex<()>>,
    pub worker: Option<mpsc::Sender<PortCall>>,
    /// Of each who has joined, guests included: as many as a visit ever has places.
    joins: HashMap<ParticipantId, RecentJoins>,
    /// When it ended, and what the journal must have reached before it can be forgotten.
    pub ended: Option<(Mono, u64)>,
    /// Who the customer is, for limits and the face vault. Of no concern to the visit itself.
    pub person: Person,
    token: TokenHash,
}

impl Place {
    /// Counts a join, unless this participant has joined too often lately.
    fn admit(&mut self, who: ParticipantId, now: Mono) -> Result<(), BranchError> {
        let admitted = self.joins.entry(who).or_default().admit(now);
        if admitted { Ok(()) } else { Err(BranchError::TooManyJoins) }
    }
}

/// Whose media it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Party(Party),
    Supervisor,
    Guest,
}

/// The visits of this process.
pub(super) struct Registry {
    content: Arc<Content>,
    limits: Limits,
    last_ordinal: i64,
    pub journal: Journal,
    pub places: HashMap<VisitId, Place>,
    by_token: HashMap<TokenHash, VisitId>,
    by_call: HashMap<CallId, VisitId>,
    by_recording: HashMap<RecordingId, VisitId>,
    queue: VecDeque<VisitId>,
    /// Whether the queue or the calls changed since they were last shown.
    pub queue_changed: bool,
}

/// A closed visit stays in memory for so long, for pages that come back to see how it ended.
const KEEP_CLOSED: Duration = Duration::from_mins(10);
/// The number spoken aloud starts again after this many.
const NUMBERS: i64 = 10_000;

impl Registry {
    pub fn new(content: Arc<Content>, limits: Limits, last_ordinal: i64, journal: Journal) -> Self {
        Self {
            content,
            limits,
            last_ordinal,
            journal,
            places: HashMap::new(),
            by_token: HashMap::new(),
            by_call: HashMap::new(),
            by_recording: HashMap::new(),
            queue: VecDeque::new(),
            queue_changed: false,
        }
    }

    /// Takes back a visit of a former run. One that depended on that process ends here; the
    /// recorder seals its own part without being told.
    pub fn take_back(&mut self, stored: StoredVisit, now: Now, stores: StoresView) {
        let id = stored.id;
        let journey = self.content.journey(&stored.journey);
        let visit = journey.and_then(|j| Visit::rebuild(id, j, self.limits, &stored.events));
        let Some(mut visit) = visit else {
            tracing::error!(visit = %id, journey = %stored.journey, "a visit cannot be rebuilt");
            return;
        };
        if visit.state().depends_on_process() {
            for effect in visit.handle(Command::Interrupt, now).unwrap_or_default() {
                if let Effect::Append(recorded) = effect {
                    self.journal.append(Entry::Event(id, recorded));
                }
            }
            tracing::info!(visit = %id, "interrupted by a restart");
        }
        self.insert(visit, stored.token, Person::of(id, stored.customer), stores);
        self.settle(id, now);
    }

    /// Makes a visit and its link.
    pub fn create(
        &mut self,
        wanted: Wanted,
        now: Now,
        stores: StoresView,
    ) -> Result<NewLink, BranchError> {
        let Wanted { product, lifetime, by, customer } = wanted;
        let journey = self.content.journey_for(&product).ok_or(BranchError::NoProduct)?;
        let live = self.places.values().filter(|p| p.ended.is_none()).count();
        if live >= self.limits.live_visits {
            return Err(BranchError::Full);
        }
        let token = Token::random().ok_or(BranchError::Unavailable)?;
        self.last_ordinal += 1;
        let number = format!("A-{:04}", self.last_ordinal % NUMBERS);
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let expires = UnixMillis(now.wall.0.saturating_add(lifetime));
        let (id, hash) = (VisitId::random(), token.hash());
        self.journal.append(Entry::Visit(NewVisit {
            id,
            ordinal: self.last_ordinal,
            number: number.clone(),
            token: hash,
            journey: journey.reference(),
            created: now.wall,
            expires,
            customer: customer.clone(),
        }));
        let created = Created {
            number,
            journey: journey.reference(),
            call: CallId::random(),
            customer: ParticipantId::random(),
            staff: ParticipantId::random(),
            expires,
            created_by: by,
        };
        let (visit, effects) = Visit::create(id, journey, self.limits, created, now);
        for effect in effects {
            if let Effect::Append(recorded) = effect {
                self.journal.append(Entry::Event(id, recorded));
            }
        }
        self.insert(visit, hash, Person::of(id, customer), stores);
        Ok(NewLink { visit: id, token, expires })
    }

    fn insert(&mut self, visit: Visit, token: TokenHash, person: Person, stores: StoresView) {
        let id = visit.id();
        self.by_token.insert(token, id);
        self.by_call.insert(visit.state().created.call, id);
        let (views, _) = watch::channel(self.project(&visit, stores));
        let place = Place {
            visit,
            views,
            media: Arc::default(),
            worker: None,
            joins: HashMap::new(),
            ended: None,
            person,
            token,
        };
        self.places.insert(id, place);
    }

    /// What joining needs, for who may join now.
    pub fn plan(&mut self, id: VisitId, by: Actor, now: Now) -> Result<MediaPlan, BranchError> {
        let place = self.places.get_mut(&id).ok_or(BranchError::Unknown)?;
        // First: who may not join at all must not use up the joins of who may.
        let plan = place.visit.media_plan(by, now)?;
        place.admit(plan.participant, now.mono)?;
        Ok(plan)
    }

    /// What somebody with a token may do, and where; counts a join if it is to be one.
    pub fn guest_plan(
        &mut self,
        key: GuestKey,
        joins: bool,
        now: Now,
    ) -> Result<GuestPlan, BranchError> {
        let id = self.of_call(key.call).ok_or(BranchError::NoCall)?;
        let place = self.places.get_mut(&id).ok_or(BranchError::NoCall)?;
        let plan = match place.visit.guest_plan(&key.token, key.right) {
            Err(Refusal::GuestUnknown) => return Err(BranchError::NotInvited),
            plan => plan?,
        };
        if joins {
            place.admit(plan.participant, now.mono)?;
        }
        Ok(plan)
    }

    /// The visit whose call this is.
    pub fn of_call(&self, call: CallId) -> Option<VisitId> {
        self.by_call.get(&call).copied()
    }

    /// Brings the queue and the indexes in line with what became of a visit.
    pub fn settle(&mut self, id: VisitId, now: Now) {
        let Some(place) = self.places.get_mut(&id) else { return };
        let state = place.visit.state();
        if let Some(recording) = state.recording {
            self.by_recording.insert(recording, id);
        }
        let queued = self.queue.iter().position(|v| *v == id);
        match (state.phase, queued) {
            (VisitState::Waiting, None) => self.queue.push_back(id),
            (VisitState::Waiting, Some(_)) | (_, None) => {}
            (phase, Some(index)) => {
                self.queue.remove(index);
                if phase == VisitState::InCall {
                    let since = state.queued_at.unwrap_or(now.wall);
                    let waited = now.wall.0.saturating_sub(since.0).max(0);
                    #[expect(clippy::cast_precision_loss, reason = "a histogram of seconds")]
                    metrics::histogram!("vbranch_queue_wait_seconds").record(waited as f64 / 1e3);
                }
            }
        }
        if state.phase == VisitState::Closed && place.ended.is_none() {
            place.ended = Some((now.mono, self.journal.position()));
            // Its task ends when it has done what is queued.
            place.worker = None;
        }
        self.queue_changed = true;
    }

    /// Shows a visit as it is now to whoever watches it.
    pub fn show(&self, id: VisitId, stores: StoresView) {
        let Some(place) = self.places.get(&id) else { return };
        let views = self.project(&place.visit, stores);
        place.views.send_if_modified(|shown| {
            let changed = *shown != views;
            if changed {
                *shown = views;
            }
            changed
        });
    }

    fn project(&self, visit: &Visit, stores: StoresView) -> Views {
        let position = self.position(visit.id());
        let staff = visit.staff_view(stores);
        let supervisor =
            |(s, mode): (Supervisor, _)| (s.id, Arc::new(visit.supervisor_view(s, mode, &staff)));
        Views {
            customer: Arc::new(visit.customer_view(&self.content.consents, position)),
            supervisors: visit.attendants().map(supervisor).collect(),
            owner: visit.state().staff.as_ref().map(|s| s.id),
            staff: Arc::new(staff),
        }
    }

    fn position(&self, id: VisitId) -> Option<u32> {
        let index = self.queue.iter().position(|v| *v == id)?;
        u32::try_from(index + 1).ok()
    }

    /// The queue in order, then the calls.
    pub fn queue_rows(&self) -> Vec<QueueRow> {
        let waiting = self.queue.iter().filter_map(|id| self.places.get(id));
        let in_call = self.places.values();
        let in_call = in_call.filter(|p| p.visit.state().phase == VisitState::InCall);
        waiting
            .chain(in_call)
            .map(|place| QueueRow {
                entry: place.visit.queue_entry(self.position(place.visit.id())),
                owner: place.visit.state().staff.as_ref().map(|s| s.id),
                supervisors: place.visit.attendants().map(|(s, _)| s.id).collect(),
            })
            .collect()
    }

    /// The calls this supervisor attends.
    pub fn attended_by(&self, supervisor: UserId) -> Vec<VisitId> {
        let in_call = self.places.values().filter(|p| p.ended.is_none());
        let attended = in_call.filter(|p| p.visit.attendants().any(|(s, _)| s.id == supervisor));
        attended.map(|p| p.visit.id()).collect()
    }

    /// Those who wait, in order.
    pub fn waiting(&self) -> Vec<VisitId> {
        self.queue.iter().copied().collect()
    }

    /// Visits that are not over.
    pub fn live(&self) -> Vec<VisitId> {
        let live = self.places.iter().filter(|(_, p)| p.ended.is_none());
        live.map(|(id, _)| *id).collect()
    }

    /// The visit this staff member is in.
    pub fn visit_of(&self, staff: UserId) -> Option<VisitId> {
        let mut in_call =
            self.places.values().filter(|p| p.visit.state().phase == VisitState::InCall);
        let place = in_call
            .find(|p| p.visit.state().staff.as_ref().is_some_and(|badge| badge.id == staff))?;
        Some(place.visit.id())
    }

    /// What a link leads to.
    pub fn resolve(&self, link: &TokenHash, now: UnixMillis) -> Link {
        let place = self.by_token.get(link).and_then(|id| self.places.get(id));
        match place {
            Some(place) if place.visit.link_expired(now) => Link::Expired,
            Some(place) => Link::Valid(place.visit.id()),
            None => Link::Unknown,
        }
    }

    /// Whose media this is: one of the two parties', a supervisor's, a guest's.
    pub fn owner_of(&self, call: CallId, participant: ParticipantId) -> Option<(VisitId, Whose)> {
        let id = self.of_call(call)?;
        let visit = &self.places.get(&id)?.visit;
        let party = Party::ALL.into_iter().find(|party| visit.participant(*party) == participant);
        let supervisor = || visit.is_supervisor(participant).then_some(Whose::Supervisor);
        let guest = || visit.has_guest(participant).then_some(Whose::Guest);
        Some((id, party.map(Whose::Party).or_else(supervisor).or_else(guest)?))
    }

    /// Whose recording this is.
    pub fn recorded(&self, recording: RecordingId) -> Option<VisitId> {
        self.by_recording.get(&recording).copied()
    }

    /// Forgets visits that ended a while ago and are in the database.
    pub fn forget(&mut self, now: Mono, durable: impl Fn(u64) -> bool) {
        let over = |p: &Place| {
            p.ended.is_some_and(|(at, position)| now.since(at) >= KEEP_CLOSED && durable(position))
        };
        let gone: Vec<VisitId> =
            self.places.iter().filter(|(_, p)| over(p)).map(|(id, _)| *id).collect();
        for id in gone {
            let Some(place) = self.places.remove(&id) else { continue };
            self.by_token.remove(&place.token);
            self.by_call.remove(&place.visit.state().created.call);
            if let Some(recording) = place.visit.state().recording {
                self.by_recording.remove(&recording);
            }
        }
    }
}
