//! What a log of millions costs. `docs/benchmarks/log.md` has the figures and how to get them.

use std::time::Instant;

use vbranch_domain::UnixMillis;

use super::*;

/// Entries put into one transaction while the log is filled.
const BATCH: u64 = 20_000;
/// Proofs timed.
const PROOFS: u64 = 2_000;

fn entry() -> LogEntry {
    let (recording, sha256) = (RecordingId::random(), Sha256([7; 32]));
    LogEntry::Manifest { recording, sha256, at_ms: UnixMillis(1_800_000_000_000) }
}

/// Fills the log as appends do, but many to a transaction; every so many recordings are named.
fn fill(log: &EvidenceLog, entries: u64) -> Vec<RecordingId> {
    let mut known = Vec::new();
    let mut left = entries;
    while left > 0 {
        let batch = left.min(BATCH);
        log.write(|tables, seen| {
            for n in 0..batch {
                let entry = entry();
                if n % (BATCH / 10) == 0 {
                    known.extend(entry.recording());
                }
                tables.push(seen.size + n, &entry, &canonical::to_bytes(&entry)?)?;
            }
            Ok(())
        })
        .unwrap();
        left -= batch;
    }
    known
}

fn at(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

#[test]
#[ignore = "a benchmark: run it alone, on a disk with 10 GB to spare"]
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn millions() {
    let entries = std::env::var("VBRANCH_LOG_ENTRIES").map_or(10_000_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let key = Arc::new(EvidenceKey::open(&dir.path().join("evidence.key")).unwrap());
    let folder = dir.path().join("log");
    let log = EvidenceLog::open(&folder, "bank.example/bench", Arc::clone(&key)).unwrap();
    let known = fill(&log, entries);
    drop(log);
    let begun = Instant::now();
    let log = EvidenceLog::open(&folder, "bank.example/bench", Arc::clone(&key)).unwrap();
    let opened = begun.elapsed().as_secs_f64();
    let size = std::fs::metadata(folder.join("log.db")).unwrap().len();
    println!("FIGURE: log of {entries} entries: {} MB, opened in {opened:.2} s", size / 1_000_000);

    let previous = Checkpoint { origin: log.origin().to_owned(), size: 0, root: Sha256::of(b"") };
    let previous = previous.sign(&key);
    let mut millis: Vec<_> = (0..PROOFS)
        .map(|n| {
            let recording = known[(n * 7919) as usize % known.len()];
            let begun = Instant::now();
            log.evidence(recording, Some(&previous)).unwrap().unwrap();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    millis.sort_by(f64::total_cmp);
    println!(
        "FIGURE: inclusion and consistency proof: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        at(&millis, 0.5),
        at(&millis, 0.99),
        at(&millis, 1.0)
    );
    for callers in [1, 8, 64, 256_u64] {
        let each = (8_000 / callers).clamp(25, 400);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    for _ in 0..each {
                        let entry = entry();
                        log.append(&entry).unwrap();
                        log.prove(entry.recording().unwrap()).unwrap().unwrap();
                    }
                });
            }
        });
        let rate = (callers * each) as f64 / begun.elapsed().as_secs_f64();
        println!("FIGURE: appends with proof, {callers} callers: {rate:.0} a second");
    }
}
