//! Visits told as stories.

use std::{sync::Arc, time::Duration};

use vbranch_domain::{
    CallId, Mono, ParticipantId, RecordingId, UnixMillis, UserId, VisitId,
    kyc::{
        CameraTraits, FlashColour, KycArtifact, KycEvent, KycOutcome, KycVerdict, MAX_ARTIFACTS,
        WatchAlarm, WatchEvent,
    },
    recording::ArtifactRef,
    timeline::TimelineKind,
};

use super::*;
use crate::content::{Content, Party, StepKind, Text};

/// A visit and its clock.
pub(super) struct Story {
    pub visit: Visit,
    pub now: Now,
    pub log: Vec<Effect>,
    pub recording: RecordingId,
    pub staff: UserId,
}

pub(super) fn at(secs: u64) -> Now {
    let millis = secs * 1_000;
    Now { mono: Mono::from_millis(millis), wall: UnixMillis(1_000_000 + millis as i64) }
}

pub(super) fn journey() -> Arc<crate::content::Journey> {
    let bank = Text { zh_cn: "行".to_owned(), en: "Bank".to_owned() };
    Content::load(&bank).unwrap().journey_for("demo-loan").unwrap()
}

pub(super) fn consent(recording: bool, face: bool) -> Command {
    Command::Consent(ConsentEvidence {
        recording,
        face,
        text_version: "v".to_owned(),
        recording_sha256: "r".to_owned(),
        face_sha256: "f".to_owned(),
    })
}

pub(super) fn badge(id: UserId) -> StaffBadge {
    StaffBadge { id, display_name: "N".into(), title: "T".into(), staff_no: "1".into() }
}

fn begin(available: bool) -> Command {
    Command::StartLiveness { available, camera: CameraTraits::default() }
}

fn verdict(outcome: KycOutcome) -> Command {
    resting_on(outcome, vec![])
}

fn resting_on(outcome: KycOutcome, artifacts: Vec<ArtifactRef>) -> Command {
    Command::Kyc(KycEvent::Verdict(KycVerdict {
        outcome,
        reason: "test".to_owned(),
        signals: vec![],
        models: vec![],
        frames: 1,
        artifacts,
        policy_sha256: String::new(),
    }))
}

fn sealed(name: &str) -> ArtifactRef {
    ArtifactRef { name: name.to_owned(), sha256: "00".to_owned() }
}

fn hand_over(name: &str, media_type: &'static str, len: usize) -> Command {
    let bytes = vec![7; len].into();
    Command::KycArtifact(KycArtifact { name: name.to_owned(), media_type, bytes })
}

impl Story {
    pub fn new() -> Self {
        let created = Created {
            number: "A-0001".to_owned(),
            journey: "demo-loan@1".to_owned(),
            call: CallId::random(),
            customer: ParticipantId::random(),
            staff: ParticipantId::random(),
            expires: UnixMillis(at(3600).wall.0),
            created_by: None,
        };
        let limits = Limits::default();
        let (visit, log) = Visit::create(VisitId::random(), journey(), limits, created, at(0));
        let (recording, staff) = (RecordingId::random(), UserId::random());
        Self { visit, now: at(0), log, recording, staff }
    }

    pub fn act(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let effects = self.visit.handle(command, self.now)?;
        self.log.extend(effects.iter().cloned());
        Ok(effects)
    }

    fn wait(&mut self, secs: u64) {
        self.now.mono += Duration::from_secs(secs);
        self.now.wall.0 += secs as i64 * 1_000;
        self.act(Command::Tick).unwrap();
    }

    fn until_connected(face: bool) -> Self {
        let mut s = Self::new();
        s.act(consent(true, face)).unwrap();
        s.act(Command::Joining(Actor::Customer)).unwrap();
        s.act(Command::RecordingOpened(s.recording)).unwrap();
        s.act(Command::Connected(Party::Customer)).unwrap();
        s
    }

