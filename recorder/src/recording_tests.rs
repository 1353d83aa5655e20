use std::fs::{File, OpenOptions};

use vbranch_domain::{CallId, ParticipantId, VisitId};

use super::*;
use crate::keys::{FileKek, KeyEncryptionKey as _};

const START: Mono = Mono::from_millis(1_000);

fn open(folder: &Path) -> OpenRecording {
    let recording = RecordingId::random();
    let meta = RecordingMeta {
        recording,
        visit: VisitId::random(),
        call: CallId::random(),
        started: UnixMillis(1),
        journey: "demo-loan@1".to_owned(),
        participants: Vec::new(),
    };
    let kek = FileKek::open(&folder.join("kek")).unwrap();
    let key = DataKey::random().unwrap();
    let wrapped = kek.wrap(recording, &key).unwrap();
    let policy = Policy { stores_required: 2, segment_ms: 2000, heartbeat_ms: 1000 };
    OpenRecording::open(&folder.join("r"), meta, key, wrapped, policy, START).unwrap()
}

/// A disk that takes no more.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn artifact(open: &mut OpenRecording, name: &str, len: usize) -> Result<(), RecorderError> {
    let name = ArtifactName::try_from(name.to_owned()).unwrap();
    open.put_artifact(name, &vec![7; len]).map(|_| ())
}

#[test]
fn no_store_gets_what_the_journal_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = open(dir.path());
    assert_eq!(open.flush(START).len(), 1, "the wrapped key");
    let disk = open.swap_journal(full());
    artifact(&mut open, "still.jpg", 10).unwrap();
    assert!(open.flush(START).is_empty() && open.has_outgoing());
    assert!(matches!(open.take_events()[..], [RecorderEvent::Failed { .. }]));

    open.swap_journal(disk);
    assert!(open.flush(START + RETRY_AFTER / 2).is_empty(), "tried once a second");
    assert_eq!(open.flush(START + RETRY_AFTER).len(), 1);
    let entries = crate::journal::read(&dir.path().join("r/journal")).unwrap();
    assert!(matches!(entries.last(), Some(Entry::Artifact(_))));
}

#[test]
fn what_waits_for_the_journal_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = open(dir.path());
    open.swap_journal(full());
    artifact(&mut open, "a", MAX_KEPT / 2).unwrap();
    assert!(open.flush(START).is_empty());
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
