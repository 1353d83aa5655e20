use vbranch_domain::UnixMillis;

use super::*;

fn key(dir: &Path) -> Arc<EvidenceKey> {
    Arc::new(EvidenceKey::open(&dir.join("evidence.key")).unwrap())
}

fn open(dir: &Path) -> Result<EvidenceLog, LogError> {
    EvidenceLog::open(&dir.join("log"), "bank.example/log", key(dir))
}

fn manifest(fill: u8) -> LogEntry {
    LogEntry::Manifest {
        recording: RecordingId::random(),
        sha256: Sha256([fill; 32]),
        at_ms: UnixMillis(1),
    }
}

fn recording(entry: &LogEntry) -> RecordingId {
    entry.recording().unwrap()
}

/// The log's database as somebody with an editor sees it.
fn edit(dir: &Path, sql: &str) {
    let database = Connection::open(dir.join("log/log.db")).unwrap();
    database.execute_batch(sql).unwrap();
}

#[test]
fn every_entry_is_provable_and_a_proof_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let entries: Vec<_> = (0..9).map(manifest).collect();
    for entry in &entries {
        log.append(entry).unwrap();
    }
    let public = key(dir.path()).public();
    for entry in &entries {
        let proof = log.prove(recording(entry)).unwrap().unwrap();
        assert_eq!(proof.verify(&public).unwrap().size, 9);
        let again = proof::LogProof::parse(&proof.to_text(), proof.entry.clone()).unwrap();
        assert_eq!(again, proof);
        let mut other = proof.clone();
        other.entry = canonical::to_bytes(&manifest(99)).unwrap();
        assert_eq!(other.verify(&public), Err(proof::ProofError::NotIncluded));
        let mut other = proof;
        other.index = (other.index + 1) % 9;
        assert!(other.verify(&public).is_err());
    }
    assert!(log.prove(RecordingId::random()).unwrap().is_none());
}

#[test]
fn a_recording_has_one_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let entry = manifest(1);
    log.append(&entry).unwrap();
    let checkpoint = log.checkpoint().unwrap();
    log.append(&entry).unwrap();
    assert_eq!(log.checkpoint().unwrap(), checkpoint, "entered twice");
    let second = LogEntry::Manifest {
        recording: recording(&entry),
        sha256: Sha256([2; 32]),
        at_ms: UnixMillis(2),
    };
    assert!(matches!(log.append(&second), Err(LogError::SecondManifest(_))));
}

#[test]
fn two_processes_append_to_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(dir.path()).unwrap(), open(dir.path()).unwrap());
    let entries: Vec<_> = (0..6).map(manifest).collect();
    for (i, entry) in entries.iter().enumerate() {
        if i % 2 == 0 {
            a.append(entry).unwrap()
        } else {
            b.append(entry).unwrap()
        };
    }
    assert_eq!(a.checkpoint().unwrap(), b.checkpoint().unwrap());
    let public = key(dir.path()).public();
    for entry in &entries {
        let proof = a.prove(recording(entry)).unwrap().unwrap();
        assert_eq!(proof.verify(&public).unwrap().size, 6);
    }
}

#[test]
fn the_log_shows_that_it_only_grew() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let public = key(dir.path()).public();
    let mut before = vec![log.checkpoint().unwrap()];
    let entry = manifest(0);
    log.append(&entry).unwrap();
    for n in 1..20 {
        before.push(log.checkpoint().unwrap());
        log.append(&manifest(n)).unwrap();
        for note in &before {
            let evidence = log.evidence(recording(&entry), Some(note)).unwrap().unwrap();
            let proof = Consistency::parse(&evidence.consistency.to_text()).unwrap();
            assert_eq!(proof, evidence.consistency);
            let old = Checkpoint::verify(note, &public).unwrap();
            assert_eq!(proof.verify((old.size, old.root), &public).unwrap().size, u64::from(n) + 1);
            let other = (old.size, Sha256([7; 32]));
            assert_eq!(proof.verify(other, &public), Err(proof::ProofError::NotConsistent));
            assert!(proof.verify((old.size + 1, old.root), &public).is_err());
        }
    }
}

