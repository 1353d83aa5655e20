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
    match entry {
        LogEntry::Manifest { recording, .. } => *recording,
        LogEntry::Replay(access) | LogEntry::Export(access) => access.recording,
    }
}

#[test]
fn every_entry_is_provable_and_a_proof_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let entries: Vec<_> = (0..9).map(manifest).collect();
    entries.iter().for_each(|entry| log.append(entry).unwrap());
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
        if i % 2 == 0 { a.append(entry).unwrap() } else { b.append(entry).unwrap() }
    }
    assert_eq!(a.checkpoint().unwrap(), b.checkpoint().unwrap());
    let public = key(dir.path()).public();
    for entry in &entries {
        let proof = a.prove(recording(entry)).unwrap().unwrap();
        assert_eq!(proof.verify(&public).unwrap().size, 6);
    }
}

#[test]
fn a_torn_tail_is_dropped_and_a_whole_one_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log/entries");
    open(dir.path()).unwrap().append(&manifest(1)).unwrap();
    let acknowledged = std::fs::read(&path).unwrap();

    // The process died while writing: no line end.
    std::fs::write(&path, [acknowledged.as_slice(), b"{\"type\":\"mani"].concat()).unwrap();
    let log = open(dir.path()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), acknowledged);
    drop(log);

    // The process died between the entry and the checkpoint.
    let more = manifest(2);
    let line = canonical::to_bytes(&more).unwrap();
    std::fs::write(&path, [acknowledged.as_slice(), &line, b"\n"].concat()).unwrap();
    let log = open(dir.path()).unwrap();
    let proof = log.prove(recording(&more)).unwrap().unwrap();
    assert_eq!(proof.verify(&key(dir.path()).public()).unwrap().size, 2);
}

#[test]
fn a_log_that_lost_or_changed_what_it_acknowledged_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    (0..3).for_each(|n| log.append(&manifest(n)).unwrap());
    drop(log);
    let path = dir.path().join("log/entries");
    let whole = std::fs::read(&path).unwrap();

    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(open(dir.path()), Err(LogError::Damaged(_))), "cut");
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(matches!(open(dir.path()), Err(LogError::Damaged(_))), "changed at {at}");
    }
    std::fs::write(&path, &whole).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn entries_without_their_checkpoint_are_not_signed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let empty = log.checkpoint().unwrap().unwrap();
    assert_eq!(note::Checkpoint::verify(&empty, &key(dir.path()).public()).unwrap().size, 0);
    log.append(&manifest(1)).unwrap();
    std::fs::remove_file(dir.path().join("log/checkpoint")).unwrap();
    assert!(matches!(log.append(&manifest(2)), Err(LogError::Damaged(_))), "while open");
    assert!(matches!(open(dir.path()), Err(LogError::Damaged(_))), "at the next start");
}

#[test]
fn a_running_log_notices_that_entries_were_taken_or_turned_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let (entries, checkpoint) = (dir.path().join("log/entries"), dir.path().join("log/checkpoint"));
    log.append(&manifest(1)).unwrap();
    let old = [&entries, &checkpoint].map(|path| std::fs::read(path).unwrap());
    log.append(&manifest(2)).unwrap();
    std::fs::write(&checkpoint, &old[1]).unwrap();
    assert!(matches!(log.append(&manifest(3)), Err(LogError::Damaged(_))), "an old checkpoint");
    std::fs::write(&entries, &old[0]).unwrap();
    assert!(matches!(log.append(&manifest(3)), Err(LogError::Damaged(_))), "both of old");
}

#[test]
fn another_logs_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let other = EvidenceLog::open(&dir.path().join("log"), "bank.example/2", key(dir.path()));
    assert!(matches!(other, Err(LogError::Damaged(_))));
}

#[test]
fn an_entry_is_never_acknowledged_without_a_checkpoint_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    // The checkpoint cannot be written: its temporary name is taken by a folder.
    let block = dir.path().join("log/checkpoint.new");
    std::fs::create_dir(&block).unwrap();
    let entry = manifest(1);
    assert!(log.append(&entry).is_err());
    assert!(log.append(&entry).is_err(), "entered, but not signed");
    std::fs::remove_dir(&block).unwrap();
    log.append(&entry).unwrap();
    let proof = log.prove(recording(&entry)).unwrap().unwrap();
    assert_eq!(proof.verify(&key(dir.path()).public()).unwrap().size, 1);
    assert_eq!(std::fs::read_to_string(dir.path().join("log/entries")).unwrap().lines().count(), 1);
}
