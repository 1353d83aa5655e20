//! Checks as the server runs them: encoded frames in, events out, on worker threads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use support::{Log, STILL, TestClock, access_units, frame, models, models_dir};
use vbranch_domain::{
    Leg, Mono, ParticipantId, SystemClock, Tap as _, TapItem,
    kyc::{Challenge, KycEvent, KycOutcome, KycRequest, KycVerdict},
};
use vbranch_kyc::{KycConfig, KycEngine, LivenessPolicy, Output, OutputSink};

/// Real time that a worker gets for each frame: less, and on a busy machine it takes so few of them
/// that no gesture can be followed.
const A_TURN: Duration = Duration::from_millis(60);

struct Branch {
    engine: KycEngine,
    clock: Arc<TestClock>,
}

fn branch(models_dir: std::path::PathBuf, policy: LivenessPolicy) -> Branch {
    let clock = Arc::new(TestClock::default());
    let config = KycConfig { models_dir, threads: 2, policy };
    Branch { engine: KycEngine::start(config, clock.clone()).unwrap(), clock }
}

/// Waits (in real time, as work happens on real threads) until the log satisfies a condition.
fn wait_until<T: Clone>(log: &Log<T>, what: &str, done: impl Fn(&[T]) -> bool) -> Vec<T> {
    for _ in 0..6_000 {
        let all = log.all();
        if done(&all) {
            return all;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("still waiting for {what}");
}

/// Writes the events of a check into a log.
fn events_into(log: &Log<KycEvent>) -> OutputSink {
    let log = log.clone();
    Box::new(move |output| {
        if let Output::Event(event) = output {
            log.push(event);
        }
    })
}

fn first_attempt() -> KycRequest {
    KycRequest { attempt: 1, ..KycRequest::default() }
}

fn verdict(events: &[KycEvent]) -> Option<KycVerdict> {
    events.iter().find_map(|e| match e {
        KycEvent::Verdict(verdict) => Some(verdict.clone()),
        _ => None,
    })
}

fn wait_for_verdict(log: &Log<KycEvent>) -> KycVerdict {
    verdict(&wait_until(log, "a verdict", |e| verdict(e).is_some())).unwrap()
}

#[test]
fn without_models_the_check_refers_to_staff() {
    let empty = tempfile::tempdir().unwrap();
    let branch = branch(empty.path().into(), LivenessPolicy::default());
    assert!(branch.engine.models_error().unwrap().to_string().contains("yunet"));
    let log = Log::default();
    let tap = branch.engine.begin(
        ParticipantId::random(),
        first_attempt(),
        [0; 32],
        events_into(&log),
        Box::new(|| ()),
    );
    let verdict = wait_for_verdict(&log);
    assert_eq!(
        (verdict.outcome, verdict.reason.as_str()),
        (KycOutcome::Refer, "models_unavailable")
    );
    assert!(tap.is_done() || !log.all().is_empty());
}

#[test]
fn a_corrupt_model_is_named_and_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("face_detection_yunet_2023mar.onnx"), b"junk").unwrap();
    let branch = branch(folder.path().into(), LivenessPolicy::default());
    let error = branch.engine.models_error().unwrap().to_string();
    assert!(error.contains("yunet") && error.contains("corrupt"), "{error}");
}

#[test]
fn a_still_photograph_is_seen_but_does_not_pass() {
    if models().is_none() {
        return;
    }
    let policy = LivenessPolicy { challenge_timeout_ms: 2_000, ..LivenessPolicy::default() };
    let branch = branch(models_dir(), policy);
    let customer = ParticipantId::random();
    let log = Log::default();
    let mut tap =
        branch.engine.begin(customer, first_attempt(), [7; 32], events_into(&log), Box::new(|| ()));
    let units = access_units(STILL);
    for (n, nals) in units.iter().cycle().take(4_000).enumerate() {
        let at = Mono::from_millis(n as u64 * 100);
        branch.clock.set(at);
        // Somebody else's video and the customer's own sound must not matter.
        tap.push(TapItem::Frame(frame(ParticipantId::random(), vec![Bytes::from("junk")], at)));
        tap.push(TapItem::Frame(frame(customer, nals.clone(), at)));
        if verdict(&log.all()).is_some() {
            break;
        }
        thread::sleep(A_TURN);
    }
    let verdict = wait_for_verdict(&log);
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Fail, "challenge_timeout"));
    assert!(verdict.frames > 0);
    assert!(verdict.models.len() >= 3);
    assert_eq!(verdict.policy_sha256.len(), 64);
    assert!(verdict.signals.iter().any(|s| s.name == "face.presence" && s.passed));
    assert!(log.all().iter().any(|e| matches!(e, KycEvent::Challenge { index: 0, of: 4, .. })));
    assert!(matches!(log.all().last(), Some(KycEvent::Verdict(_))), "the verdict is the last word");
}