#[test]
fn many_callers_share_transactions_and_each_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let mut places = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..20).map(|n| log.append(&manifest(n)).unwrap()).collect()))
            .collect();
        let places: Vec<Vec<u64>> = callers.into_iter().map(|c| c.join().unwrap()).collect();
        assert!(places.iter().all(|own| own.is_sorted()));
        places.concat()
    });
    places.sort_unstable();
    assert!(places.into_iter().eq(0..160));
    assert_eq!(log.check_all().unwrap(), 160);
}

#[test]
fn a_log_that_lost_or_changed_what_it_acknowledged_does_not_open() {
    for (what, sql) in [
        ("cut", "DELETE FROM entries WHERE idx = 2"),
        ("taken out", "DELETE FROM entries WHERE idx = 1"),
        ("added", "INSERT INTO entries SELECT 3, recording, type, json FROM entries WHERE idx = 0"),
        ("changed", "UPDATE entries SET json = CAST('{}' AS BLOB) WHERE idx = 1"),
        (
            "swapped",
            "UPDATE entries SET json = (SELECT json FROM entries WHERE idx = 0) WHERE idx = 2",
        ),
        ("a leaf", "UPDATE nodes SET hash = zeroblob(32) WHERE place = 0"),
        ("a node", "UPDATE nodes SET hash = zeroblob(32) WHERE place = 2"),
        ("a node is gone", "DELETE FROM nodes WHERE place = 3"),
        ("the root", "UPDATE checkpoint SET note = replace(note, '3', '2')"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path()).unwrap();
        for n in 0..3 {
            log.append(&manifest(n)).unwrap();
        }
        drop(log);
        edit(dir.path(), sql);
        assert!(
            matches!(open(dir.path()), Err(LogError::Damaged(_) | LogError::Note(_))),
            "{what}"
        );
    }
}

#[test]
fn entries_without_their_checkpoint_are_not_signed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let empty = log.checkpoint().unwrap();
    assert_eq!(Checkpoint::verify(&empty, &key(dir.path()).public()).unwrap().size, 0);
    log.append(&manifest(1)).unwrap();
    edit(dir.path(), "DELETE FROM checkpoint");
    assert!(log.append(&manifest(2)).is_err(), "while open");
    assert!(matches!(open(dir.path()), Err(LogError::Damaged(_))), "at the next start");
}

#[test]
fn a_running_log_notices_that_it_was_turned_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.append(&manifest(1)).unwrap();
    let old = log.checkpoint().unwrap();
    log.append(&manifest(2)).unwrap();
    edit(dir.path(), &format!("UPDATE checkpoint SET note = '{old}'"));
    assert!(log.append(&manifest(3)).is_err(), "an old checkpoint");
    edit(dir.path(), "DELETE FROM entries WHERE idx > 0; DELETE FROM nodes WHERE place > 0");
    let turned_back = log.append(&manifest(3));
    let Err(LogError::Together(cause)) = turned_back else { panic!("{turned_back:?}") };
    assert!(matches!(*cause, LogError::PutBack { has: 1, signed: 2 }), "both of old");
    // It agrees with itself, so another process takes it for whole; a copy of a newer checkpoint
    // shows what happened.
    let other = open(dir.path()).unwrap();
    let newer =
        Checkpoint { size: 2, ..Checkpoint::verify(&old, &key(dir.path()).public()).unwrap() };
    let newer = newer.sign(&key(dir.path()));
    assert!(matches!(other.agrees_with(&newer), Err(LogError::PutBack { has: 1, signed: 2 })));
    assert_eq!(other.agrees_with(&old).unwrap().size, 1);
    let forked = Checkpoint { size: 1, root: Sha256([1; 32]), origin: log.origin().to_owned() };
    let forked = forked.sign(&key(dir.path()));
    assert!(matches!(other.agrees_with(&forked), Err(LogError::Damaged(_))));
}

#[test]
fn another_logs_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let other = EvidenceLog::open(&dir.path().join("log"), "bank.example/2", key(dir.path()));
    assert!(matches!(other, Err(LogError::Damaged(_))));
}
