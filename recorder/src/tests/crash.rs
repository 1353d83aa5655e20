//! The recorder is killed in mid-call, for real: a child process records, the parent sends
//! SIGKILL at some moment, and the next start must seal whatever had been acknowledged.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use super::{stores::rig_with_b, *};
use crate::{disk::OsDisk, ledger::Entry, segment::GapCause, verify::verify};

const FOLDER: &str = "VBRANCH_TEST_CRASH_FOLDER";

/// The child's part: records in real time until it is killed. As a test of its own it does nothing.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let rig = Rig::start(Path::new(&folder));
    let call = Call::shoot(20.0);
    let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
    let began = rig.clock.mono();
    for item in &call.items {
        let due = time_of(item).since(START);
        while rig.clock.mono().since(began) < due {
            std::thread::sleep(Duration::from_millis(2));
        }
        tap.push(item.clone());
        println!("\npushed {}", due.as_millis());
        for event in rig.events.try_iter() {
            if matches!(event, RecorderEvent::FirstSegmentDurable { .. }) {
                println!("\nacknowledged");
            }
        }
    }
    rig.recorder.close(call.meta.recording, call.end).unwrap();
}

/// Says up to when, since the start, the child had pushed media when it was killed.
pub(super) fn record_and_kill(data: &Path, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["tests::crash::child", "--exact", "--nocapture"])
        .env(FOLDER, data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = lines.any(|line| line == "acknowledged");
    assert!(acknowledged, "the child never got as far");
    let last = std::thread::spawn(move || {
        lines.filter_map(|line| line.strip_prefix("pushed ")?.parse().ok()).last()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    last.join().unwrap().unwrap_or_default()
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_the_loss_is_declared() {
    for after in [200, 730, 1910] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let pushed = record_and_kill(&data, Duration::from_millis(after));
        let paths = Places::under(&data);
        let stored = objects(&paths.store_a);
        let stored: Vec<_> = stored
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|e| e == "seg"))
            .map(|(path, _)| path)
            .collect();
        assert!(!stored.is_empty());

        let rig = Rig::start(&data);
        let &[recording] = rig.recorder.recovered() else {
            let events: Vec<_> = rig.events.try_iter().collect();
            panic!("nothing recovered: {events:?}, sealed: {:?}", rig.recorder.list())
        };
        let view = rig.recorder.view(recording).unwrap();
        assert_eq!(view.summary.state, "recovered");
        assert!(view.gaps.iter().any(|gap| gap.cause == GapCause::Crash.as_str()), "no loss");
        for track in &view.tracks {
            let lost = pushed.saturating_sub(track.start_ms + track.duration_ms);
            println!("FIGURE: media lost at kill -9: {lost} ms");
            // A screen has five pictures a second.
            let may = if track.source.is_camera() { 250 } else { 450 };
            assert!(lost <= may, "{lost} ms of {:?} are lost", track.name);
        }
        let declared = view.gaps.iter().filter(|gap| gap.cause == GapCause::Crash.as_str());
        for gap in declared {
            let end = gap.offset_ms + gap.duration_ms;
            assert!(end >= pushed, "the crash was at {pushed} ms, declared to {end} ms");
        }
        let bundle = dir.path().join("bundle");
        rig.export(recording, &bundle, true);
        let report = verify(&bundle, &rig.recorder.public_key(), None);
        assert!(report.ok, "{report:#?}");
        for path in stored {
            let path = path.strip_prefix(recording.to_string()).unwrap();
            assert!(bundle.join("objects").join(path).exists(), "{} was dropped", path.display());
        }
        drop(rig);
        // Once recovered, the next start has nothing to do.
        assert!(Rig::start(&data).recorder.recovered().is_empty());
    }
}

/// Every state a crash can leave the folder in, made by cutting the journal of a finished
/// recording: each is sealed, verifies, and says what is missing.
#[test]
fn every_cut_of_the_journal_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let call = Call::shoot(4.5);
    let (recording, journal) = record_and_keep(&data, &call);
    let evidence = Places::under(&data).keys.join("evidence.key");
    let key = crate::keys::EvidenceKey::open(&evidence).unwrap().public();
    let folder = Places::under(&data).recordings.join(recording.to_string());
    reset(&data, recording, &journal);
    let entries = crate::journal::read(&OsDisk, &folder.join("journal")).unwrap();
    assert!(matches!(entries.last(), Some(Entry::Closed { .. })));
    let ends: Vec<_> =
        journal.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
    // Not behind the last one: that is no crash.
    for (n, end) in ends.iter().enumerate().take(ends.len() - 1).step_by(5) {
        // In the middle of the next line, if there is one.
        let cut = (end + 40).min(journal.len());
        reset(&data, recording, &journal[..cut]);
        let rig = Rig::start(&data);
        assert_eq!(rig.recorder.recovered(), [recording], "after {n} entries");
        let bundle = dir.path().join(format!("bundle-{n}"));
        rig.export(recording, &bundle, false);
        let report = verify(&bundle, &key, None);
        assert!(report.ok, "after {n} entries: {report:#?}");
        std::fs::remove_dir_all(&bundle).unwrap();
    }

    // Everything is there, only the manifest was not written yet: nothing was lost.
    reset(&data, recording, &journal);
    let rig = Rig::start(&data);
    assert!(rig.recorder.recovered().is_empty());
    assert_eq!(rig.recorder.view(recording).unwrap().summary.state, "sealed");
}

