//! Real people in films, sent as a browser would send them. The films lie beside the repository
//! on some machines only; elsewhere these tests say that they skip.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::{path::Path, process::Command};

use support::{access_units, as_sent, face_film, models};
use vbranch_domain::{
    Mono,
    kyc::{CameraTraits, Challenge, KycEvent, KycOutcome},
};
use vbranch_kyc::{
    LivenessPolicy,
    h264::H264Decoder,
    liveness::{Action, FlashPolicy, FrameObservation, GesturePolicy, Liveness, StreamPolicy},
    video::Decoded,
    vision::FaceTracker,
};

const FPS: u64 = 25;

/// Sends a part of a film (seconds) through encoder, decoder and tracker and looks at every
/// `every`th frame. Times are those of the film.
fn observe(film: &Path, from: f32, to: f32, every: usize) -> Option<Vec<FrameObservation>> {
    let models = models()?;
    let stream = as_sent(film, from, to)?;
    let (mut decoder, mut tracker) = (H264Decoder::new().unwrap(), FaceTracker::default());
    let seen = access_units(&stream)
        .iter()
        .enumerate()
        .filter_map(|(n, nals)| {
            let at = Mono::from_millis((from * 1_000.0) as u64 + n as u64 * 1_000 / FPS);
            match decoder.decode(nals, n % every == 0).unwrap() {
                Decoded::Picture(picture) => {
                    Some(tracker.look(&models, &picture, at).unwrap().seen)
                }
                Decoded::Silent | Decoded::AwaitingKey => None,
            }
        })
        .collect();
    Some(seen)
}

/// When the eyes are shut, as intervals of milliseconds.
fn blinks(seen: &[FrameObservation]) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    for o in seen.iter().filter(|o| o.face.is_some_and(|f| f.blink >= 0.5)) {
        let ms = o.at.as_nanos() / 1_000_000;
        match found.last_mut() {
            Some((_, end)) if ms - *end <= 120 => *end = ms,
            _ => found.push((ms, ms)),
        }
    }
    found
}

#[test]
fn blinks_are_seen_when_they_happen_and_not_otherwise() {
    // Times (ms) at which the reference pipeline finds shut eyes, from each film's own frames.
    for (film, from, to, times) in [
        ("d0.mp4", 1.5, 3.1, &[2_680][..]),
        ("d13.mp4", 1.0, 4.0, &[1_430, 2_630, 3_430]),
        ("d18.mp4", 2.6, 3.8, &[3_170]),
        ("d20.mp4", 0.0, 1.0, &[]),
    ] {
        let Some(film_path) = face_film(film) else { return };
        let Some(seen) = observe(&film_path, from, to, 1) else { return };
        let faces = seen.iter().filter(|o| o.face.is_some() && o.faces == 1).count();
        assert_eq!(faces, seen.len(), "{film}: one face throughout");
        let found = blinks(&seen);
        println!("{film}: shut eyes at {found:?}");
        assert_eq!(found.len(), times.len(), "{film}: {found:?}");
        for (&(start, end), &time) in found.iter().zip(times) {
            assert!((start..=end + 80).contains(&(time + 40)), "{film}: {time} in {found:?}");
        }
    }
}

#[test]
fn turns_are_seen_when_they_happen_to_the_side_they_go() {
    let Some(film) = face_film("d3.mp4") else { return };
    let yaw = |from: f32, to: f32| -> Option<Vec<f32>> {
        let seen = observe(&film, from, to, 2)?;
        Some(seen.iter().map(|o| o.face.expect("a face").yaw).collect())
    };
    // What the reference pipeline finds in the film's own frames.
    for (from, to, degrees) in
        [(8.6, 9.1, 19.0..28.0), (0.5, 0.7, -19.0..-11.0), (9.75, 9.9, -5.0..5.0)]
    {
        let Some(yaw) = yaw(from, to) else { return };
        assert!(yaw.iter().all(|y| degrees.contains(y)), "{from} s to {to} s: {yaw:?}");
    }
}

/// What browser tests ask of their film, which knows three gestures and comes in a loop.
fn for_films() -> LivenessPolicy {
    LivenessPolicy {
        challenges: vec![Challenge::Blink, Challenge::TurnLeft, Challenge::TurnRight],
        asked: 3,
        challenge_timeout_ms: 45_000,
        gestures: GesturePolicy { wrong: Action::Off, ..GesturePolicy::default() },
        flash: FlashPolicy { tries: 0, ..FlashPolicy::default() },
        stream: StreamPolicy { looped: Action::Off, jumps: Action::Off, ..StreamPolicy::default() },
        ..LivenessPolicy::default()
    }
}

#[test]
fn the_camera_film_of_browser_tests_passes_where_films_are_allowed_and_nowhere_else() {
    if face_film("d3.mp4").is_none() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/make-camera-film.sh");
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("camera.y4m");
    let made = Command::new(script).arg(&film).status().unwrap();
    assert!(made.success());
    let Some(seen) = observe(&film, 0.0, 60.0, 2) else { return };
    let mut longest = 0;
    for start in (0..seen.len()).step_by(7) {
        for seed in 0..12 {
            // From 12.5 looks a second, as the server takes with time to spare, down to 4.
            for every in [1, 3] {
                let (ms, outcome, what) = check_loop(&seen, &for_films(), every, start, seed);
                assert_eq!(outcome, KycOutcome::Pass, "{what}");
                longest = longest.max(ms);
            }
            let (_, outcome, what) = check_loop(&seen, &LivenessPolicy::default(), 1, start, seed);
            assert_ne!(outcome, KycOutcome::Pass, "{what}");
        }
    }
    println!("the longest check took {longest} ms");
}

/// Runs one check on the film played in a loop; returns how long it took in milliseconds, how it
/// ended and what happened.
fn check_loop(
    film: &[FrameObservation],
    policy: &LivenessPolicy,
    every: usize,
    start: usize,
    seed: u8,
) -> (u64, KycOutcome, String) {
    let mut check = Liveness::new(policy.clone(), CameraTraits::default(), [seed; 32], Mono::ZERO);
    let mut asked: Vec<Challenge> = Vec::new();
    for (n, look) in film.iter().cycle().skip(start).enumerate().step_by(every) {
        let ms = n as u64 * 2_000 / FPS;
        check.handle(&FrameObservation { at: Mono::from_millis(ms), ..*look });
        while let Some(event) = check.poll() {
            match event {
                KycEvent::Challenge { challenge, .. } => asked.push(challenge),
                KycEvent::Verdict(v) => {
                    let what = format!("{asked:?} from frame {start}, every {every}: {v:?}");
                    return (ms, v.outcome, what);
                }
                _ => {}
            }
        }
    }
    unreachable!("the film is played for ever")
}
