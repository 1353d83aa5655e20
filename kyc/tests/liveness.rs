//! What must be true of a check, in virtual time, whoever is in front of the camera.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "support/person.rs"]
mod person;

use std::time::Duration;

use person::{at_rest, doing};
use proptest::prelude::*;
use vbranch_domain::{
    Mono,
    kyc::{Advice, CameraTraits, Challenge, KycEvent, KycOutcome, KycVerdict},
};
use vbranch_kyc::{
    LivenessPolicy,
    liveness::{
        Action, FaceObservation, FlashPolicy, FrameObservation, Liveness, PassivePolicy, Scene,
        Shown,
    },
};

/// A moment as a scripted person sees it.
struct Now<'a> {
    ms: u64,
    /// What is asked, and for how long (ms) that has been so.
    asked: Option<(Challenge, u64)>,
    /// What the screen has shown so far.
    shown: &'a [Shown],
}

/// Runs a check to its end against a scripted person, who is looked at `fps` times a second.
fn run(
    policy: &LivenessPolicy,
    seed: u8,
    fps: u64,
    person: impl FnMut(&Now<'_>) -> (u32, Option<FaceObservation>),
) -> (Vec<KycEvent>, KycVerdict) {
    let camera = CameraTraits::default();
    let check = Liveness::new(policy.clone(), camera, [seed; 32], Mono::ZERO);
    run_out(check, policy, fps, person)
}

/// The same with a check that knows something already.
fn run_out(
    mut check: Liveness,
    policy: &LivenessPolicy,
    fps: u64,
    mut person: impl FnMut(&Now<'_>) -> (u32, Option<FaceObservation>),
) -> (Vec<KycEvent>, KycVerdict) {
    let (mut asked, mut events, mut ms) = (None, Vec::new(), 0);
    loop {
        // Colours go out when they are due, between two looks.
        while let Some(due) = check.poll_timeout()
            && due < Mono::from_millis(ms)
        {
            check.handle_timeout(due);
        }
        let since = asked.map(|(challenge, at)| (challenge, ms - at));
        let shown = check.shown().to_vec();
        let (faces, face) = person(&Now { ms, asked: since, shown: &shown });
        check.handle(&look(ms, faces, face));
        while let Some(event) = check.poll() {
            match &event {
                KycEvent::Challenge { challenge, .. } => asked = Some((*challenge, ms)),
                KycEvent::ChallengeDone { .. } => asked = None,
                KycEvent::Advice { .. } | KycEvent::Flash { .. } | KycEvent::Verdict(_) => {}
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

fn look(ms: u64, faces: u32, face: Option<FaceObservation>) -> FrameObservation {
    FrameObservation { at: Mono::from_millis(ms), faces, face, scene: Scene::default() }
}

/// How far a gesture has gone (0 to 1) that begins `delay` after the question and takes `length`.
fn wave(since: u64, delay: u64, length: u64) -> f32 {
    if !(delay..delay + length).contains(&since) {
        return 0.0;
    }
    // Up and down again, like a half wave.
    ((since - delay) as f32 / length as f32 * std::f32::consts::PI).sin()
}

/// Someone who does what is asked after `delay`, taking `length` for it (ms).
fn obliging(delay: u64, length: u64) -> impl FnMut(&Now<'_>) -> FaceObservation {
    move |now| match now.asked {
        None => at_rest(now.ms, now.shown),
        Some((challenge, since)) => doing(challenge, wave(since, delay, length), now.ms, now.shown),
    }
}

fn one(
    mut person: impl FnMut(&Now<'_>) -> FaceObservation,
) -> impl FnMut(&Now<'_>) -> (u32, Option<FaceObservation>) {
    move |now| (1, Some(person(now)))
}

/// One gesture, and nothing else that could decide.
fn only(challenge: Challenge) -> LivenessPolicy {
    LivenessPolicy {
        challenges: vec![challenge],
        asked: 1,
        flash: dark(),
        ..LivenessPolicy::default()
    }
}

/// No colours.
fn dark() -> FlashPolicy {
    FlashPolicy { tries: 0, ..FlashPolicy::default() }
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

fn rest() -> FaceObservation {
    at_rest(0, &[])
}

fn score(verdict: &KycVerdict, name: &str) -> f32 {
    verdict.signals.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{verdict:?}")).score
}

const ALL: [Challenge; 6] = [
    Challenge::Blink,
    Challenge::TurnLeft,
    Challenge::TurnRight,
    Challenge::OpenMouth,
    Challenge::Nod,
    Challenge::Smile,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_does_what_is_asked_passes_in_any_order_at_any_pace(
        seed: u8, fps in 8_u64..30, delay in 350_u64..3_000, length in 700_u64..1_400,
    ) {
        let policy = LivenessPolicy::default();
        let (events, verdict) = run(&policy, seed, fps, one(obliging(delay, length)));
        prop_assert_eq!(
            (verdict.outcome, verdict.reason.as_str()), (KycOutcome::Pass, "live"), "{:?}", verdict
        );
        prop_assert!(verdict.signals.iter().all(|s| s.passed), "{:?}", verdict);
        prop_assert_eq!(order(&events).len(), 4);
        let flashes = events.iter().filter(|e| matches!(e, KycEvent::Flash { .. })).count();
        // At few looks a second the colours may have to be shown a second time.
        prop_assert!([7, 14].contains(&flashes), "six colours, then the page itself: {}", flashes);
        prop_assert!(score(&verdict, "flash.correlation") > 0.8);
        prop_assert!((100.0..300.0).contains(&score(&verdict, "flash.lag_ms")));
    }

    #[test]
    fn narrow_eyes_pass_as_well(seed: u8, usual in 0.1_f32..0.36) {
        let policy = only(Challenge::Blink);
        let mut person = obliging(800, 600);
        let narrow = move |now: &Now<'_>| {
            let face = person(now);
            FaceObservation { blink: usual + (0.75 - usual) * (face.blink - 0.1) / 0.7, ..face }
        };
        prop_assert_eq!(run(&policy, seed, 12, one(narrow)).1.outcome, KycOutcome::Pass);
    }

    #[test]
    fn a_still_face_never_passes(
        seed: u8, yaw in -60.0_f32..60.0, blink in 0.0_f32..1.0, mouth in 0.0_f32..1.0,
        smile in 0.0_f32..1.0, pitch in -40.0_f32..40.0, noise in 0.0_f32..2.0,
    ) {
        let mut n = 0_u32;
        let still = move |now: &Now<'_>| {
            n += 1;
            let waver = noise * (f64::from(n) * 12.9898).sin() as f32;
            FaceObservation {
                yaw: yaw + waver,
                pitch: pitch + waver,
                blink: (blink + waver / 100.0).clamp(0.0, 1.0),
                mouth,
                smile,
                ..at_rest(now.ms, now.shown)
            }
        };
        let verdict = run(&LivenessPolicy::default(), seed, 12, one(still)).1;
        prop_assert_eq!(verdict.outcome, KycOutcome::Fail);
    }

    #[test]
    fn another_gesture_than_the_one_asked_for_never_passes(
        seed: u8, delay in 300_u64..2_000, asked in 0_usize..6, done in 0_usize..6,
    ) {
        prop_assume!(asked != done);
        let (asked, done) = (ALL[asked], ALL[done]);
        let policy =
            LivenessPolicy { asked: 1, flash: dark(), ..only(asked) };
        let contrary = move |now: &Now<'_>| match now.asked {
            Some((_, since)) => doing(done, wave(since, delay, 1_200), now.ms, now.shown),
            None => at_rest(now.ms, now.shown),
        };
        let verdict = run(&policy, seed, 12, one(contrary)).1;
        prop_assert_eq!(verdict.outcome, KycOutcome::Fail);
        prop_assert_eq!(verdict.reason.as_str(), "challenge_timeout");
        let missed = |s: &vbranch_domain::kyc::KycSignal| {
            s.name.starts_with("challenge.0.") && !s.passed
        };
        prop_assert!(verdict.signals.iter().any(missed));
    }

    #[test]
    fn any_observations_end_in_exactly_one_verdict(
        seed: u8,
        seen in prop::collection::vec(
            (0_u32..4, any::<bool>(), any::<f32>(), any::<f32>(), any::<f32>(), 0_u64..3_000), 1..200),
    ) {
        let policy = LivenessPolicy::default();
        let mut check = Liveness::new(policy, CameraTraits::default(), [seed; 32], Mono::ZERO);
        let (mut at, mut verdicts) = (0, 0);
        for (faces, there, yaw, blink, any, ms) in seen {
            at += ms;
            let face = there.then_some(FaceObservation {
                yaw, blink, presence: any, size: any, visible: any, brightness: any,
                mouth: yaw, smile: blink, pitch: any, sharpness: any, cover: yaw, ..rest()
            });
            check.handle(&look(at, faces, face));
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

    #[test]
    fn colours_change_at_most_three_times_a_second_and_the_page_gets_its_screen_back(
        seed: u8, fps in 8_u64..30, away in 0_u64..20_000,
    ) {
        let policy = LivenessPolicy::default();
        let mut person = obliging(500, 900);
        // Somebody walks away in the middle, for good.
        let leaving = |now: &Now<'_>| {
            if now.ms > 4_000 + away { (0, None) } else { (1, Some(person(now))) }
        };
        let (events, _) = run(&policy, seed, fps, leaving);
        let flashes: Vec<_> = events
            .iter()
            .filter_map(|e| match e {
                KycEvent::Flash { colour, index, of } => Some((*colour, *index, *of)),
                _ => None,
            })
            .collect();
        prop_assert!(flashes.last().is_none_or(|(colour, ..)| colour.is_none()));
        for pair in flashes.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0, "one colour at a time");
        }
        prop_assert!(flashes.iter().all(|&(_, index, of)| index < of && of == 6));
    }
}

#[test]
fn a_film_of_all_gestures_in_turn_hardly_ever_passes_by_containing_the_right_ones() {
    let (mut played, mut passed) = (0, 0);
    for seed in 0..32 {
        for (offset, each) in (0..6).flat_map(|o| [700, 900, 1_100, 1_500].map(|e| (o, e))) {
            // One gesture after the other, whatever is asked, for as long as anybody looks; and
            // even the colours shine on the face that is filmed.
            let film = move |now: &Now<'_>| {
                let n = (now.ms / each) as usize;
                let since = now.ms % each;
                doing(ALL[(n + offset) % 6], wave(since, 150, each - 300), now.ms, now.shown)
            };
            let verdict = run(&LivenessPolicy::default(), seed, 12, one(film)).1;
            played += 1;
            passed += usize::from(verdict.outcome == KycOutcome::Pass);
        }
    }
    println!("{passed} of {played} films of all gestures passed");
    // Four of six gestures, drawn in the very order of the film.
    assert!(passed * 20 <= played, "{passed} of {played}");
}

#[test]
fn what_is_asked_differs_between_checks() {
    let orders: std::collections::BTreeSet<_> = (0..64)
        .map(|seed| {
            let person = one(obliging(500, 800));
            let policy = LivenessPolicy { flash: dark(), ..LivenessPolicy::default() };
            order(&run(&policy, seed, 12, person).0)
        })
        .collect();
    assert!(orders.len() > 50, "{} different ones", orders.len());
}

#[test]
fn a_gesture_sooner_than_anybody_can_react_is_no_answer() {
    for challenge in ALL {
        // It begins 100 ms after the question, and is not done again.
        let verdict = run(&only(challenge), 0, 30, one(obliging(100, 900))).1;
        assert_eq!(verdict.reason, "challenge_timeout", "{challenge:?}");
    }
}

#[test]
fn wrong_gestures_are_counted_and_too_many_fail_the_check() {
    let policy = LivenessPolicy {
        challenges: vec![Challenge::TurnLeft, Challenge::TurnRight, Challenge::Nod],
        flash: dark(),
        ..LivenessPolicy::default()
    };
    // Does everything once for each question, the right one last.
    let all_at_once = |now: &Now<'_>| match now.asked {
        Some((asked, since)) => {
            let others: Vec<_> =
                policy.challenges.iter().copied().filter(|&c| c != asked).collect();
            let now_doing = *others.get((since / 1_200) as usize).unwrap_or(&asked);
            doing(now_doing, wave(since % 1_200, 300, 800), now.ms, now.shown)
        }
        None => at_rest(now.ms, now.shown),
    };
    let verdict = run(&policy, 3, 12, one(all_at_once)).1;
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Fail, "wrong_gestures"));
    assert!(score(&verdict, "challenge.wrong") > 2.0);
}

