//! The one task that owns the visits: takes commands, events and the passing of time, one after
//! the other, and never waits for anything else.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use vbranch_domain::{
    CallId, Clock, ParticipantId, UserId, VisitId,
    recording::{RecorderEvent, StoreId},
};

use super::{
    BranchError, Done, Made, Message, Ports, QueueRow, Seen, Wanted,
    journal::Durable,
    registry::{Registry, Whose},
    worker::{self, Subject},
};
use crate::{
    content::Party,
    metrics as gauges,
    ports::PortEvent,
    store::{Entry, StoredVisit},
    visit::{CallNews, Command, Effect, GuestCommand, Now, PortCall, view::StoresView},
};

/// How exactly graces and expiries are kept.
const TICK: Duration = Duration::from_millis(500);
/// A gap of this length is a loss staff must hear of while the customer is still there.
const GAP_ALARM: Duration = Duration::from_secs(2);
/// What came of calls to other parts, waiting for the actor, which takes microseconds for each.
/// Full: the task of that visit waits.
const TOLD: usize = 256;

pub(super) struct Branch {
    registry: Registry,
    ports: Ports,
    clock: Arc<dyn Clock>,
    queue: watch::Sender<Arc<Vec<QueueRow>>>,
    durable: Durable,
    workers: JoinSet<()>,
    /// What came of calls to other parts; the sending end is for the workers.
    told: (worker::Told, mpsc::Receiver<(VisitId, Command)>),
}

impl Branch {
    pub fn new(
        registry: Registry,
        ports: Ports,
        clock: Arc<dyn Clock>,
        queue: watch::Sender<Arc<Vec<QueueRow>>>,
        durable: Durable,
    ) -> Self {
        let (workers, told) = (JoinSet::new(), mpsc::channel(TOLD));
        Self { registry, ports, clock, queue, durable, workers, told }
    }