    fn until_call() -> Self {
        let mut s = Self::until_connected(false);
        s.act(Command::Accept(badge(s.staff))).unwrap();
        s.act(Command::Connected(Party::Staff)).unwrap();
        s
    }

    fn open(&mut self, step: &str) -> Result<Vec<Effect>, Refusal> {
        self.act(Command::OpenStep { by: Actor::Staff(self.staff), step: step.to_owned() })
    }

    fn complete(&mut self, by: Actor, step: &str, o: StepOutcome) -> Result<Vec<Effect>, Refusal> {
        let artifact = o
            .kind()
            .has_picture()
            .then(|| ArtifactRef { name: format!("{step}.png"), sha256: "00".to_owned() });
        if artifact.is_some() {
            self.act(Command::ReserveStep { by, step: step.to_owned(), kind: o.kind() })?;
        }
        self.act(Command::CompleteStep { by, step: step.to_owned(), outcome: o, artifact })
    }

    fn phase(&self) -> VisitState {
        self.visit.state().phase
    }

    fn marks(&self) -> Vec<&TimelineKind> {
        let marks = self.log.iter().filter_map(|e| match e {
            Effect::Port(PortCall::Mark(_, event)) => Some(&event.kind),
            _ => None,
        });
        marks.collect()
    }
}

#[test]
fn a_whole_visit_is_completed_and_its_record_tells_it_in_order() {
    let mut s = Story::until_connected(true);
    assert_eq!(s.phase(), VisitState::Checking);
    s.act(begin(true)).unwrap();
    s.act(verdict(KycOutcome::Pass)).unwrap();
    assert_eq!(s.phase(), VisitState::Waiting);
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    s.act(Command::Accept(badge(s.staff))).unwrap();
    s.act(Command::Connected(Party::Staff)).unwrap();
    let me = Actor::Staff(s.staff);
    for (step, by, outcome) in [
        ("identity", me, StepOutcome::Shown),
        ("disclosure", me, StepOutcome::Read),
        ("understanding", Actor::Customer, StepOutcome::Yes),
        ("document", me, StepOutcome::Captured),
        ("signature", Actor::Customer, StepOutcome::Signed),
    ] {
        s.open(step).unwrap();
        s.complete(by, step, outcome).unwrap();
    }
    let close = Command::Close { by: me, outcome: Outcome::Completed };
    let effects = s.act(close).unwrap();
    assert_eq!(s.visit.state().outcome, Some(Outcome::Completed));
    assert!(matches!(effects.last(), Some(Effect::Port(PortCall::CloseRecording(..)))));

    let words: Vec<_> = s.marks().iter().map(|k| serde_json::to_value(k).unwrap()).collect();
    let types: Vec<_> = words.iter().map(|w| w["type"].as_str().unwrap()).collect();
    assert_eq!(types[..5], ["consent", "consent", "kyc_started", "kyc_verdict", "staff_joined"]);
    assert_eq!(types[5..15].iter().filter(|t| **t == "step_opened").count(), 5);
    assert_eq!(types[15..], ["closed"]);
}

#[test]
fn refusing_to_be_recorded_ends_the_visit() {
    let mut s = Story::new();
    s.act(consent(false, true)).unwrap();
    assert_eq!(s.visit.state().outcome, Some(Outcome::Declined));
    assert_eq!(s.visit.media_plan(Actor::Customer, s.now), Err(Refusal::Closed));
}

#[test]
fn without_consent_there_is_no_media() {
    let s = Story::new();
    assert_eq!(s.visit.media_plan(Actor::Customer, s.now), Err(Refusal::WrongState));
}

#[test]
fn consents_cannot_be_changed_by_sending_them_again() {
    let mut s = Story::new();
    s.act(consent(true, false)).unwrap();
    assert!(s.act(consent(true, false)).unwrap().is_empty(), "a repeat changes nothing");
    assert_eq!(s.act(consent(true, true)), Err(Refusal::ConsentDecided));
}

