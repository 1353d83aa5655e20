use vbranch_domain::{CallId, ParticipantId, VisitId};

use super::*;
use crate::{
    keys::{FileKek, KeyEncryptionKey as _},
    test_disk::{Faults, TestDisk},
};

const START: Mono = Mono::from_millis(1_000);
const FOLDER: &str = "/r";

fn open(disk: &TestDisk) -> OpenRecording {
    let recording = RecordingId::random();
    let meta = RecordingMeta {
        recording,
        visit: VisitId::random(),
        call: CallId::random(),
        started: UnixMillis(1),
        journey: "demo-loan@1".to_owned(),
        participants: Vec::new(),
    };
    let keys = tempfile::tempdir().unwrap();
    let kek = FileKek::open(&keys.path().join("kek")).unwrap();
    let key = DataKey::random().unwrap();
    let wrapped = kek.wrap(recording, &key).unwrap();
    let policy = Policy { stores_required: 2, segment_ms: 2000, heartbeat_ms: 1000 };
    let disk = Arc::new(disk.clone());
    OpenRecording::open(disk, Path::new(FOLDER), meta, key, wrapped, policy, START).unwrap()
}

/// Writes and flushes; what may go to the stores.
fn flush(open: &mut OpenRecording, now: Mono) -> Vec<Outgoing> {
    open.write(now);
    match open.sync(now) {
        Some(work) => open.synced(work.run(), now),
        None => Vec::new(),
    }
}

fn journal(disk: &TestDisk) -> Vec<Entry> {
    journal::read(disk, &journal::path(Path::new(FOLDER))).unwrap()
}

fn artifact(open: &mut OpenRecording, name: &str, len: usize) -> Result<(), RecorderError> {
    let name = ArtifactName::try_from(name.to_owned()).unwrap();
    open.put_artifact(name, &vec![7; len]).map(|_| ())
}

#[test]
fn no_store_gets_what_the_journal_does_not_have() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    assert_eq!(flush(&mut open, START).len(), 1, "the wrapped key");
    disk.set_full(Path::new(FOLDER), true);
    artifact(&mut open, "still.jpg", 10).unwrap();
    assert!(flush(&mut open, START).is_empty() && open.has_outgoing());
    assert!(matches!(open.take_events()[..], [RecorderEvent::Failed { .. }]));

    disk.set_full(Path::new(FOLDER), false);
    assert!(flush(&mut open, START + RETRY_AFTER / 2).is_empty(), "tried again too early");
    assert_eq!(flush(&mut open, START + RETRY_AFTER).len(), 1);
    assert!(journal(&disk).iter().any(|entry| matches!(entry, Entry::Artifact(_))));
}

#[test]
fn after_a_failed_flush_the_journal_is_written_anew() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    flush(&mut open, START);
    artifact(&mut open, "still.jpg", 10).unwrap();
    disk.set_faults(Path::new(FOLDER), Faults { failed_syncs: 1, ..Faults::default() });
    assert!(flush(&mut open, START).is_empty());
    disk.set_faults(Path::new(FOLDER), Faults::default());
    assert_eq!(flush(&mut open, START + RETRY_AFTER).len(), 1);
    // The disk never keeps anything of a file whose flush failed.
    disk.restart(crate::test_disk::End::PowerCut);
    assert!(journal(&disk).iter().any(|entry| matches!(entry, Entry::Artifact(_))));
}

#[test]
fn what_waits_for_the_journal_is_bounded() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    flush(&mut open, START);
    disk.set_full(Path::new(FOLDER), true);
    artifact(&mut open, "a", MAX_KEPT / 2).unwrap();
    assert!(flush(&mut open, START).is_empty());
    assert!(matches!(artifact(&mut open, "b", MAX_KEPT / 2), Err(RecorderError::Busy)));
    let track = TrackName::camera(ParticipantId::random());
    let segment = Segment {
        track,
        sequence: 0,
        init: crate::segment::InitHash([0; 32]),
        start: Duration::ZERO,
        duration: Duration::from_secs(1),
        has_keyframe: true,
        bytes: vec![0; MAX_KEPT / 2].into(),
    };
    open.segment(&segment).unwrap();
    let track = open.ledger.tracks().next().unwrap();
    assert!(track.segments[0].lost);
    assert!(open.take_events().iter().any(|event| matches!(event, RecorderEvent::Gap { .. })));
}
