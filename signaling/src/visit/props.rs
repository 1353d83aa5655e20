//! Whatever is sent to a visit, in whatever order: the journey's gate holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vbranch_domain::{
    MediaKind, ParticipantId, RecordingId, UserId,
    kyc::{CameraTraits, KycArtifact, KycEvent, KycOutcome, KycVerdict, WatchAlarm, WatchEvent},
    recording::ArtifactRef,
    timeline::TimelineKind,
};

use super::{
    tests::{Story, at, badge, consent, journey},
    *,
};
use crate::content::{Party, StepKind};

const STEPS: [&str; 6] =
    ["identity", "disclosure", "understanding", "document", "signature", "no-such-step"];
const OUTCOMES: [StepOutcome; 6] = [
    StepOutcome::Shown,
    StepOutcome::Read,
    StepOutcome::Yes,
    StepOutcome::No,
    StepOutcome::Captured,
    StepOutcome::Signed,
];

/// A command whose ids are filled in when it is played.
#[derive(Debug, Clone)]
enum Move {
    Plain(Command),
    Durable {
        ours: bool,
    },
    Opened {
        ours: bool,
    },
    Accept {
        stranger: bool,
    },
    Step {
        who: u8,
        step: usize,
        what: u8,
        outcome: usize,
        artifact: bool,
    },
    Close {
        who: u8,
        outcome: Outcome,
    },
    Attend {
        who: usize,
        mode: Option<SupervisionMode>,
    },
    Mute {
        who: u8,
        whom: usize,
        muted: bool,
    },
    /// The recorder says what became of the picture of an attempt.
    Sealed {
        attempt: u32,
        done: bool,
    },
    Advance {
        secs: u64,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let party = prop_oneof![Just(Party::Customer), Just(Party::Staff)];
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Declined),
        Just(Outcome::Abandoned),
        Just(Outcome::Interrupted)
    ];
    let kyc = prop_oneof![Just(KycOutcome::Pass), Just(KycOutcome::Fail), Just(KycOutcome::Refer)];
    let mode = prop_oneof![
        Just(None),
        Just(Some(SupervisionMode::Silent)),
        Just(Some(SupervisionMode::Whispering)),
        Just(Some(SupervisionMode::BargedIn))
    ];
    prop_oneof![
        8 => (0usize..7, mode).prop_map(|(who, mode)| Move::Attend { who, mode }),
        2 => (0u8..4, 0usize..3, any::<bool>())
            .prop_map(|(who, whom, muted)| Move::Mute { who, whom, muted }),
        2 => any::<bool>().prop_map(|face| Move::Plain(consent(true, face))),
        1 => Just(Move::Plain(Command::Joining(Actor::Customer))),
        3 => prop::bool::weighted(0.9).prop_map(|ours| Move::Opened { ours }),
        3 => prop::bool::weighted(0.9).prop_map(|ours| Move::Durable { ours }),
        6 => party.clone().prop_map(|p| Move::Plain(Command::Connected(p))),
        1 => party.prop_map(|p| Move::Plain(Command::Disconnected(p))),
        3 => checks(),
        1 => Just(Move::Plain(Command::SkipLiveness)),
        2 => kyc.prop_map(|o| Move::Plain(Command::Kyc(KycEvent::Verdict(verdict(o))))),
        2 => (1u32..4, any::<bool>()).prop_map(|(attempt, done)| Move::Sealed { attempt, done }),
        3 => (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(customer, absent, raised)| {
            let party = if customer { Party::Customer } else { Party::Staff };
            let alarm = if absent { WatchAlarm::Absent } else { WatchAlarm::SeveralFaces };
            Move::Plain(Command::Watch(party, WatchEvent { alarm, raised }))
        }),
        3 => prop::bool::weighted(0.2).prop_map(|stranger| Move::Accept { stranger }),
        40 => (0u8..4, 0usize..6, 0u8..4, 0usize..6, any::<bool>())
            .prop_map(|(who, step, what, outcome, artifact)| {
                Move::Step { who, step, what, outcome, artifact }
            }),
        1 => (0u8..4, outcome).prop_map(|(who, outcome)| Move::Close { who, outcome }),
        1 => (0u64..40).prop_map(|secs| Move::Advance { secs }),
    ]
}