#[test]
fn who_declines_face_processing_goes_straight_to_the_queue() {
    let s = Story::until_connected(false);
    assert_eq!(s.phase(), VisitState::Waiting);
    assert!(s.visit.customer_view_for_test().liveness.is_none());
}

#[test]
fn who_withdraws_during_the_check_goes_to_the_queue_and_the_record_says_so() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    let effects = s.act(Command::SkipLiveness).unwrap();
    assert!(effects.contains(&Effect::Port(PortCall::CancelKyc)));
    assert_eq!(s.phase(), VisitState::Waiting);
    let last = s.marks().into_iter().next_back().unwrap();
    assert!(
        matches!(last, TimelineKind::Consent { subject, granted: false, .. } if subject == "face")
    );
    s.act(verdict(KycOutcome::Pass)).unwrap();
    assert_eq!(s.visit.state().verdict, None, "a late verdict is of no interest");
}

#[test]
fn three_failed_checks_refer_the_customer_to_staff() {
    let mut s = Story::until_connected(true);
    for left in [2, 1, 0] {
        assert_eq!(s.phase(), VisitState::Checking);
        s.act(begin(true)).unwrap();
        s.act(verdict(KycOutcome::Fail)).unwrap();
        assert_eq!(s.visit.attempts_left(), left);
    }
    assert_eq!(s.phase(), VisitState::Waiting);
    let again = begin(true);
    assert_eq!(s.act(again), Err(Refusal::AttemptsExhausted));
}

#[test]
fn cutting_the_line_does_not_buy_attempts() {
    let mut s = Story::until_connected(true);
    for _ in 0..3 {
        s.act(begin(true)).unwrap();
        s.act(Command::Disconnected(Party::Customer)).unwrap();
        s.act(Command::Connected(Party::Customer)).unwrap();
    }
    assert_eq!(s.phase(), VisitState::Waiting);
    let status = s.visit.queue_entry(None).liveness;
    assert_eq!(status, view::StaffLiveness::Failed);
}

#[test]
fn without_models_the_customer_is_referred_to_staff() {
    let mut s = Story::until_connected(true);
    s.act(begin(false)).unwrap();
    assert_eq!(s.phase(), VisitState::Waiting);
    assert_eq!(s.visit.state().liveness, LivenessStatus::Referred);
}

#[test]
fn a_verdict_waits_for_what_it_rests_on_and_names_only_what_was_sealed() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    let effects = s.act(hand_over("kyc-1-face.jpg", "image/jpeg", 10)).unwrap();
    assert!(matches!(effects[..], [Effect::Port(PortCall::SealArtifact { attempt: 1, .. })]));
    s.act(hand_over("kyc-1-trace.json", "application/json", 10)).unwrap();
    let named = ["kyc-1-face.jpg", "kyc-1-trace.json"].map(sealed).to_vec();
    s.act(resting_on(KycOutcome::Pass, named.clone())).unwrap();
    assert_eq!(s.phase(), VisitState::Checking, "nothing is sealed yet");
    let flash = KycEvent::Flash { colour: Some(FlashColour { r: 1, g: 2, b: 3 }), index: 0, of: 1 };
    s.act(Command::Kyc(flash)).unwrap();
    assert_eq!(s.visit.customer_view_for_test().liveness.unwrap().flash, None, "it is over");
    s.act(Command::ArtifactSealed { attempt: 9, sealed: None }).unwrap();
    s.act(Command::ArtifactSealed { attempt: 1, sealed: Some(named[0].clone()) }).unwrap();
    assert_eq!(s.phase(), VisitState::Checking);
    s.act(Command::ArtifactSealed { attempt: 1, sealed: None }).unwrap();
    assert_eq!(s.phase(), VisitState::Waiting, "it comes all the same");
    let verdict = s.visit.state().verdict.clone().unwrap();
    assert_eq!(verdict.artifacts, named[..1]);
    let signal = verdict.signals.last().unwrap();
    assert_eq!((signal.name.as_str(), signal.passed), ("evidence.sealed", false));
    assert_eq!((signal.score, signal.threshold), (1.0, 2.0));
    assert_eq!(s.visit.state().alarms[0].code, "kyc_evidence_missing");
    let kept = s.visit.kyc_evidence().unwrap();
    assert_eq!((kept.attempt, kept.picture.unwrap().len()), (1, 10));
}