#[test]
fn blinking_and_a_word_now_and_then_do_not_count_against_anybody() {
    let policy = LivenessPolicy { flash: dark(), ..LivenessPolicy::default() };
    let mut person = obliging(1_500, 900);
    let natural = move |now: &Now<'_>| {
        let face = person(now);
        let blinks = now.ms % 3_000 < 150;
        FaceObservation { blink: if blinks { 0.7 } else { face.blink }, ..face }
    };
    assert_eq!(run(&policy, 5, 12, one(natural)).1.outcome, KycOutcome::Pass);
}

#[test]
fn a_face_that_answers_to_no_colour_is_referred_after_another_try_and_asked_for_less_light() {
    let mut person = obliging(500, 900);
    let film = move |now: &Now<'_>| FaceObservation {
        light: person::light([0.5; 3], 0.0, 1.0 + 0.05 * person::waver(now.ms, 9)),
        ..person(now)
    };
    let (events, verdict) = run(&LivenessPolicy::default(), 7, 12, one(film));
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Refer, "flash_unseen"));
    let shown = events.iter().filter(|e| matches!(e, KycEvent::Flash { colour: None, .. }));
    assert_eq!(shown.count(), 2);
    assert!(events.contains(&KycEvent::Advice { advice: Advice::SofterLight }));
}

