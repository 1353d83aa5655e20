//! A day's calls held against its recordings.

use super::*;
use crate::{Day, ExpectedCall, log::LogEntry};

const TOLERANCE: Duration = Duration::from_secs(1);

/// The call as the branch's own records would tell it.
fn told(call: &Call) -> ExpectedCall {
    let began = call.meta.started;
    let millis = call.end.since(START).as_millis() as i64;
    let ended = UnixMillis(began.0 + millis);
    ExpectedCall { visit: call.meta.visit, recording: Some(call.meta.recording), began, ended }
}

#[test]
fn what_is_missing_or_short_is_named_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::under(dir.path());
    let rig = Rig::start(dir.path());
    let calls: Vec<_> = (0..5).map(|_| Call::shoot(2.5)).collect();
    for call in &calls {
        let recording = rig.record(call);
        let mark = places.recordings.join(recording.to_string()).join("replicated");
        while !mark.exists() {
            std::thread::yield_now();
        }
    }
    let day = Day::of(calls[0].meta.started);
    let all: Vec<_> = calls.iter().map(told).collect();
    let good = rig.recorder.reconcile(day, &all, TOLERANCE).unwrap();
    assert!(good.is_ok() && good.calls == 5, "{good:?}");

    let mut expected = all.clone();
    expected[0].recording = None;
    expected[1].recording = Some(RecordingId::random());
    let gone =
        ObjectName::segment(calls[2].meta.recording, TrackName::camera(calls[2].customer), 0);
    std::fs::remove_file(places.store_b.join(gone.as_str())).unwrap();
    expected[3].ended = UnixMillis(expected[3].ended.0 + 5_000);
    let found = rig.recorder.reconcile(day, &expected, TOLERANCE).unwrap();
    let visits = |findings: &[crate::Finding]| -> Vec<_> {
        findings.iter().map(|finding| finding.visit).collect()
    };
    assert_eq!(visits(&found.missing), [0, 1, 2].map(|n| calls[n].meta.visit));
    assert_eq!(visits(&found.short), [calls[3].meta.visit]);
    assert!(found.missing[2].what.contains("store b does not have"), "{found:?}");

    // A recording of another visit covers nothing.
    let swapped = ExpectedCall { visit: vbranch_domain::VisitId::random(), ..all[4] };
    assert!(!rig.recorder.reconcile(day, &[swapped], TOLERANCE).unwrap().is_ok());
    let log = &rig.recorder.shared().log;
    let size = log.size();
    assert_eq!(size, 5 + 3, "each run is on the log");
    assert!(
        log.entries_of(calls[3].meta.recording)
            .unwrap()
            .iter()
            .all(|e| { matches!(e, LogEntry::Manifest { .. }) })
    );
}

#[test]
fn a_day_is_read_as_it_is_written() {
    let day: Day = "2026-11-29".parse().unwrap();
    assert_eq!(day.to_string(), "2026-11-29");
    assert_eq!(Day::of(day.begins()), day);
    assert_eq!(Day::of(UnixMillis(day.ends().0 - 1)), day);
    assert_eq!(day.ends().0 - day.begins().0, 86_400_000);
    assert_eq!(Day::of(day.ends()).before(), day);
    assert!("29.11.2026".parse::<Day>().is_err());
}