#[test]
fn what_is_too_large_or_too_much_is_left_out_and_the_verdict_says_so() {
    for (count, len) in [(MAX_ARTIFACTS + 1, 10), (1, 1024 * 1024 + 1)] {
        let mut s = Story::until_connected(true);
        s.act(begin(true)).unwrap();
        for n in 0..count {
            let effects = s.act(hand_over(&format!("kyc-1-{n}"), "image/jpeg", len)).unwrap();
            if !effects.is_empty() {
                let sealed = Some(sealed(&format!("kyc-1-{n}")));
                s.act(Command::ArtifactSealed { attempt: 1, sealed }).unwrap();
            }
        }
        s.act(verdict(KycOutcome::Pass)).unwrap();
        let signals = s.visit.state().verdict.clone().unwrap().signals;
        assert_eq!(signals.last().unwrap().name, "evidence.sealed", "{count} of {len}");
    }
}

#[test]
fn a_check_of_twelve_gestures_has_all_its_evidence_sealed() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    let names: Vec<String> = (0..MAX_ARTIFACTS).map(|n| format!("kyc-1-{n}.jpg")).collect();
    for name in &names {
        s.act(hand_over(name, "image/jpeg", 10)).unwrap();
        s.act(Command::ArtifactSealed { attempt: 1, sealed: Some(sealed(name)) }).unwrap();
    }
    let named = names.iter().map(|name| sealed(name)).collect::<Vec<_>>();
    s.act(resting_on(KycOutcome::Pass, named.clone())).unwrap();
    assert_eq!(s.visit.state().verdict.clone().unwrap().artifacts, named);
    assert!(s.visit.state().alarms.is_empty());
}

#[test]
fn a_line_cut_while_the_evidence_is_sealed_does_not_undo_the_verdict() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    s.act(hand_over("kyc-1-face.jpg", "image/jpeg", 10)).unwrap();
    s.act(resting_on(KycOutcome::Fail, vec![sealed("kyc-1-face.jpg")])).unwrap();
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    let done = Some(sealed("kyc-1-face.jpg"));
    s.act(Command::ArtifactSealed { attempt: 1, sealed: done }).unwrap();
    assert_eq!(s.visit.state().liveness, LivenessStatus::Failed);
    assert!(s.visit.state().alarms.is_empty());
}

#[test]
fn a_withdrawal_while_the_evidence_is_sealed_leaves_no_verdict() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    s.act(hand_over("kyc-1-face.jpg", "image/jpeg", 10)).unwrap();
    s.act(verdict(KycOutcome::Pass)).unwrap();
    let effects = s.act(Command::SkipLiveness).unwrap();
    for expected in [PortCall::CancelKyc, PortCall::ForgetFace] {
        assert!(effects.contains(&Effect::Port(expected)));
    }
    let customer = s.visit.participant(Party::Customer);
    assert!(effects.contains(&Effect::Port(PortCall::Unwatch(customer))), "the reference face");
    s.act(Command::ArtifactSealed { attempt: 1, sealed: None }).unwrap();
    assert_eq!((s.visit.state().verdict.clone(), s.visit.kyc_evidence()), (None, None));
}

#[test]
fn one_check_is_begun_at_one_time() {
    let mut s = Story::until_connected(true);
    s.act(Command::ReserveLiveness).unwrap();
    assert_eq!(s.act(Command::ReserveLiveness), Err(Refusal::LivenessRunning));
    s.act(Command::ReleaseLiveness).unwrap();
    s.act(Command::ReserveLiveness).unwrap();
    s.act(begin(true)).unwrap();
    assert_eq!(s.act(Command::ReserveLiveness), Err(Refusal::LivenessRunning));
}