#[test]
fn a_face_lit_by_other_colours_fails() {
    // The answer to another check: the same colours, rotated by one.
    let mut person = obliging(500, 900);
    let film = move |now: &Now<'_>| {
        let mut other = now.shown.to_vec();
        for shown in &mut other {
            shown.colour =
                shown.colour.map(|c| vbranch_domain::kyc::FlashColour { r: c.g, g: c.b, b: c.r });
        }
        let screen = person::screen(&other, now.ms, 180);
        FaceObservation { light: person::light(screen, 0.1, 1.0), ..person(now) }
    };
    let verdict = run(&LivenessPolicy::default(), 7, 12, one(film)).1;
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Fail, "flash_mismatch"));
}

#[test]
fn a_picture_turned_or_bent_instead_of_a_head_fails() {
    for (bend, aside) in [(0.0, 0.0), (0.4, 0.0), (1.0, 0.0), (0.0, 9.0), (0.4, -9.0)] {
        let mut person = obliging(500, 1_200);
        let flat = move |now: &Now<'_>| {
            let face = person(now);
            // The mesh sees a head in it and believes that it turns.
            let yaw = face.yaw + aside;
            let rigid = person::flat(yaw, bend, [320.0, 200.0]);
            FaceObservation { yaw, rigid, ..face }
        };
        let verdict = run(&only(Challenge::TurnLeft), 0, 12, one(flat)).1;
        assert_eq!(
            (verdict.outcome, verdict.reason.as_str()),
            (KycOutcome::Fail, "flat_face"),
            "bent by {bend}, seen from {aside}: {verdict:?}"
        );
    }
}