    pub async fn run(
        mut self,
        left: Vec<StoredVisit>,
        mut messages: mpsc::Receiver<Message>,
        mut events: mpsc::Receiver<PortEvent>,
    ) {
        for stored in left {
            self.registry.take_back(stored, self.now(), self.stores());
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events_open = true;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Stop { reply }) => {
                        self.stop(&mut events).await;
                        // The asker may have given up waiting.
                        let _ = reply.send(());
                        return;
                    }
                    Some(message) => self.take(message),
                    None => return,
                },
                event = events.recv(), if events_open => match event {
                    Some(event) => self.hear(event),
                    None => events_open = false,
                },
                Some((id, command)) = self.told.1.recv() => self.tell(id, command),
                _ = tick.tick() => self.tick(),
            }
            self.show_queue();
        }
    }

    /// An asker that has gone away does not want its answer: unsent replies are fine.
    fn take(&mut self, message: Message) {
        let now = self.now();
        match message {
            Message::Create { wanted, reply } => {
                let _ = reply.send(self.create(wanted));
            }
            Message::Do { visit, command, reply } => {
                let _ = reply.send(self.order(visit, command));
            }
            Message::Plan { visit, by, reply } => {
                let _ = reply.send(self.registry.plan(visit, by, now));
            }
            Message::Guest { key, joins, reply } => {
                let _ = reply.send(self.registry.guest_plan(key, joins, now));
            }
            Message::Look { visit, reply } => {
                let place = self.registry.places.get(&visit);
                let _ = reply.send(place.map(|p| Seen {
                    call: p.visit.state().created.call,
                    views: p.views.subscribe(),
                    recording: p.visit.state().recording,
                    media: Arc::clone(&p.media),
                    created_by: p.visit.state().created.created_by,
                    person: p.person.clone(),
                    takes_portrait: p.visit.check_takes_portrait(),
                }));
            }
            Message::Evidence { visit, reply } => {
                let place = self.registry.places.get(&visit);
                let _ = reply.send(place.and_then(|p| p.visit.kyc_evidence()));
            }
            Message::Dismiss { who } => self.dismiss(who),
            Message::Resolve { link, reply } => {
                let _ = reply.send(self.registry.resolve(&link, now.wall));
            }
            Message::Stop { .. } => {}
        }
    }

    fn create(&mut self, wanted: Wanted) -> Result<Made, BranchError> {
        if !self.registry.journal.has_room() {
            return Err(BranchError::Unavailable);
        }
        let (now, stores) = (self.now(), self.stores());
        let link = self.registry.create(wanted, now, stores)?;
        tracing::info!(visit = %link.visit, "created");
        Ok(Made { link, position: self.registry.journal.position() })
    }

    /// A command from a person, or what came of one.
    fn order(&mut self, id: VisitId, command: Command) -> Result<Done, BranchError> {
        if !self.registry.journal.takes(&command) {
            return Err(BranchError::Unavailable);
        }
        if let Command::Accept(staff) = &command
            && self.registry.visit_of(staff.id).is_some_and(|other| other != id)
        {
            return Err(BranchError::Busy);
        }
        self.apply(id, command)?;
        let place = self.registry.places.get(&id).ok_or(BranchError::Unknown)?;
        Ok(Done {
            views: place.views.borrow().clone(),
            picture: place.visit.picture_name(),
            position: self.registry.journal.position(),
        })
    }

    fn dismiss(&mut self, who: UserId) {
        for id in self.registry.attended_by(who) {
            tracing::warn!(visit = %id, supervisor = %who, "no longer signed in: line cut");
            self.tell(id, Command::EndSupervision { by: who });
        }
        self.dismiss_staff(who);
    }

    fn dismiss_staff(&mut self, staff: UserId) {
        let Some(id) = self.registry.visit_of(staff) else { return };
        let Some(place) = self.registry.places.get(&id) else { return };
        if place.visit.state().staff_connected {
            tracing::warn!(visit = %id, %staff, "no longer signed in: line cut");
            let who = place.visit.participant(Party::Staff);
            // Full: the recorder has hung, and the next look at the sessions tries again.
            let _ = self.call_port(id, PortCall::Drop(who));
        }
    }

    /// The one place where a visit changes and its effects are performed.
    fn apply(&mut self, id: VisitId, command: Command) -> Result<(), BranchError> {
        let now = self.now();
        let place = self.registry.places.get_mut(&id).ok_or(BranchError::Unknown)?;
        let tick = command == Command::Tick;
        let news = matches!(command, Command::Call(_));
        let effects = place.visit.handle(command, now)?;
        if tick && effects.is_empty() {
            // Spares everyone a projection twice a second.
            return Ok(());
        }
        if news {
            // Comes often, and changes neither the queue nor what is kept.
            self.registry.show(id, self.stores());
            return Ok(());
        }
        let mut stalled = false;
        for effect in effects {
            match effect {
                Effect::Append(recorded) => {
                    tracing::info!(visit = %id, seq = recorded.seq, what = recorded.event.word());
                    self.registry.journal.append(Entry::Event(id, recorded));
                }
                Effect::Port(call) => stalled |= !self.call_port(id, call),
            }
        }
        if stalled {
            tracing::error!(visit = %id, "the recorder does not keep up with the visit");
            return self.apply(id, Command::RecordingFailed);
        }
        self.registry.settle(id, now);
        self.registry.show(id, self.stores());
        Ok(())
    }

    /// Queues a call for the visit's worker; false when the worker has hung.
    fn call_port(&mut self, id: VisitId, order: PortCall) -> bool {
        let Some(place) = self.registry.places.get_mut(&id) else { return true };
        let state = place.visit.state();
        let (call, customer) = (state.created.call, place.visit.participant(Party::Customer));
        let worker = place.worker.get_or_insert_with(|| {
            let subject = Subject { visit: id, call, customer, person: place.person.clone() };
            worker::start(&mut self.workers, self.ports.clone(), subject, self.told.0.clone())
        });
        worker.try_send(order).is_ok()
    }

    fn hear(&mut self, event: PortEvent) {
        match event {
            PortEvent::MediaConnected { call, participant } => {
                self.hear_connection(call, participant, true);
            }
            PortEvent::MediaDisconnected { call, participant } => {
                self.hear_connection(call, participant, false);
            }
            PortEvent::Slots { call, participant, slots } => {
                self.hear_call(call, Some(participant), CallNews::Slots(participant, slots));
            }
            PortEvent::ActiveSpeaker { call, participant } => {
                self.hear_call(call, participant, CallNews::Speaker(participant));
            }
            PortEvent::Quality { call, participant, quality } => {
                self.hear_call(call, Some(participant), CallNews::Quality(participant, quality));
            }
            PortEvent::VideoCodec { call, participant, codec } => {
                self.hear_call(call, Some(participant), CallNews::Codec(participant, codec));
            }
            PortEvent::Kyc { call, participant, event } => {
                self.hear_check(call, participant, Command::Kyc(event));
            }
            PortEvent::KycArtifact { call, participant, artifact } => {
                self.hear_check(call, participant, Command::KycArtifact(artifact));
            }
            PortEvent::Watch { call, participant, event } => {
                let whose = self.registry.owner_of(call, participant);
                if let Some((id, Whose::Party(party))) = whose {
                    self.tell(id, Command::Watch(party, event));
                }
            }
            PortEvent::Recorder(event) => self.hear_recorder(event),
        }
    }

    fn hear_connection(&mut self, call: CallId, who: ParticipantId, up: bool) {
        let Some((id, whose)) = self.registry.owner_of(call, who) else { return };
        let command = match (whose, up) {
            (Whose::Party(party), true) => Command::Connected(party),
            (Whose::Party(party), false) => Command::Disconnected(party),
            (Whose::Supervisor, true) => Command::SupervisorConnected(who),
            (Whose::Supervisor, false) => Command::SupervisorDisconnected(who),
            (Whose::Guest, true) => Command::Guest(GuestCommand::Connected(who)),
            (Whose::Guest, false) => Command::Guest(GuestCommand::Disconnected(who)),
        };
        self.tell(id, command);
    }

    /// Only a customer is checked.
    fn hear_check(&mut self, call: CallId, who: ParticipantId, command: Command) {
        if let Some((id, Whose::Party(Party::Customer))) = self.registry.owner_of(call, who) {
            self.tell(id, command);
        }
    }

    /// What concerns a participant must concern one of the visit's own.
    fn hear_call(&mut self, call: CallId, about: Option<ParticipantId>, news: CallNews) {
        let known = |who| self.registry.owner_of(call, who).is_some();
        if about.is_none_or(known)
            && let Some(id) = self.registry.of_call(call)
        {
            self.tell(id, Command::Call(news));
        }
    }

    fn hear_recorder(&mut self, event: RecorderEvent) {
        let of = |recording| self.registry.recorded(recording);
        match event {
            RecorderEvent::FirstSegmentDurable { recording } => {
                if let Some(id) = of(recording) {
                    self.tell(id, Command::RecordingDurable(recording));
                }
            }
            RecorderEvent::Failed { recording, reason } => {
                tracing::error!(%recording, reason, "recording failed");
                if let Some(id) = of(recording) {
                    self.tell(id, Command::RecordingFailed);
                }
            }
            RecorderEvent::Gap { recording, participant, kind, millis } => {
                tracing::warn!(%recording, %participant, kind = kind.as_str(), millis, "gap");
                let (gap, now) = (Duration::from_millis(millis), self.now().mono);
                let id = of(recording).filter(|_| gap >= GAP_ALARM);
                let place = id.and_then(|id| self.registry.places.get(&id));
                if let Some((id, place)) = id.zip(place)
                    && place.visit.staff_miss(participant, gap, now)
                {
                    self.tell(id, Command::Alarm("media_gap"));
                }
            }
            RecorderEvent::StoreDegraded { store, reason } => {
                tracing::error!(?store, reason, "a store does not take writes");
                self.tell_recorded(&Command::Alarm("store_degraded"));
            }
            RecorderEvent::StoreRecovered { store } => {
                tracing::info!(?store, "a store has recovered");
                for id in self.registry.live() {
                    self.registry.show(id, self.stores());
                }
            }
            RecorderEvent::Sealed { recording, manifest_sha256 } => {
                tracing::info!(%recording, manifest_sha256, "sealed");
            }
        }
    }

    fn tell_recorded(&mut self, command: &Command) {
        for id in self.registry.live() {
            let place = self.registry.places.get(&id);
            if place.is_some_and(|p| p.visit.state().recording.is_some()) {
                self.tell(id, command.clone());
                self.registry.show(id, self.stores());
            }
        }
    }

    /// Something that has happened: the visit may ignore it, not refuse it.
    fn tell(&mut self, id: VisitId, command: Command) {
        if let Err(error) = self.apply(id, command) {
            tracing::debug!(visit = %id, %error, "ignored");
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        for id in self.registry.live() {
            self.tell(id, Command::Tick);
        }
        let durable = self.durable.clone();
        self.registry.forget(now.mono, |position| durable.reached(position));
        while self.workers.try_join_next().is_some() {}
        let states = self.registry.places.values().map(|p| p.visit.state().phase);
        gauges::visits(states, self.registry.waiting().len());
    }

    fn show_queue(&mut self) {
        if !std::mem::take(&mut self.registry.queue_changed) {
            return;
        }
        let rows = self.registry.queue_rows();
        let changed = self.queue.send_if_modified(|shown| {
            let changed = **shown != rows;
            if changed {
                *shown = Arc::new(rows);
            }
            changed
        });
        if changed {
            for id in self.registry.waiting() {
                self.registry.show(id, self.stores());
            }
        }
    }

    /// Closes what depends on this process, then waits for the recordings. Who closes them may
    /// still have something to say meanwhile, and must not be kept waiting.
    async fn stop(&mut self, events: &mut mpsc::Receiver<PortEvent>) {
        for id in self.registry.live() {
            let place = self.registry.places.get(&id);
            if place.is_some_and(|p| p.visit.state().depends_on_process()) {
                self.tell(id, Command::Interrupt);
            }
        }
        self.show_queue();
        for place in self.registry.places.values_mut() {
            place.worker = None;
        }
        loop {
            tokio::select! {
                done = self.workers.join_next() => if done.is_none() { return },
                Some(event) = events.recv() => tracing::debug!(?event, "while stopping"),
                Some((id, _)) = self.told.1.recv() => tracing::debug!(visit = %id, "too late"),
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.clock.mono(), wall: self.clock.wall() }
    }

    fn stores(&self) -> StoresView {
        let recorder = &self.ports.recorder;
        StoresView {
            a: recorder.store_ok(StoreId::A).into(),
            b: recorder.store_ok(StoreId::B).into(),
        }
    }
}