#[test]
fn who_may_not_be_checked_today_is_referred_without_an_attempt() {
    let mut s = Story::until_connected(true);
    s.act(Command::ReserveLiveness).unwrap();
    s.act(Command::ReferLiveness { reason: "daily_limit" }).unwrap();
    assert_eq!((s.phase(), s.visit.state().attempt), (VisitState::Waiting, 0));
    assert_eq!(s.visit.state().liveness, LivenessStatus::Referred);
    let last = s.marks().into_iter().next_back().unwrap();
    let TimelineKind::KycVerdict { attempt: 1, verdict } = last else { panic!("{last:?}") };
    assert_eq!(verdict.reason, "daily_limit");
}

#[test]
fn without_the_portrait_that_was_given_there_is_no_check() {
    let mut s = Story::until_connected(true);
    s.act(Command::Portrait { kept: true }).unwrap();
    let effects = s.act(begin(true)).unwrap();
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Port(PortCall::BeginKyc { needs_portrait: true, .. })))
    );
    s.act(Command::PortraitMissing { attempt: 1 }).unwrap();
    assert_eq!(s.visit.state().liveness, LivenessStatus::Referred);
    assert_eq!(s.visit.state().verdict.as_ref().unwrap().reason, "portrait_unavailable");
}

#[test]
fn no_portrait_is_kept_of_who_declined_or_has_gone() {
    let mut s = Story::new();
    s.act(Command::Portrait { kept: true }).unwrap();
    let effects = s.act(consent(true, false)).unwrap();
    assert!(effects.contains(&Effect::Port(PortCall::ForgetFace)));
    assert!(!s.visit.state().portrait);
    let kept = Command::Portrait { kept: true };
    assert_eq!(s.act(kept.clone()), Err(Refusal::FaceDeclined));
    s.act(Command::Leave).unwrap();
    assert_eq!(s.act(kept), Err(Refusal::Closed));
}

#[test]
fn faces_are_watched_in_the_call_as_long_as_that_is_agreed() {
    let mut s = Story::until_connected(true);
    s.act(begin(true)).unwrap();
    s.act(verdict(KycOutcome::Pass)).unwrap();
    let [customer, staff] = Party::ALL.map(|party| s.visit.participant(party));
    let effects = s.act(Command::Accept(badge(s.staff))).unwrap();
    assert!(effects.contains(&Effect::Port(PortCall::Watch(customer))));
    let effects = s.act(Command::Connected(Party::Staff)).unwrap();
    assert!(effects.contains(&Effect::Port(PortCall::Watch(staff))));
    let news = |alarm, raised| Command::Watch(Party::Customer, WatchEvent { alarm, raised });
    s.act(news(WatchAlarm::SeveralFaces, true)).unwrap();
    assert!(s.act(news(WatchAlarm::SeveralFaces, true)).unwrap().is_empty(), "no news");
    assert!(s.act(news(WatchAlarm::Absent, false)).unwrap().is_empty(), "it was not so before");
    let alarm = s.visit.state().alarms[0].clone();
    assert_eq!((alarm.code.as_str(), alarm.who), ("face_several", Some(Party::Customer)));
    let view = s.visit.watch_view();
    assert_eq!((view.len(), &view[0].alarms[..]), (2, &[WatchAlarm::SeveralFaces][..]));

    s.act(Command::SkipLiveness).unwrap();
    assert!(s.act(news(WatchAlarm::Absent, true)).unwrap().is_empty(), "watched no longer");
    assert_eq!(s.visit.watch_view().len(), 1, "the staff member still is");
    let raised: Vec<_> = s
        .marks()
        .iter()
        .filter_map(|mark| match mark {
            TimelineKind::FaceWatch { participant, raised, .. } => Some((*participant, *raised)),
            _ => None,
        })
        .collect();
    assert_eq!(raised, [(customer, true), (customer, false)], "it ended with the watch");
    let effects = s.act(Command::Leave).unwrap();
    assert!(effects.contains(&Effect::Port(PortCall::Unwatch(staff))));
}

