//! What must be true of a check, in virtual time, whoever is in front of the camera.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

use proptest::prelude::*;
use vbranch_domain::{
    Mono,
    kyc::{Advice, Challenge, KycEvent, KycOutcome, KycVerdict},
};
use vbranch_kyc::{
    LivenessPolicy,
    liveness::{FaceObservation, FrameObservation, Liveness},
};

/// A person at rest.
const FACE: FaceObservation = FaceObservation {
    track: 1,
    presence: 1.0,
    blink: 0.1,
    yaw: 0.0,
    pitch: 0.0,
    size: 0.5,
    visible: 1.0,
    brightness: 0.5,
};

/// What a scripted person is asked now, and for how long (ms) that has been so.
type Asked = Option<(Challenge, u64)>;

/// Runs a check to its end against a scripted person, who is looked at `fps` times a second.
fn run(
    policy: &LivenessPolicy,
    seed: u8,
    fps: u64,
    mut person: impl FnMut(u64, Asked) -> (u32, Option<FaceObservation>),
) -> (Vec<KycEvent>, KycVerdict) {
    let mut check = Liveness::new(policy.clone(), Vec::new(), [seed; 32], Mono::ZERO);
    let (mut asked, mut events, mut ms) = (None, Vec::new(), 0);
    loop {
        let now = Mono::from_millis(ms);
        let since = asked.map(|(challenge, at)| (challenge, ms - at));
        let (faces, face) = person(ms, since);
        check.handle(&FrameObservation { at: now, faces, face });
        while let Some(event) = check.poll() {
            match &event {
                KycEvent::Challenge { challenge, .. } => asked = Some((*challenge, ms)),
                KycEvent::ChallengeDone { .. } => asked = None,
                KycEvent::Advice { .. } | KycEvent::Verdict(_) => {}
            }
            events.push(event);
        }
        if let Some(KycEvent::Verdict(verdict)) = events.last() {
            assert!(check.is_done() && check.poll_timeout().is_none());
            return (events.clone(), verdict.clone());
        }
        ms += 1_000 / fps;
        assert!(ms < 10 * policy.overall_timeout_ms, "the check never ends");
    }
}

/// Someone who does what is asked after `delay`, taking `length` for it (ms).
fn obliging(delay: u64, length: u64, mirrored: bool) -> impl FnMut(u64, Asked) -> FaceObservation {
    move |_, asked| {
        let Some((challenge, since)) = asked else { return FACE };
        if !(delay..delay + length).contains(&since) {
            return FACE;
        }
        // Up and down again, like a half wave.
        let wave = ((since - delay) as f32 / length as f32 * std::f32::consts::PI).sin();
        let side = if mirrored { -1.0 } else { 1.0 };
        match challenge {
            Challenge::Blink => FaceObservation { blink: 0.1 + 0.7 * wave, ..FACE },
            Challenge::TurnLeft => FaceObservation { yaw: side * 35.0 * wave, ..FACE },
            Challenge::TurnRight => FaceObservation { yaw: side * -35.0 * wave, ..FACE },
        }
    }
}

fn one(
    mut person: impl FnMut(u64, Asked) -> FaceObservation,
) -> impl FnMut(u64, Asked) -> (u32, Option<FaceObservation>) {
    move |ms, asked| (1, Some(person(ms, asked)))
}

fn only(challenge: Challenge) -> LivenessPolicy {
    LivenessPolicy { challenges: vec![challenge], ..LivenessPolicy::default() }
}

fn order(events: &[KycEvent]) -> Vec<Challenge> {
    events
        .iter()
        .filter_map(|e| match e {
            KycEvent::Challenge { challenge, .. } => Some(*challenge),
            _ => None,
        })
        .collect()
}

