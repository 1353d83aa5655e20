use std::sync::mpsc::sync_channel;

use vbranch_domain::{ParticipantId, recording::TrackName};

use super::*;

/// Both stores' queues, worked by hand.
struct Bench {
    replicator: Replicator,
    queues: [Receiver<Job>; 2],
    recording: RecordingId,
    participant: ParticipantId,
    now: Mono,
}

impl Bench {
    fn new() -> Self {
        let ((a, qa), (b, qb)) = (sync_channel(WINDOW), sync_channel(WINDOW));
        let mut bench = Self {
            replicator: Replicator::new([a, b], MAX_HELD as u64 * 2, Mono::ZERO),
            queues: [qa, qb],
            recording: RecordingId::random(),
            participant: ParticipantId::random(),
            now: Mono::ZERO,
        };
        for store in [StoreId::A, StoreId::B] {
            assert!(matches!(bench.job(store), Some(Job::Probe)));
            bench.report(store, Ok(()));
        }
        bench
    }

    fn name(&self, sequence: u32) -> ObjectName {
        ObjectName::segment(self.recording, TrackName::camera(self.participant), sequence)
    }

    fn put(&mut self, sequence: u32, len: usize) {
        let name = self.name(sequence);
        self.replicator.put(self.recording, name, vec![1; len].into(), self.now);
    }

    fn job(&self, store: StoreId) -> Option<Job> {
        self.queues[usize::from(store == StoreId::B)].try_recv().ok()
    }

    fn report(&mut self, store: StoreId, result: Result<(), Fault>) {
        self.replicator.done(Done { store, result }, self.now);
    }

    /// Does everything a store is given, well.
    fn work(&mut self, store: StoreId) -> usize {
        let mut done = 0;
        while self.job(store).is_some() {
            self.report(store, Ok(()));
            done += 1;
        }
        done
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.replicator.tick(self.now);
    }
}

fn full() -> Result<(), Fault> {
    Err(Fault::Store(StoreError::Io(std::io::ErrorKind::StorageFull.into())))
}

#[test]
fn an_object_is_durable_when_every_working_store_has_it() {
    let mut bench = Bench::new();
    bench.put(0, 10);
    let name = bench.name(0);
    assert!(!bench.replicator.is_durable(&name, 1));
    bench.work(StoreId::A);
    assert!(bench.replicator.is_durable(&name, 1));
    assert!(!bench.replicator.is_durable(&name, 2), "the other may still take it");
    bench.job(StoreId::B);
    bench.report(StoreId::B, full());
    assert!(matches!(bench.replicator.take_changes()[..], [Change::Degraded(StoreId::B, _)]));
    assert!(bench.replicator.is_durable(&name, 2), "the alarm is raised");
}

#[test]
fn a_store_that_does_not_answer_is_an_alarm_and_catches_up() {
    let mut bench = Bench::new();
    for n in 0..20 {
        bench.put(n, 10);
    }
    assert_eq!(bench.work(StoreId::A), 20);
    bench.pass(4_900);
    assert!(bench.replicator.take_changes().is_empty());
    bench.pass(200);
    assert!(matches!(bench.replicator.take_changes()[..], [Change::Degraded(StoreId::B, _)]));
    assert!(!bench.replicator.is_replicated(bench.recording));
    assert_eq!(bench.work(StoreId::B), 20);
    assert_eq!(bench.replicator.take_changes(), [Change::Recovered(StoreId::B)]);
    assert!(bench.replicator.is_replicated(bench.recording));
}

#[test]
fn a_failed_store_is_tried_once_a_second_and_gets_everything_in_the_end() {
    let mut bench = Bench::new();
    bench.put(0, 10);
    bench.work(StoreId::A);
    let mut tries = 0;
    for _ in 0..50 {
        if bench.job(StoreId::B).is_some() {
            tries += 1;
            bench.report(StoreId::B, full());
        }
        bench.pass(100);
    }
    assert!((4..=6).contains(&tries), "{tries} tries in 5 s");
    bench.pass(1_000);
    assert_eq!(bench.work(StoreId::B), 1);
    assert!(bench.replicator.is_replicated(bench.recording));
}