#[test]
fn a_face_that_comes_and_goes_fills_neither_the_alarms_nor_the_timeline() {
    let mut s = Story::until_call();
    for second in 0..2_000u64 {
        s.now.mono += Duration::from_secs(11);
        s.now.wall.0 += 11_000;
        let event = WatchEvent { alarm: WatchAlarm::Absent, raised: second.is_multiple_of(2) };
        s.act(Command::Watch(Party::Staff, event)).unwrap();
    }
    let marks = s.marks().iter().filter(|m| matches!(m, TimelineKind::FaceWatch { .. })).count();
    assert_eq!((marks, s.visit.state().alarms.len()), (1_000, 30));
    s.act(Command::RecordingFailed).unwrap();
    assert_eq!(s.visit.state().alarms.last().unwrap().code, "recording_failed");
}

#[test]
fn no_step_opens_before_the_recording_is_durable_nor_after_it_failed() {
    let mut s = Story::until_call();
    assert_eq!(s.open("identity"), Err(Refusal::RecordingNotReady));
    s.act(Command::RecordingDurable(RecordingId::random())).unwrap();
    assert_eq!(s.open("identity"), Err(Refusal::RecordingNotReady), "another recording's word");
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    s.open("identity").unwrap();
    s.act(Command::RecordingFailed).unwrap();
    let me = Actor::Staff(s.staff);
    let refused = s.complete(me, "identity", StepOutcome::Shown);
    assert_eq!(refused, Err(Refusal::RecordingNotReady));
    assert_eq!(s.visit.state().alarms[0].code, "recording_failed");
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    assert_eq!(s.visit.state().recording_state, RecordingState::Failed);
}

#[test]
fn no_step_is_done_while_a_party_is_not_there() {
    let mut s = Story::until_call();
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    assert_eq!(s.open("identity"), Err(Refusal::MediaNotConnected));
}

#[test]
fn a_no_blocks_the_rest_of_the_journey() {
    let mut s = Story::until_call();
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    let me = Actor::Staff(s.staff);
    s.open("identity").unwrap();
    s.complete(me, "identity", StepOutcome::Shown).unwrap();
    s.open("disclosure").unwrap();
    s.complete(me, "disclosure", StepOutcome::Read).unwrap();
    s.open("understanding").unwrap();
    s.complete(Actor::Customer, "understanding", StepOutcome::No).unwrap();
    assert_eq!(s.open("document"), Err(Refusal::StepLocked));
    let complete = Command::Close { by: me, outcome: Outcome::Completed };
    assert_eq!(s.act(complete), Err(Refusal::AnswerNo));
    s.act(Command::Close { by: me, outcome: Outcome::Declined }).unwrap();
}

#[test]
fn a_picture_is_sealed_once_and_under_its_own_name() {
    let mut s = Story::until_call();
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    let me = Actor::Staff(s.staff);
    for (step, by, o) in [
        ("identity", me, StepOutcome::Shown),
        ("disclosure", me, StepOutcome::Read),
        ("understanding", Actor::Customer, StepOutcome::Yes),
    ] {
        s.open(step).unwrap();
        s.complete(by, step, o).unwrap();
    }
    s.open("document").unwrap();
    let reserve =
        Command::ReserveStep { by: me, step: "document".into(), kind: StepKind::Document };
    s.act(reserve.clone()).unwrap();
    let first = s.visit.picture_name().unwrap();
    assert_eq!(s.act(reserve.clone()), Err(Refusal::StepBusy));
    s.act(Command::ReleaseStep { step: "document".into() }).unwrap();
    s.act(reserve).unwrap();
    assert_ne!(s.visit.picture_name().unwrap(), first);
    let bare = Command::CompleteStep {
        by: me,
        step: "document".into(),
        outcome: StepOutcome::Captured,
        artifact: None,
    };
    assert_eq!(s.act(bare), Err(Refusal::WrongInput), "no picture, no step");
}