/// What begins and befalls a check.
fn checks() -> impl Strategy<Value = Move> {
    let begin = |available| Command::StartLiveness { available, camera: CameraTraits::default() };
    let picture = KycArtifact {
        name: "face.jpg".to_owned(),
        media_type: "image/jpeg",
        bytes: bytes::Bytes::from_static(b"face"),
    };
    prop_oneof![
        4 => any::<bool>().prop_map(move |available| Move::Plain(begin(available))),
        1 => Just(Move::Plain(Command::ReserveLiveness)),
        1 => Just(Move::Plain(Command::ReleaseLiveness)),
        1 => Just(Move::Plain(Command::ReferLiveness { reason: "daily_limit" })),
        3 => Just(Move::Plain(Command::KycArtifact(picture))),
        1 => any::<bool>().prop_map(|kept| Move::Plain(Command::Portrait { kept })),
        1 => (1u32..4).prop_map(|attempt| Move::Plain(Command::PortraitMissing { attempt })),
    ]
}

/// The right thing to do next, so that random walks get to the end of a journey at times.
fn helpful(story: &Story, pick: usize) -> Move {
    let state = story.visit.state();
    let reserved = story.visit.picture_name().is_some();
    let next = state.steps.iter().position(|s| !matches!(s, StepProgress::Done(_)));
    match (state.phase, next) {
        (VisitState::Invited, _) => Move::Plain(consent(true, pick.is_multiple_of(2))),
        (VisitState::Preparing, _) if state.recording.is_none() => Move::Opened { ours: true },
        (VisitState::Preparing, _) => Move::Plain(Command::Connected(Party::Customer)),
        (VisitState::Checking, _) if state.liveness == LivenessStatus::Running => {
            let outcome = if pick.is_multiple_of(3) { KycOutcome::Fail } else { KycOutcome::Pass };
            match pick % 4 {
                0 => Move::Sealed { attempt: state.attempt, done: true },
                1 => Move::Plain(Command::SkipLiveness),
                _ => Move::Plain(Command::Kyc(KycEvent::Verdict(verdict(outcome)))),
            }
        }
        (VisitState::Checking, _) => {
            let camera = CameraTraits::default();
            Move::Plain(Command::StartLiveness { available: true, camera })
        }
        (VisitState::Waiting, _) => Move::Accept { stranger: false },
        (VisitState::InCall, _) if state.recording_state == RecordingState::Starting => {
            Move::Durable { ours: true }
        }
        (VisitState::InCall, _) if !state.staff_connected => {
            Move::Plain(Command::Connected(Party::Staff))
        }
        (VisitState::InCall, Some(step)) => {
            let outcome = [0, 1, if pick.is_multiple_of(5) { 3 } else { 2 }, 4, 5][step];
            let who = u8::from(matches!(step, 2 | 4)) ^ 1;
            let open = state.steps[step] == StepProgress::Open;
            let what = if !open {
                0
            } else if step >= 3 && !reserved {
                1
            } else {
                3
            };
            let who = if what == 0 { 1 } else { who };
            Move::Step { who, step, what, outcome, artifact: step >= 3 }
        }
        _ => Move::Close { who: 1, outcome: Outcome::Completed },
    }
}

fn verdict(outcome: KycOutcome) -> KycVerdict {
    KycVerdict {
        outcome,
        reason: "x".into(),
        signals: vec![],
        models: vec![],
        frames: 0,
        artifacts: vec![picture()],
        policy_sha256: String::new(),
    }
}

fn picture() -> ArtifactRef {
    ArtifactRef { name: "face.jpg".into(), sha256: "0".into() }
}