#[test]
fn a_camera_at_the_side_does_not_make_a_solid_head_flat() {
    let to_each_side = |aside| [(aside, Challenge::TurnLeft), (aside, Challenge::TurnRight)];
    for (aside, challenge) in [9.0, -9.0].into_iter().flat_map(to_each_side) {
        // To the camera's side the least that counts is a small turn.
        let onwards = (aside > 0.0) == (challenge == Challenge::TurnLeft);
        let share = if onwards { 0.3 } else { 1.0 };
        let mut person = obliging(500, 1_200);
        let seen_aside = move |now: &Now<'_>| {
            let face = person(now);
            let yaw = share * face.yaw + aside;
            let place = [320.0 + 4.0 * person::waver(now.ms, 1), 200.0];
            FaceObservation { yaw, rigid: person::head(yaw, 0.0, place), ..face }
        };
        let verdict = run(&only(challenge), 0, 12, one(seen_aside)).1;
        assert_eq!(verdict.outcome, KycOutcome::Pass, "{aside} {challenge:?}: {verdict:?}");
    }
}

#[test]
fn a_head_already_turned_when_asked_does_not_count() {
    // Turned from before the question on, and never back at rest.
    let held = |now: &Now<'_>| match now.asked {
        Some(_) => FaceObservation { yaw: 40.0, ..rest() },
        None => rest(),
    };
    // It is at rest until asked, so the jump to 40 degrees comes without a moment at rest after
    // the question.
    let (events, verdict) = run(&only(Challenge::TurnLeft), 0, 12, one(held));
    assert_eq!(verdict.reason, "challenge_timeout");
    assert!(events.contains(&KycEvent::Advice { advice: Advice::LookStraight }));
}