proptest! {
    #[test]
    fn who_does_what_is_asked_passes_in_any_order_at_any_pace(
        seed: u8, fps in 8_u64..30, delay in 300_u64..4_000, length in 450_u64..1_400,
    ) {
        let policy = LivenessPolicy::default();
        let (events, verdict) = run(&policy, seed, fps, one(obliging(delay, length, false)));
        prop_assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Pass, "live"));
        prop_assert!(verdict.signals.iter().all(|s| s.passed && s.score >= s.threshold));
        let mut asked = order(&events);
        asked.sort();
        prop_assert_eq!(asked, policy.challenges);
    }

    #[test]
    fn narrow_eyes_pass_as_well(seed: u8, usual in 0.1_f32..0.36) {
        let policy = only(Challenge::Blink);
        let mut person = obliging(800, 600, false);
        let narrow = move |ms, asked| {
            let face = person(ms, asked);
            FaceObservation { blink: usual + (0.75 - usual) * (face.blink - 0.1) / 0.7, ..face }
        };
        prop_assert_eq!(run(&policy, seed, 12, one(narrow)).1.outcome, KycOutcome::Pass);
    }

    #[test]
    fn a_still_face_never_passes(
        seed: u8, yaw in -60.0_f32..60.0, blink in 0.0_f32..1.0, noise in 0.0_f32..2.0,
    ) {
        let mut n = 0_u32;
        let still = move |_, _| {
            n += 1;
            let waver = noise * (f64::from(n) * 12.9898).sin() as f32;
            FaceObservation { yaw: yaw + waver, blink: (blink + waver / 100.0).clamp(0.0, 1.0), ..FACE }
        };
        let verdict = run(&LivenessPolicy::default(), seed, 12, one(still)).1;
        prop_assert_eq!(verdict.outcome, KycOutcome::Fail);
    }

    #[test]
    fn turning_to_the_other_side_does_not_count(seed: u8, delay in 300_u64..2_000) {
        for side in [Challenge::TurnLeft, Challenge::TurnRight] {
            let verdict = run(&only(side), seed, 12, one(obliging(delay, 1_200, true))).1;
            prop_assert_eq!(verdict.outcome, KycOutcome::Fail);
            prop_assert_eq!(verdict.reason.as_str(), "challenge_timeout");
            prop_assert!(verdict.signals.iter().any(|s| s.name.starts_with("challenge.0.") && !s.passed));
        }
    }

    #[test]
    fn any_observations_end_in_exactly_one_verdict(
        seed: u8,
        seen in prop::collection::vec(
            (0_u32..4, any::<bool>(), any::<f32>(), any::<f32>(), any::<f32>(), 0_u64..3_000), 1..200),
    ) {
        let policy = LivenessPolicy::default();
        let mut check = Liveness::new(policy, Vec::new(), [seed; 32], Mono::ZERO);
        let (mut at, mut verdicts) = (0, 0);
        for (faces, there, yaw, blink, rest, ms) in seen {
            at += ms;
            let face = there.then_some(FaceObservation {
                yaw, blink, presence: rest, size: rest, visible: rest, brightness: rest, ..FACE
            });
            check.handle(&FrameObservation { at: Mono::from_millis(at), faces, face });
        }
        while let Some(due) = check.poll_timeout() {
            check.handle_timeout(due);
        }
        while let Some(event) = check.poll() {
            prop_assert_eq!(verdicts, 0, "nothing follows a verdict");
            verdicts += u32::from(matches!(event, KycEvent::Verdict(_)));
        }
        prop_assert_eq!(verdicts, 1);
    }
}

#[test]
fn the_order_differs_between_checks() {
    let orders: std::collections::BTreeSet<_> = (0..64)
        .map(|seed| {
            let person = one(obliging(500, 800, false));
            order(&run(&LivenessPolicy::default(), seed, 12, person).0)
        })
        .collect();
    assert_eq!(orders.len(), 6, "all orders of three challenges occur");
}

#[test]
fn a_head_already_turned_when_asked_does_not_count() {
    // Turned from before the question on, and never back at rest.
    let held = |_, asked: Asked| match asked {
        Some(_) => FaceObservation { yaw: 40.0, ..FACE },
        None => FACE,
    };
    // It is at rest until asked, so the jump to 40 degrees comes without a moment at rest after
    // the question.
    let (events, verdict) = run(&only(Challenge::TurnLeft), 0, 12, one(held));
    assert_eq!(verdict.reason, "challenge_timeout");
    assert!(events.contains(&KycEvent::Advice { advice: Advice::LookStraight }));
}

#[test]
fn eyes_shut_when_asked_and_opened_later_are_no_blink() {
    let shut_then_open = |_, asked: Asked| match asked {
        Some((_, since)) if since < 1_000 => FaceObservation { blink: 0.9, ..FACE },
        _ => FACE,
    };
    assert_eq!(
        run(&only(Challenge::Blink), 0, 12, one(shut_then_open)).1.reason,
        "challenge_timeout"
    );
}