fn command(story: &Story, people: &People, m: Move) -> Command {
    let stranger = people.stranger;
    let actor = |who: u8| match who {
        0 => Actor::Customer,
        1 => Actor::Staff(story.staff),
        2 => Actor::Staff(stranger),
        _ => Actor::Supervisor(people.supervisors[0].0),
    };
    let id = |ours: bool| if ours { story.recording } else { RecordingId::random() };
    match m {
        Move::Plain(command) => command,
        Move::Durable { ours } => Command::RecordingDurable(id(ours)),
        Move::Opened { ours } => Command::RecordingOpened(id(ours)),
        Move::Accept { stranger: other } => {
            Command::Accept(badge(if other { stranger } else { story.staff }))
        }
        Move::Step { who, step, what, outcome, artifact } => {
            let (by, step, outcome) = (actor(who), STEPS[step].to_owned(), OUTCOMES[outcome]);
            let artifact =
                artifact.then(|| ArtifactRef { name: "a.png".into(), sha256: "0".into() });
            match what {
                0 => Command::OpenStep { by, step },
                1 => Command::ReserveStep { by, step, kind: outcome.kind() },
                2 => Command::ReleaseStep { step },
                _ => Command::CompleteStep { by, step, outcome, artifact },
            }
        }
        Move::Close { who, outcome } => Command::Close { by: actor(who), outcome },
        Move::Attend { who, mode } => {
            let (by, participant) = people.supervisors[who];
            match mode {
                Some(mode) => Command::Supervise { by, mode, participant },
                None => Command::EndSupervision { by },
            }
        }
        Move::Mute { who, whom, muted } => {
            let both = [Party::Customer, Party::Staff].map(|p| story.visit.participant(p));
            let participant = both.get(whom).copied().unwrap_or(people.supervisors[0].1);
            Command::Mute { by: actor(who), participant, kind: MediaKind::Audio, muted }
        }
        Move::Sealed { attempt, done } => {
            Command::ArtifactSealed { attempt, sealed: done.then(picture) }
        }
        Move::Advance { .. } => Command::Tick,
    }
}

/// Those beside the customer and the staff member; the two who may accept the visit are among the
/// supervisors.
struct People {
    stranger: UserId,
    supervisors: Vec<(UserId, ParticipantId)>,
}

/// What a customer who did not consent to face processing would check, and who relies on a
/// verdict: from the log, and from what other parts were told, in order.
struct Guardian {
    parties: [ParticipantId; 2],
    face: bool,
    in_call: bool,
    closed: bool,
    /// Whose faces are watched.
    watched: BTreeSet<ParticipantId>,
    /// The attempt that runs.
    running: Option<u32>,
    begun: u32,
    /// Whether the visit's last check was begun by the engine and may hold a face.
    held: bool,
    sealed: bool,
}

impl Guardian {
    fn new(visit: &Visit) -> Self {
        let parties = Party::ALL.map(|party| visit.participant(party));
        Self {
            parties,
            face: false,
            in_call: false,
            closed: false,
            watched: BTreeSet::new(),
            running: None,
            begun: 0,
            held: false,
            sealed: false,
        }
    }

    fn read(&mut self, effect: &Effect) {
        match effect {
            Effect::Append(recorded) => self.hear(&recorded.event),
            Effect::Port(call) => self.see(call),
        }
    }

    fn hear(&mut self, event: &VisitEvent) {
        match event {
            VisitEvent::Consented(c) => self.face = c.face,
            VisitEvent::FaceWithdrawn { .. } => {
                assert_eq!(self.running, None, "a check goes on after the withdrawal");
                self.face = false;
            }
            VisitEvent::Accepted { .. } => self.in_call = true,
            VisitEvent::LivenessStarted { attempt } => {
                assert!(self.face, "a check without consent");
                assert_eq!(*attempt, self.begun + 1, "an attempt left out or used twice");
                assert!(*attempt <= Limits::default().liveness_attempts, "one too many");
                assert_eq!(self.running, None, "two checks at one time");
                (self.running, self.begun, self.sealed) = (Some(*attempt), *attempt, false);
            }
            VisitEvent::LivenessCut => self.running = None,
            VisitEvent::LivenessEnded { verdict } => {
                assert!(self.face, "a verdict after the withdrawal");
                let refused = verdict.reason == "daily_limit";
                assert_eq!(self.running.is_none(), refused, "a verdict of no check");
                assert!(verdict.artifacts.is_empty() || self.sealed, "names what is not sealed");
                self.running = None;
            }
            VisitEvent::Closed { .. } => {
                assert_eq!(self.running, None, "a check goes on after the end");
                self.closed = true;
            }
            _ => {}
        }
    }