/// Pushes `make(n)` until a verdict comes, moving the clock on by 100 ms each time.
fn feed(make: impl Fn(usize) -> Vec<Bytes>) -> Option<(KycVerdict, u32)> {
    models()?;
    let branch = branch(models_dir(), LivenessPolicy::default());
    let (customer, log) = (ParticipantId::random(), Log::default());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let mut tap = branch.engine.begin(
        customer,
        first_attempt(),
        [0; 32],
        events_into(&log),
        Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }),
    );
    tap.push(TapItem::LegStarted { participant: customer, leg: Leg(0), at: Mono::ZERO });
    for n in 0..200 {
        let at = Mono::from_millis(n as u64 * 100);
        branch.clock.set(at);
        tap.push(TapItem::Frame(frame(customer, make(n), at)));
        thread::sleep(Duration::from_millis(1));
    }
    // Where the workers were too slow for all that, the time without video begins later.
    branch.clock.set(Mono::from_millis(40_000));
    Some((wait_for_verdict(&log), asked.load(Ordering::SeqCst)))
}

#[test]
fn rubbish_instead_of_video_is_referred_and_key_frames_are_asked_for() {
    let rubbish = |n: usize| {
        let mut nal: Vec<u8> = (0..200).map(|i| (i * n) as u8 | 1).collect();
        nal[0] = [0x65, 0x41, 0x67, 0x68][n % 4];
        vec![Bytes::from(nal)]
    };
    let Some((verdict, asked)) = feed(rubbish) else { return };
    assert_eq!(
        (verdict.outcome, verdict.reason.as_str()),
        (KycOutcome::Refer, "undecodable_video")
    );
    assert!(asked > 1, "{asked}");
}

#[test]
fn video_larger_than_is_decoded_is_referred() {
    // A parameter set that asks for 4096x4096 pixels, and a slice.
    let huge = |_| {
        vec![
            Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0xda, 0x00, 0x40, 0x00, 0x20, 0x19]),
            Bytes::from_static(&[0x68, 0xce, 0x38, 0x80]),
            Bytes::from_static(&[0x65, 0x88, 0x84, 0x21]),
        ]
    };
    let Some((verdict, _)) = feed(huge) else { return };
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Refer, "video_too_large"));
}

#[test]
fn truncated_video_is_referred() {
    let units = access_units(STILL);
    let cut = move |n: usize| -> Vec<Bytes> {
        units[n % units.len()].iter().map(|nal| nal.slice(..nal.len().min(6))).collect()
    };
    let Some((verdict, _)) = feed(cut) else { return };
    assert_eq!(
        (verdict.outcome, verdict.reason.as_str()),
        (KycOutcome::Refer, "undecodable_video")
    );
}

#[test]
fn decoding_recovers_at_the_next_key_frame() {
    let Some(models) = models() else { return };
    drop(models);
    let mut decoder = vbranch_kyc::h264::H264Decoder::new().unwrap();
    let units = access_units(STILL);
    let mut pictures = 0;
    for (n, nals) in units.iter().enumerate() {
        let broken = n == 5;
        let nals = if broken { vec![Bytes::from_static(&[0x80, 1, 2])] } else { nals.clone() };
        match decoder.decode(&nals, true) {
            Ok(vbranch_kyc::video::Decoded::Picture(_)) => pictures += 1,
            Ok(_) => assert!((6..20).contains(&n), "frame {n}"),
            Err(_) => assert!(broken, "frame {n}"),
        }
    }
    assert_eq!(pictures, 5 + 20, "all before the fault and all from the key frame on");
}