#[test]
fn eyes_shut_when_asked_and_opened_later_are_no_blink() {
    let shut_then_open = |now: &Now<'_>| match now.asked {
        Some((_, since)) if since < 1_000 => FaceObservation { blink: 0.9, ..rest() },
        _ => rest(),
    };
    assert_eq!(
        run(&only(Challenge::Blink), 0, 12, one(shut_then_open)).1.reason,
        "challenge_timeout"
    );
}

#[test]
fn eyes_shut_for_long_are_no_blink() {
    let asleep = |now: &Now<'_>| match now.asked {
        Some((_, since)) if (1_000..5_000).contains(&since) => {
            FaceObservation { blink: 0.9, ..rest() }
        }
        _ => rest(),
    };
    assert_eq!(run(&only(Challenge::Blink), 0, 12, one(asleep)).1.reason, "challenge_timeout");
}

#[test]
fn a_face_swapped_within_the_gesture_starts_it_over() {
    // The live face is replaced by another that is already turned, and comes back straight.
    let swapped = |now: &Now<'_>| match now.asked {
        Some((_, since)) if (1_000..2_000).contains(&since) => {
            FaceObservation { yaw: 40.0, track: 2, ..rest() }
        }
        _ => rest(),
    };
    assert_eq!(run(&only(Challenge::TurnLeft), 0, 12, one(swapped)).1.reason, "challenge_timeout");
}

#[test]
fn a_hole_in_the_video_starts_the_gesture_over() {
    let camera = CameraTraits::default();
    let mut check = Liveness::new(only(Challenge::TurnLeft), camera, [0; 32], Mono::ZERO);
    let mut look = |ms, yaw| {
        let face = Some(FaceObservation { yaw, ..rest() });
        check.handle(&look(ms, 1, face));
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
fn a_chin_that_leaves_the_picture_in_a_nod_does_not_cost_the_nod() {
    let nods_close_up = |now: &Now<'_>| {
        let face = obliging(700, 1_200)(now);
        let lowered = (rest().pitch - face.pitch).max(0.0);
        FaceObservation { visible: 1.0 - 0.008 * lowered, ..face }
    };
    let (_, verdict) = run(&only(Challenge::Nod), 3, 10, one(nods_close_up));
    assert_eq!(verdict.outcome, KycOutcome::Pass, "{verdict:?}");
    // Colours are not looked for on a face that is cut off.
    let policy =
        LivenessPolicy { challenges: vec![Challenge::Nod], asked: 1, ..LivenessPolicy::default() };
    let leaves = |now: &Now<'_>| {
        let visible = if now.shown.is_empty() { 1.0 } else { 0.85 };
        FaceObservation { visible, ..obliging(700, 1_200)(now) }
    };
    let (_, verdict) = run(&policy, 3, 10, one(leaves));
    assert_eq!(verdict.reason, "poor_picture", "{verdict:?}");
    // Nothing is asked of a face that is cut off from the beginning.
    let cut_off = |_: &Now<'_>| FaceObservation { visible: 0.85, ..rest() };
    let (events, verdict) = run(&only(Challenge::Nod), 3, 10, one(cut_off));
    assert_eq!((order(&events).len(), verdict.reason.as_str()), (0, "poor_picture"));
    assert!(events.contains(&KycEvent::Advice { advice: Advice::CenterFace }));
}

#[test]
fn what_nobody_saw_between_two_looks_does_not_use_up_the_time_of_a_gesture() {
    let policy = only(Challenge::OpenMouth);
    let late = policy.challenge_timeout_ms + 5_000;
    let (_, verdict) = run(&policy, 3, 1, one(obliging(late, 3_500)));
    assert_eq!(verdict.outcome, KycOutcome::Pass, "{verdict:?}");
    let (_, verdict) = run(&policy, 3, 10, one(obliging(late, 3_500)));
    assert_eq!(verdict.reason, "challenge_timeout");
}