    fn see(&mut self, call: &PortCall) {
        match call {
            PortCall::BeginKyc { request, .. } => {
                assert!(self.face, "a face looked at without consent");
                assert_eq!(Some(request.attempt), self.running);
                self.held = true;
            }
            PortCall::SealArtifact { attempt, .. } => assert_eq!(Some(*attempt), self.running),
            PortCall::Watch(who) => {
                assert!(self.in_call && !self.closed, "watched outside the call");
                assert!(self.face || *who != self.parties[0], "watched without consent");
                self.watched.insert(*who);
            }
            PortCall::Unwatch(who) => {
                self.watched.remove(who);
                self.held &= *who != self.parties[0];
            }
            PortCall::Mark(_, event) => {
                if let TimelineKind::FaceWatch { participant, raised, .. } = event.kind {
                    let watched = self.watched.contains(&participant);
                    assert!(watched || !raised, "noticed of whom nobody watches");
                }
            }
            _ => {}
        }
    }

    /// After each command.
    fn check(&self, visit: &Visit) {
        let customer = self.parties[0];
        if !self.face {
            assert!(!self.watched.contains(&customer), "watched on after the withdrawal");
            assert!(!self.held, "a face is held after the withdrawal");
            assert_eq!(visit.kyc_evidence(), None, "and can be looked at");
            assert!(visit.customer_view_for_test().liveness.is_none_or(|l| l.flash.is_none()));
        }
        if self.closed {
            assert!(self.watched.is_empty() && !self.held, "faces outlive the visit");
            assert_eq!(visit.kyc_evidence(), None, "and can be looked at");
        }
    }
}

/// What an auditor would check, from the log alone.
#[derive(Default)]
struct Auditor {
    consented: bool,
    durable: bool,
    failed: bool,
    /// Who serves the visit.
    accepted: Option<UserId>,
    here: [bool; 2],
    opened: Vec<String>,
    done: Vec<String>,
    said_no: bool,
    closed: bool,
    attending: BTreeMap<UserId, SupervisionMode>,
    ever_attended: BTreeSet<UserId>,
    muted: BTreeSet<ParticipantId>,
}