#[test]
fn a_flood_of_frames_is_dropped_up_to_a_key_frame() {
    if models().is_none() {
        return;
    }
    let branch = branch(models_dir(), LivenessPolicy::default());
    let (customer, asked) = (ParticipantId::random(), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&asked);
    let mut tap = branch.engine.begin(
        customer,
        first_attempt(),
        [0; 32],
        Box::new(|_| ()),
        Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }),
    );
    let units = access_units(STILL);
    for n in 0..20_000_u64 {
        branch.clock.set(Mono::from_millis(n));
        let nals = units[n as usize % 20].clone();
        tap.push(TapItem::Frame(frame(customer, nals, Mono::from_millis(n))));
    }
    assert!(asked.load(Ordering::SeqCst) > 0, "a key frame was asked for");
}

/// A worker that gets no processor time for long must not make it look as if the camera were off.
#[test]
fn frames_that_nobody_had_time_for_are_not_missing_video() {
    if models().is_none() {
        return;
    }
    let policy = LivenessPolicy { challenge_timeout_ms: 2_000, ..LivenessPolicy::default() };
    let branch = branch(models_dir(), policy);
    let (customer, log) = (ParticipantId::random(), Log::default());
    let (release, held) = mpsc::channel::<()>();
    let (told, held) = (log.clone(), Mutex::new(held));
    let hold_at_first_question: OutputSink = Box::new(move |output| {
        let Output::Event(event) = output else { return };
        let asks = matches!(event, KycEvent::Challenge { .. });
        told.push(event);
        if asks {
            let _released = held.lock().unwrap().recv();
        }
    });
    let mut tap = branch.engine.begin(
        customer,
        first_attempt(),
        [7; 32],
        hold_at_first_question,
        Box::new(|| ()),
    );
    let units = access_units(STILL);
    let mut frames = (0_u64..).map(|n| {
        let at = Mono::from_millis(n * 100);
        branch.clock.set(at);
        (at, frame(customer, units[n as usize % units.len()].clone(), at))
    });
    let is_asked = || log.all().iter().any(|e| matches!(e, KycEvent::Challenge { .. }));
    while !is_asked() {
        let (at, frame) = frames.next().unwrap();
        assert!(at < Mono::from_millis(60_000), "no question came: {:?}", log.all());
        tap.push(TapItem::Frame(frame));
        thread::sleep(A_TURN);
    }
    for (_, frame) in frames.by_ref().take(200) {
        tap.push(TapItem::Frame(frame));
    }
    drop(release);
    while verdict(&log.all()).is_none() {
        let (at, frame) = frames.next().unwrap();
        assert!(at < Mono::from_millis(240_000), "no verdict came: {:?}", log.all());
        tap.push(TapItem::Frame(frame));
        thread::sleep(A_TURN);
    }
    assert_eq!(wait_for_verdict(&log).reason, "challenge_timeout");
}

#[test]
fn nothing_is_told_after_the_tap_is_dropped_and_threads_end_with_the_engine() {
    let empty = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::start());
    let policy = LivenessPolicy {
        no_video_timeout_ms: 50,
        challenges: vec![Challenge::Blink],
        ..LivenessPolicy::default()
    };
    let config = KycConfig { models_dir: empty.path().into(), threads: 1, policy };
    let engine = KycEngine::start(config, clock).unwrap();
    let log = Log::default();
    let tap = engine.begin(
        ParticipantId::random(),
        first_attempt(),
        [0; 32],
        events_into(&log),
        Box::new(|| ()),
    );
    drop(tap);
    drop(engine);
    let told = log.all().len();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(log.all().len(), told);
}

#[test]
fn without_any_video_the_real_clock_ends_the_check() {
    if models().is_none() {
        return;
    }
    let policy = LivenessPolicy { no_video_timeout_ms: 50, ..LivenessPolicy::default() };
    let config = KycConfig { models_dir: models_dir(), threads: 1, policy };
    let engine = KycEngine::start(config, Arc::new(SystemClock::start())).unwrap();
    let log = Log::default();
    let _tap = engine.begin(
        ParticipantId::random(),
        first_attempt(),
        [0; 32],
        events_into(&log),
        Box::new(|| ()),
    );
    let verdict = wait_for_verdict(&log);
    assert_eq!((verdict.outcome, verdict.reason.as_str()), (KycOutcome::Refer, "no_video"));
}