#[test]
fn nobody_or_several_pause_the_challenge_and_fail_after_a_while() {
    for (faces, face, advice, reason) in [
        (0, None, Advice::NoFace, "no_face"),
        (2, Some(rest()), Advice::SeveralFaces, "several_faces"),
        (1, Some(FaceObservation { size: 0.05, ..rest() }), Advice::ComeCloser, "poor_picture"),
        (1, Some(FaceObservation { visible: 0.5, ..rest() }), Advice::CenterFace, "poor_picture"),
        (1, Some(FaceObservation { size: 1.2, ..rest() }), Advice::MoveBack, "poor_picture"),
        (
            1,
            Some(FaceObservation { off_centre: 0.5, ..rest() }),
            Advice::CenterFace,
            "poor_picture",
        ),
        (
            1,
            Some(FaceObservation { brightness: 0.01, ..rest() }),
            Advice::MoreLight,
            "poor_picture",
        ),
    ] {
        let (events, verdict) = run(&LivenessPolicy::default(), 0, 12, |now| {
            if now.ms < 2_000 { (1, Some(rest())) } else { (faces, face) }
        });
        assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Fail, reason));
        assert!(events.contains(&KycEvent::Advice { advice }), "{advice:?}");
    }
}

#[test]
fn an_interruption_costs_no_time_and_who_comes_back_can_still_pass() {
    let policy = LivenessPolicy { challenge_timeout_ms: 5_000, ..only(Challenge::Blink) };
    // Away from 2 s to 12 s: far longer than the challenge may take.
    let mut person = obliging(11_500, 600);
    let verdict = run(&policy, 0, 12, |now| {
        if (2_000..12_000).contains(&now.ms) { (0, None) } else { (1, Some(person(now))) }
    })
    .1;
    assert_eq!(verdict.outcome, KycOutcome::Pass, "{verdict:?}");
}

#[test]
fn a_passive_model_counts_as_much_as_the_policy_says() {
    use KycOutcome::{Fail, Pass, Refer};
    for (action, scores, expected) in [
        (Action::Fail, &[0.9, 0.7][..], Pass),
        (Action::Fail, &[0.2, 0.4], Fail),
        (Action::Refer, &[0.2, 0.4], Refer),
        (Action::Count, &[0.2, 0.4], Pass),
        (Action::Off, &[0.2, 0.4], Pass),
        // It was never asked, or only gave nonsense.
        (Action::Fail, &[], Refer),
        (Action::Fail, &[f32::NAN], Refer),
    ] {
        let model = "theirs".to_owned();
        let passive = vec![PassivePolicy { model, live: 0.5, action }];
        let policy = LivenessPolicy { passive, ..only(Challenge::OpenMouth) };
        let mut check = Liveness::new(policy.clone(), CameraTraits::default(), [1; 32], Mono::ZERO);
        scores.iter().for_each(|&score| check.passive(0, score));
        let verdict = run_out(check, &policy, 12, one(obliging(500, 1_200))).1;
        assert_eq!(verdict.outcome, expected, "{action:?} {scores:?}: {verdict:?}");
        let named = verdict.signals.iter().any(|signal| signal.name == "passive.theirs");
        assert_eq!(named, action != Action::Off);
    }
}

#[test]
fn advice_comes_once_and_not_for_a_flicker() {
    let flicker = |now: &Now<'_>| {
        if now.ms.is_multiple_of(1_000) { (0, None) } else { (1, Some(rest())) }
    };
    let (events, _) = run(&LivenessPolicy::default(), 0, 10, flicker);
    let advice: Vec<_> = events.iter().filter(|e| matches!(e, KycEvent::Advice { .. })).collect();
    assert!(advice.len() <= 2, "{advice:?}");
}

#[test]
fn without_video_the_customer_is_referred_to_staff() {
    let policy = LivenessPolicy::default();
    let mut check = Liveness::new(policy, CameraTraits::default(), [0; 32], Mono::ZERO);
    while let Some(due) = check.poll_timeout() {
        check.handle_timeout(due);
    }
    let Some(KycEvent::Verdict(verdict)) = check.poll() else { panic!("no verdict") };
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Refer, "no_video"));
    assert_eq!(verdict.frames, 0);
}

#[test]
fn video_that_this_side_was_too_busy_to_take_is_not_missing() {
    let policy = LivenessPolicy::default();
    let limit = Duration::from_millis(policy.no_video_timeout_ms);
    let mut check = Liveness::new(policy, CameraTraits::default(), [0; 32], Mono::ZERO);
    let came = Mono::ZERO + (limit - Duration::from_millis(1));
    check.missed(came);
    check.handle_timeout(Mono::ZERO + limit);
    assert!(!check.is_done());
    assert_eq!(check.poll_timeout(), Some(came + limit));
    check.handle_timeout(came + limit);
    assert!(check.is_done());
}