/// Records a call and returns its journal as well, which is gone once both stores have everything.
fn record_and_keep(data: &Path, call: &Call) -> (RecordingId, Vec<u8>) {
    let (rig, b) = rig_with_b(data, Mood::Full);
    let recording = rig.record(call);
    let folder = Places::under(data).recordings.join(recording.to_string());
    let journal = std::fs::read(folder.join("journal")).unwrap();
    b.set(Mood::Well);
    rig.clock.advance(Duration::from_secs(2));
    // A checkpoint's second line is the size of the log.
    let marked = |store: &PathBuf| {
        let note = std::fs::read_to_string(store.join(ObjectName::checkpoint().as_str()));
        note.is_ok_and(|note| note.lines().nth(1).is_some_and(|size| size != "0"))
    };
    while !folder.join("replicated").exists() || folder.join("journal").exists() {
        std::thread::yield_now();
    }
    // The stores are told of the log last; later it would be as if the log had been put back.
    let paths = Places::under(data);
    while ![&paths.store_a, &paths.store_b].into_iter().all(marked) {
        std::thread::yield_now();
    }
    (recording, journal)
}

/// Back to the moment before the recording was sealed.
fn reset(data: &Path, recording: RecordingId, journal: &[u8]) {
    let paths = Places::under(data);
    let folder = paths.recordings.join(recording.to_string());
    for name in ["manifest.json", "manifest.sig", "summary.json", "replicated"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    for store in [&paths.store_a, &paths.store_b] {
        let (manifest, signature) =
            (ObjectName::manifest(recording), ObjectName::signature(recording));
        for name in [manifest, signature, ObjectName::checkpoint()] {
            let _ = std::fs::remove_file(store.join(name.as_str()));
        }
    }
    std::fs::write(folder.join("journal"), journal).unwrap();
    let _ = std::fs::remove_dir_all(&paths.log);
}

#[test]
fn segments_that_did_not_reach_a_store_are_declared_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let call = Call::shoot(4.5);
    let (recording, journal) = record_and_keep(&data, &call);
    reset(&data, recording, &journal);
    let paths = Places::under(&data);
    let name = ObjectName::segment(recording, TrackName::camera(call.customer), 1);
    for store in [&paths.store_a, &paths.store_b] {
        std::fs::remove_file(store.join(name.as_str())).unwrap();
    }
    let rig = Rig::start(&data);
    assert_eq!(rig.recorder.recovered(), [recording]);
    let bundle = dir.path().join("bundle");
    rig.export(recording, &bundle, true);
    let report = verify(&bundle, &rig.recorder.public_key(), None);
    assert!(report.ok, "{report:#?}");
    let playlist = rig.recorder.playlist(recording, TrackName::camera(call.customer)).unwrap();
    assert!(
        playlist.contains("segment-0.m4s") && !playlist.contains("segment-1.m4s"),
        "{playlist}"
    );
    let gaps = rig.recorder.view(recording).unwrap().gaps;
    assert!(gaps.iter().any(|gap| gap.participant == call.customer && gap.cause == "crash"));
}

#[test]
fn what_only_an_absent_store_may_hold_is_not_declared_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let call = Call::shoot(2.5);
    let (recording, journal) = record_and_keep(&data, &call);
    reset(&data, recording, &journal);
    let paths = Places::under(&data);
    let name = ObjectName::segment(recording, TrackName::camera(call.customer), 0);
    std::fs::remove_file(paths.store_a.join(name.as_str())).unwrap();
    let away = paths.store_b.with_extension("away");
    std::fs::rename(&paths.store_b, &away).unwrap();
    std::fs::write(&paths.store_b, b"not mounted").unwrap();
    let rig = Rig::start(&data);
    rig.wait(|event| matches!(event, RecorderEvent::Failed { .. }));
    assert!(rig.recorder.recovered().is_empty() && rig.recorder.list().is_empty());
    drop(rig);

    std::fs::remove_file(&paths.store_b).unwrap();
    std::fs::rename(&away, &paths.store_b).unwrap();
    let rig = Rig::start(&data);
    assert_eq!(rig.recorder.view(recording).unwrap().summary.state, "sealed");
}

#[test]
fn what_cannot_be_read_now_is_not_declared_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let call = Call::shoot(2.5);
    let (recording, journal) = record_and_keep(&data, &call);
    reset(&data, recording, &journal);
    let paths = Places::under(&data);
    let name = ObjectName::segment(recording, TrackName::camera(call.customer), 0);
    std::fs::remove_file(paths.store_a.join(name.as_str())).unwrap();
    // Reading a folder as a file is an I/O error, as from a bad disk.
    let bad = paths.store_b.join(name.as_str());
    let away = bad.with_extension("away");
    std::fs::rename(&bad, &away).unwrap();
    std::fs::create_dir(&bad).unwrap();
    let rig = Rig::start(&data);
    rig.wait(|event| matches!(event, RecorderEvent::Failed { .. }));
    assert!(rig.recorder.recovered().is_empty() && rig.recorder.list().is_empty());
    drop(rig);

    std::fs::remove_dir(&bad).unwrap();
    std::fs::rename(&away, &bad).unwrap();
    let rig = Rig::start(&data);
    assert_eq!(rig.recorder.view(recording).unwrap().summary.state, "sealed");
}

#[test]
fn a_key_that_reached_no_store_comes_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let call = Call::shoot(2.5);
    let (recording, journal) = record_and_keep(&data, &call);
    reset(&data, recording, &journal);
    let paths = Places::under(&data);
    let keys = [&paths.store_a, &paths.store_b]
        .map(|store| store.join(ObjectName::key(recording).as_str()));
    keys.iter().for_each(|key| std::fs::remove_file(key).unwrap());
    let rig = Rig::start(&data);
    assert!(keys.iter().all(|key| key.exists()));
    rig.recorder.segment(recording, TrackName::camera(call.customer), 0).unwrap();
}