impl Auditor {
    fn read(&mut self, event: &VisitEvent) {
        let journey = journey();
        assert!(!self.closed, "{event:?} after the end");
        match event {
            VisitEvent::Consented(c) => self.consented = c.recording,
            VisitEvent::RecordingDurable => self.durable = true,
            VisitEvent::RecordingFailed => self.failed = true,
            VisitEvent::Accepted { staff } => self.accepted = Some(staff.id),
            VisitEvent::Connected { party } => self.here[*party as usize] = true,
            VisitEvent::Disconnected { party } => self.here[*party as usize] = false,
            VisitEvent::StepOpened { step } => {
                self.evidence();
                let expected = &journey.steps[self.done.len()];
                assert_eq!(*step, expected.id, "opened out of order");
                assert_eq!(self.opened.len(), self.done.len(), "opened with another one open");
                assert!(!self.said_no, "went on after a no");
                self.opened.push(step.clone());
            }
            VisitEvent::StepCompleted { step, by, outcome, artifact } => {
                self.evidence();
                let expected = &journey.steps[self.done.len()];
                assert_eq!(self.opened.last(), Some(step), "completed without being open");
                assert_eq!(*step, expected.id, "completed out of order");
                assert_eq!(*by, expected.kind.by(), "completed by the wrong party");
                assert_eq!(outcome.kind(), expected.kind, "completed with something else");
                let needs = matches!(expected.kind, StepKind::Document | StepKind::Signature);
                assert!(!needs || artifact.is_some(), "completed without its picture");
                self.said_no |= *outcome == StepOutcome::No;
                self.done.push(step.clone());
            }
            VisitEvent::SupervisionBegan { supervisor, mode, .. } => {
                let staff = self.accepted.expect("attended what is no call");
                assert_ne!(*supervisor, staff, "supervised themselves");
                assert_eq!(self.attending.insert(*supervisor, *mode), None, "began twice");
                self.ever_attended.insert(*supervisor);
                assert!(self.ever_attended.len() <= 4, "more than the recorder is told to expect");
            }
            VisitEvent::SupervisionChanged { supervisor, mode } => {
                let before = self.attending.insert(*supervisor, *mode);
                assert!(before.is_some_and(|before| before != *mode), "changed without a change");
            }
            VisitEvent::SupervisionEnded { supervisor } => {
                assert!(self.attending.remove(supervisor).is_some(), "ended without beginning");
            }
            VisitEvent::Muted { participant, muted, .. } => {
                assert!(self.accepted.is_some(), "muted outside a call");
                let known = self.muted.contains(participant);
                assert_ne!(known, *muted, "muted or unmuted twice");
                if *muted {
                    self.muted.insert(*participant)
                } else {
                    self.muted.remove(participant)
                };
            }
            VisitEvent::Closed { outcome } => {
                self.closed = true;
                if *outcome == Outcome::Completed {
                    assert_eq!(self.done.len(), journey.steps.len(), "completed with open steps");
                    assert!(!self.said_no, "completed after a no");
                }
            }
            _ => {}
        }
    }

    fn evidence(&self) {
        assert!(self.consented && self.accepted.is_some(), "a step outside a call");
        assert!(self.durable && !self.failed, "a step that is not on the recording");
        assert!(self.here == [true, true], "a step with a party away");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_gate_holds_whatever_is_sent(
        walk in prop::collection::vec((prop::bool::weighted(0.6), any::<u8>(), moves()), 1..80),
    ) {
        let mut story = Story::new();
        let random = |_| (UserId::random(), ParticipantId::random());
        let mut supervisors: Vec<_> = (0..5).map(random).collect();
        // Either may come to serve the visit; who does may not attend it, the other may.
        let stranger = UserId::random();
        supervisors.extend([story.staff, stranger].map(|id| (id, ParticipantId::random())));
        let people = People { stranger, supervisors };
        let mut log = Vec::new();
        let (mut auditor, mut guardian) = (Auditor::default(), Guardian::new(&story.visit));
        let mut secs = 0;
        for effect in &story.log {
            if let Effect::Append(recorded) = effect { log.push(recorded.clone()); }
        }
        for (help, pick, random) in walk {
            let next = if help { helpful(&story, pick.into()) } else { random };
            if let Move::Advance { secs: more } = next { secs += more; }
            story.now = at(secs);
            let before = story.visit.state().clone();
            let sealed = matches!(next, Move::Sealed { done: true, attempt } if Some(attempt) == guardian.running);
            guardian.sealed |= sealed;
            let command = command(&story, &people, next);
            match story.visit.handle(command, story.now) {
                Err(_) => prop_assert_eq!(&before, story.visit.state(), "a refusal changed something"),
                Ok(effects) => for effect in effects {
                    guardian.read(&effect);
                    if let Effect::Append(recorded) = effect {
                        auditor.read(&recorded.event);
                        log.push(recorded);
                    }
                }
            }
            guardian.check(&story.visit);
        }
        let seqs: Vec<u64> = log.iter().map(|r| r.seq).collect();
        prop_assert_eq!(seqs, (0..log.len() as u64).collect::<Vec<_>>());
        let kept: Vec<Recorded> = log.iter()
            .map(|r| serde_json::from_str(&serde_json::to_string(r).unwrap()).unwrap())
            .collect();
        let again = Visit::rebuild(story.visit.id(), journey(), Limits::default(), &kept).unwrap();
        prop_assert_eq!(again.state(), story.visit.state(), "events do not add up to the state");
    }
}