#[test]
fn memory_is_bounded_and_what_one_store_has_is_copied_from_there() {
    let mut bench = Bench::new();
    let half = MAX_HELD / 2;
    bench.put(0, half);
    bench.put(1, half);
    assert!(!bench.replicator.has_room(1), "neither store has taken anything");
    // B has the first two in its queue already and hangs; A takes what it is given.
    bench.work(StoreId::A);
    assert!(bench.replicator.has_room(half));
    for n in 2..12 {
        assert!(bench.replicator.has_room(half), "{n}");
        bench.put(n, half);
        bench.work(StoreId::A);
    }
    assert!(bench.replicator.has_room(half));
    let mut copies = 0;
    while let Some(job) = bench.job(StoreId::B) {
        copies += usize::from(matches!(job, Job::Copy(..)));
        bench.report(StoreId::B, Ok(()));
    }
    assert!(copies >= 7, "{copies} copies");
    assert!(bench.replicator.is_replicated(bench.recording));
}

#[test]
fn a_bad_object_blames_no_store_and_holds_nothing_up() {
    for fault in [|| Fault::Conflict, || Fault::Source(StoreError::NotFound)] {
        let mut bench = Bench::new();
        (0..3).for_each(|n| bench.put(n, 10));
        bench.work(StoreId::A);
        assert!(bench.job(StoreId::B).is_some());
        bench.report(StoreId::B, Err(fault()));
        assert_eq!(bench.work(StoreId::B), 2, "the others come through");
        assert!(bench.replicator.take_changes().is_empty(), "the store is well");
        assert_eq!(bench.replicator.state()[1], (None, 1, 1));
        let name = bench.name(0);
        assert!(bench.replicator.is_durable(&name, 2), "nobody waits for it");
        assert!(!bench.replicator.is_replicated(bench.recording));
        // Later calls still wait for both stores.
        bench.put(3, 10);
        bench.work(StoreId::A);
        let later = bench.name(3);
        assert!(!bench.replicator.is_durable(&later, 2));
        bench.work(StoreId::B);
        assert!(bench.replicator.is_durable(&later, 2));
        // Someone repairs it.
        bench.pass(60_000);
        assert_eq!(bench.work(StoreId::B), 1);
        assert!(bench.replicator.is_replicated(bench.recording));
    }
}

#[test]
fn a_damaged_source_is_not_the_targets_fault() {
    let dir = tempfile::tempdir().unwrap();
    let stores = ["a", "b"].map(|name| crate::store::FsStore::new(dir.path().join(name)));
    let name =
        ObjectName::segment(RecordingId::random(), TrackName::camera(ParticipantId::random()), 0);
    let [a, b] = &stores;
    let hash = Sha256::of(b"good");
    assert!(matches!(copy(a, b, &name, hash), Err(Fault::Source(_))), "missing");
    a.put(&name, b"damaged").unwrap();
    assert!(matches!(copy(a, b, &name, hash), Err(Fault::Source(_))), "damaged");
    b.put(&name, b"other").unwrap();
    assert!(matches!(copy(b, a, &name, Sha256::of(b"other")), Err(Fault::Conflict)));
}

#[test]
fn what_no_store_takes_waits_in_the_working_folder_within_its_budget() {
    let mut bench = Bench::new();
    let quarter = MAX_HELD / 4;
    bench.put(0, quarter);
    assert!(bench.replicator.poll_spool(bench.now).is_none(), "the stores may take it");
    for store in [StoreId::A, StoreId::B] {
        assert!(bench.job(store).is_some());
        bench.report(store, full());
    }
    // Twice as much as is held in memory, and then nothing more.
    let mut taken = Vec::new();
    for n in 1..20 {
        while let Some((name, bytes)) = bench.replicator.poll_spool(bench.now) {
            assert!(!bench.replicator.is_kept(&name));
            bench.replicator.spooled(name.clone(), Ok(bytes.len() as u64), bench.now);
            assert!(bench.replicator.is_kept(&name), "nothing else has to keep it");
            taken.push(name);
        }
        if bench.replicator.has_room(quarter) {
            bench.put(n, quarter);
        }
    }
    assert_eq!(taken.len(), 8, "the budget");
    assert!(!bench.replicator.has_room(quarter), "memory is full behind it");
    assert!(bench.replicator.take_over().is_empty());

    bench.pass(1_000);
    for store in [StoreId::A, StoreId::B] {
        let mut copied = 0;
        for _ in 0..20 {
            while let Some(job) = bench.job(store) {
                copied += usize::from(matches!(job, Job::Copy(..)));
                bench.report(store, Ok(()));
            }
            bench.pass(1_000);
        }
        assert!(copied > 0 || store == StoreId::B);
    }
    assert!(bench.replicator.is_replicated(bench.recording));
    let mut over = bench.replicator.take_over();
    over.sort();
    taken.sort();
    assert_eq!(over, taken, "both stores have it: it goes from the working folder");
}