#[test]
fn only_the_staff_member_who_accepted_may_act() {
    let mut s = Story::until_call();
    let other = UserId::random();
    assert_eq!(s.act(Command::Accept(badge(other))), Err(Refusal::AlreadyTaken));
    let open = Command::OpenStep { by: Actor::Staff(other), step: "identity".into() };
    assert_eq!(s.act(open), Err(Refusal::NotYourVisit));
    let close = Command::Close { by: Actor::Staff(other), outcome: Outcome::Declined };
    assert_eq!(s.act(close), Err(Refusal::NotYourVisit));
}

#[test]
fn a_customer_who_disappears_while_waiting_frees_the_place() {
    let mut s = Story::until_connected(false);
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    s.wait(59);
    assert_eq!(s.phase(), VisitState::Waiting);
    s.wait(1);
    assert_eq!(s.visit.state().outcome, Some(Outcome::Abandoned));
}

#[test]
fn a_first_connection_may_take_minutes_but_not_hold_a_recording_for_ever() {
    let mut s = Story::new();
    s.act(consent(true, false)).unwrap();
    s.act(Command::RecordingOpened(s.recording)).unwrap();
    s.act(Command::Joining(Actor::Customer)).unwrap();
    s.wait(240);
    assert_eq!(s.phase(), VisitState::Preparing);
    s.act(Command::Joining(Actor::Customer)).unwrap();
    s.wait(60);
    assert_eq!(s.visit.state().outcome, Some(Outcome::Abandoned));
}

#[test]
fn trying_again_in_vain_is_still_being_gone() {
    let mut s = Story::until_call();
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    for _ in 0..12 {
        s.wait(9);
        s.act(Command::Joining(Actor::Customer)).unwrap();
    }
    assert_eq!(s.visit.state().alarms.len(), 1, "staff were told");
    s.wait(12);
    assert_eq!(s.visit.state().outcome, Some(Outcome::Interrupted));
}

#[test]
fn a_reload_during_the_call_is_forgiven_and_a_long_absence_is_not() {
    let mut s = Story::until_call();
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    s.wait(29);
    s.act(Command::Connected(Party::Customer)).unwrap();
    assert!(s.visit.state().alarms.is_empty());
    s.act(Command::Disconnected(Party::Customer)).unwrap();
    s.wait(30);
    assert_eq!(s.visit.state().alarms[0].code, "customer_lost");
    s.wait(90);
    assert_eq!(s.visit.state().outcome, Some(Outcome::Interrupted));
}

#[test]
fn a_link_that_nobody_uses_expires_and_a_visit_that_runs_does_not() {
    let mut unused = Story::new();
    unused.wait(3_599);
    assert_eq!(unused.phase(), VisitState::Invited);
    unused.wait(1);
    assert_eq!(unused.phase(), VisitState::Closed);
    let mut running = Story::until_connected(false);
    running.wait(4_000);
    assert_eq!(running.phase(), VisitState::Waiting);
}

#[test]
fn a_customer_sees_no_text_of_a_locked_step() {
    let mut s = Story::until_call();
    s.act(Command::RecordingDurable(s.recording)).unwrap();
    s.open("identity").unwrap();
    let steps = s.visit.customer_view_for_test().steps;
    assert!(steps[0].text.is_some());
    assert!(steps[1..].iter().all(|step| step.text.is_none()));
}

#[test]
fn debug_output_has_no_names_in_it() {
    let id = UserId::random();
    assert_eq!(format!("{:?}", badge(id)), format!("StaffBadge({id})"));
}

impl Visit {
    pub(super) fn customer_view_for_test(&self) -> view::CustomerView {
        let bank = Text { zh_cn: "行".to_owned(), en: "Bank".to_owned() };
        self.customer_view(&Content::load(&bank).unwrap().consents, None)
    }
}