#[test]
fn eyes_shut_for_long_are_no_blink() {
    let asleep = |_, asked: Asked| match asked {
        Some((_, since)) if (1_000..5_000).contains(&since) => {
            FaceObservation { blink: 0.9, ..FACE }
        }
        _ => FACE,
    };
    assert_eq!(run(&only(Challenge::Blink), 0, 12, one(asleep)).1.reason, "challenge_timeout");
}

#[test]
fn a_face_swapped_within_the_gesture_starts_it_over() {
    // The live face is replaced by another that is already turned, and comes back straight.
    let swapped = |_, asked: Asked| match asked {
        Some((_, since)) if (1_000..2_000).contains(&since) => {
            FaceObservation { yaw: 40.0, track: 2, ..FACE }
        }
        _ => FACE,
    };
    assert_eq!(run(&only(Challenge::TurnLeft), 0, 12, one(swapped)).1.reason, "challenge_timeout");
}

#[test]
fn a_hole_in_the_video_starts_the_gesture_over() {
    let mut check = Liveness::new(only(Challenge::TurnLeft), Vec::new(), [0; 32], Mono::ZERO);
    let mut look = |ms, yaw| {
        let face = Some(FaceObservation { yaw, ..FACE });
        check.handle(&FrameObservation { at: Mono::from_millis(ms), faces: 1, face });
        std::iter::from_fn(|| check.poll()).any(|e| matches!(e, KycEvent::ChallengeDone { .. }))
    };
    for ms in (0..2_000).step_by(100) {
        assert!(!look(ms, 0.0));
    }
    assert!(!look(2_100, 40.0));
    // Three seconds of nothing, then at rest: no one knows what happened in between.
    assert!(!look(5_100, 0.0));
}

#[test]
fn nobody_or_several_pause_the_challenge_and_fail_after_a_while() {
    for (faces, face, advice, reason) in [
        (0, None, Advice::NoFace, "no_face"),
        (2, Some(FACE), Advice::SeveralFaces, "several_faces"),
        (1, Some(FaceObservation { size: 0.05, ..FACE }), Advice::ComeCloser, "poor_picture"),
        (1, Some(FaceObservation { visible: 0.5, ..FACE }), Advice::CenterFace, "poor_picture"),
        (1, Some(FaceObservation { brightness: 0.01, ..FACE }), Advice::MoreLight, "poor_picture"),
    ] {
        let (events, verdict) = run(&LivenessPolicy::default(), 0, 12, |ms, _| {
            if ms < 2_000 { (1, Some(FACE)) } else { (faces, face) }
        });
        assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Fail, reason));
        assert!(events.contains(&KycEvent::Advice { advice }), "{advice:?}");
    }
}

#[test]
fn an_interruption_costs_no_time_and_who_comes_back_can_still_pass() {
    let policy = LivenessPolicy { challenge_timeout_ms: 5_000, ..only(Challenge::Blink) };
    // Away from 2 s to 12 s: far longer than the challenge may take.
    let mut person = obliging(11_500, 600, false);
    let verdict = run(&policy, 0, 12, |ms, asked| {
        if (2_000..12_000).contains(&ms) { (0, None) } else { (1, Some(person(ms, asked))) }
    })
    .1;
    assert_eq!(verdict.outcome, KycOutcome::Pass, "{verdict:?}");
}

#[test]
fn advice_comes_once_and_not_for_a_flicker() {
    let flicker =
        |ms: u64, _: Asked| if ms.is_multiple_of(1_000) { (0, None) } else { (1, Some(FACE)) };
    let (events, _) = run(&LivenessPolicy::default(), 0, 10, flicker);
    let advice: Vec<_> = events.iter().filter(|e| matches!(e, KycEvent::Advice { .. })).collect();
    assert!(advice.len() <= 2, "{advice:?}");
}

#[test]
fn without_video_the_customer_is_referred_to_staff() {
    let mut check = Liveness::new(LivenessPolicy::default(), Vec::new(), [0; 32], Mono::ZERO);
    while let Some(due) = check.poll_timeout() {
        check.handle_timeout(due);
    }
    let Some(KycEvent::Verdict(verdict)) = check.poll() else { panic!("no verdict") };
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Refer, "no_video"));
    assert_eq!(verdict.frames, 0);
}
