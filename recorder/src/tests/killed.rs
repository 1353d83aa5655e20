//! The recorder in virtual time on a disk that dies between any two steps: it is started again,
//! and what it had acknowledged must be there, the loss must be small and declared, and the bundle
//! must verify.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{OnceLock, mpsc::sync_channel},
};

use proptest::prelude::*;
use vbranch_domain::{Payload, Tap, TrackId, recording::StoreId};

use super::*;
use crate::{
    manifest::{Manifest, State},
    replicator::{Done, Job, Replicator, WINDOW, do_job},
    service::Shared,
    start::open_shared,
    test_disk::{End, Faults, TestDisk},
    test_media::Dice,
    verify::verify,
    worker::{CHORES, Chore, Message, Worker},
};

/// What a kill may cost of any stream.
const KILL_COSTS: Duration = Duration::from_millis(250);
/// What a power cut may cost.
const POWER_CUT_COSTS: Duration = Duration::from_secs(2);
const SECONDS: f64 = 4.0;

/// One call for all runs: making it is most of the work.
fn call() -> &'static Call {
    static CALL: OnceLock<Call> = OnceLock::new();
    CALL.get_or_init(|| Call::shoot(SECONDS))
}

/// Virtual time.
#[derive(Clone, Default)]
struct VirtualClock(Arc<AtomicU64>);

impl Clock for VirtualClock {
    fn mono(&self) -> Mono {
        START + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000)
    }
}

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    end: End,
    /// In which of the disk's steps everything ends; 0 for none.
    dies_at: u64,
    local: Faults,
    stores: Faults,
    /// The longest a store takes for an object, and the local disk for a flush.
    slow_ms: (u64, u64),
    /// Between these milliseconds of the call neither store takes anything.
    outage_ms: (u64, u64),
}

/// The recorder's worker with everything around it worked by hand.
struct Bench {
    worker: Worker,
    shared: Arc<Shared>,
    clock: VirtualClock,
    dice: Dice,
    plan: Plan,
    stores: [Thread<Job>; 2],
    chores: Thread<Chore>,
    told: Receiver<RecorderEvent>,
    events: Vec<RecorderEvent>,
}

/// A thread's queue, and when what it is at will be done.
struct Thread<T> {
    queue: Receiver<T>,
    at: Option<(Mono, T)>,
}

impl<T> Thread<T> {
    fn new(queue: Receiver<T>) -> Self {
        Self { queue, at: None }
    }

    /// What is done by now.
    fn done(&mut self, now: Mono, takes: impl FnOnce() -> Duration) -> Option<T> {
        if self.at.is_none() {
            self.at = self.queue.try_recv().ok().map(|job| (now + takes(), job));
        }
        self.at.take_if(|(at, _)| *at <= now).map(|(_, job)| job)
    }
}

impl Bench {
    fn start(disk: &TestDisk, real: &Path, clock: &VirtualClock, plan: Plan) -> Self {
        let config = config(real);
        let paths = Places::under(real);
        let (tell, told) = channel();
        let store =
            |root: &Path| -> Arc<dyn Store> { Arc::new(FsStore::on(Arc::new(disk.clone()), root)) };
        let kek = Arc::new(FileKeys::open(&paths.keys).unwrap());
        // The lock is on a real disk.
        std::fs::create_dir_all(&paths.recordings).unwrap();
        let clock = clock.clone();
        let shared = when_unlocked(|| {
            let tell = tell.clone();
            open_shared(
                &config,
                Arc::new(disk.clone()),
                [store(&paths.store_a), store(&paths.store_b)],
                kek.clone(),
                Arc::new(clock.clone()),
                Box::new(move |event| drop(tell.send(event))),
            )
        });
        let shared = Arc::new(shared);
        let (_, inbox) = sync_channel(1);
        let ((to_a, a), (to_b, b)) = (sync_channel(WINDOW), sync_channel(WINDOW));
        let (to_chores, chores) = sync_channel(CHORES);
        let replicator = Replicator::new([to_a, to_b], config.spool_bytes, clock.mono());
        Self {
            worker: Worker::new(Arc::clone(&shared), inbox, replicator, to_chores),
            shared,
            clock,
            dice: Dice(plan.seed ^ 1),
            plan,
            stores: [Thread::new(a), Thread::new(b)],
            chores: Thread::new(chores),
            told,
            events: Vec::new(),
        }
    }

    fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// Lets some 20 ms pass.
    fn pass(&mut self) {
        let millis = 18 + self.dice.below(6);
        self.clock.0.fetch_add(millis * 1_000_000, Ordering::SeqCst);
        self.worker.tick();
        let now = self.clock.mono();
        let (dice, (store_ms, local_ms)) = (&mut self.dice, self.plan.slow_ms);
        let mut takes = |most| Duration::from_millis(dice.below(most + 1));
        let archive = Arc::clone(&self.shared);
        let [a, b] = &archive.archive.stores;
        for (n, (id, own, other)) in [(StoreId::A, a, b), (StoreId::B, b, a)].iter().enumerate() {
            while let Some(job) = self.stores[n].done(now, || takes(store_ms)) {
                let result = do_job(job, &***own, &***other, &*archive.archive.spool);
                self.worker.handle(Message::Done(Done { store: *id, result }));
            }
        }
        while let Some(chore) = self.chores.done(now, || takes(local_ms)) {
            self.worker.handle(chore());
        }
        self.events.extend(self.told.try_iter());
    }

    fn is_sealed(&self) -> bool {
        self.events.iter().any(|event| matches!(event, RecorderEvent::Sealed { .. }))
    }

    fn open(&mut self) -> Option<Box<dyn Tap>> {
        let open = Box::new(self.shared.open(call().meta.clone(), START).ok()?);
        let (reply, answer) = sync_channel(1);
        self.worker.handle(Message::Open { open, reply });
        answer.recv().unwrap().ok()
    }

    fn close(&mut self) {
        let (reply, _) = sync_channel(1);
        let (recording, at) = (call().meta.recording, self.now());
        self.worker.handle(Message::Close { recording, at, reply });
    }
}

/// What was known when everything ended.
struct Before {
    /// Since the start of the recording.
    ended: Duration,
    /// Frames that were pushed, by stream, and when.
    frames: Vec<(TrackId, Duration, Payload)>,
    closed: bool,
    sealed: bool,
    opened: bool,
    /// Artefacts whose keeping was acknowledged.
    artifacts: Vec<String>,
    stored: Vec<(PathBuf, Vec<u8>)>,
    steps: u64,
}

/// Records until the end of the call, or of the process.
fn record(disk: &TestDisk, real: &Path, clock: &VirtualClock, plan: Plan) -> Before {
    let mut bench = Bench::start(disk, real, clock, plan);
    let paths = Places::under(real);
    disk.set_faults(&paths.recordings, plan.local);
    disk.set_faults(&paths.store_a, plan.stores);
    disk.set_faults(&paths.store_b, plan.stores);
    let began = disk.steps();
    if plan.dies_at > 0 {
        disk.die_at(began + plan.dies_at);
    }
    let mut items: VecDeque<_> = call().items.iter().cloned().collect();
    let mut frames = Vec::new();
    let mut artifacts = Vec::new();
    let mut waiting = Vec::new();
    let mut closed = false;
    let tap = bench.open();
    let opened = tap.is_some();
    if let Some(mut tap) = tap {
        // Faults may hold sealing up, not for ever.
        for n in 0.. {
            if disk.is_dead() || bench.is_sealed() || n > 3000 {
                break;
            }
            while items.front().is_some_and(|item| time_of(item) <= bench.now()) {
                let item = items.pop_front().unwrap();
                if let TapItem::Frame(frame) = &item {
                    let at = frame.arrived.since(START);
                    frames.push((frame.track, at, frame.payload.clone()));
                }
                tap.push(item);
            }
            if n % 40 == 20 && !closed {
                let name = format!("still-{n}.jpg");
                let (reply, answer) = sync_channel(1);
                let object = crate::store::ArtifactName::try_from(name.clone()).unwrap();
                let (recording, bytes) = (call().meta.recording, vec![7; 500]);
                let message = Message::PutArtifact { recording, name: object, bytes, reply };
                bench.worker.handle(message);
                waiting.push((name, answer));
            }
            if items.is_empty() && !closed {
                bench.close();
                closed = true;
            }
            let since = bench.now().since(START).as_millis() as u64;
            let out = (plan.outage_ms.0..plan.outage_ms.1).contains(&since);
            disk.set_full(&paths.store_a, out);
            disk.set_full(&paths.store_b, out);
            bench.pass();
            waiting.retain(|(name, answer)| match answer.try_recv() {
                Ok(Ok(_)) => {
                    artifacts.push(name.clone());
                    false
                }
                Ok(Err(_)) => false,
                Err(_) => true,
            });
        }
    }
    let stored = [&paths.store_a, &paths.store_b];
    Before {
        ended: bench.now().since(START),
        frames,
        closed,
        sealed: bench.is_sealed(),
        opened,
        artifacts,
        stored: stored.iter().flat_map(|store| disk.durable_files(store)).collect(),
        steps: disk.steps() - began,
    }
}

/// Starts again and seals what is there.
fn recover(disk: &TestDisk, real: &Path, clock: &VirtualClock, plan: Plan) -> Bench {
    let plan = Plan { local: Faults::default(), stores: Faults::default(), ..plan };
    let mut bench = Bench::start(disk, real, clock, plan);
    let found = bench.shared.recover().unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    bench.shared.summaries().extend(found.sealed.into_iter().map(|line| (line.recording, line)));
    let (reply, answer) = sync_channel(1);
    bench.worker.handle(Message::Adopt { closed: found.unfinished, reply });
    while answer.try_recv().is_err() {
        bench.pass();
    }
    // Until both stores have everything.
    let mark = config(real).paths.recordings.join(format!("{}/replicated", call().meta.recording));
    for _ in 0..20_000 {
        if crate::disk::Disk::exists(disk, &mark).unwrap() {
            break;
        }
        bench.pass();
    }
    bench.pass();
    bench
}

fn check(plan: Plan) -> u64 {
    let real = tempfile::tempdir_in("/dev/shm").unwrap();
    let disk = TestDisk::new(plan.seed);
    let clock = VirtualClock::default();
    let before = record(&disk, real.path(), &clock, plan);
    disk.restart(plan.end);
    let bench = recover(&disk, real.path(), &clock, plan);
    let recording = call().meta.recording;
    if !before.opened {
        return before.steps;
    }
    let manifest = bench.shared.archive.manifest(recording).unwrap();
    let media = media(&bench.shared, &manifest);

    assert!(!before.sealed || manifest.state == State::Sealed);
    assert!(before.closed || manifest.state == State::Recovered);
    for name in &before.artifacts {
        assert!(manifest.artifacts.iter().any(|a| a.name.to_string() == *name), "{name} is gone");
    }
    // Faults of the local disk may cost more; those of the stores may not.
    let disturbed = plan.local.errors > 0 || plan.local.failed_syncs > 0;
    let costs = match plan.end {
        End::Kill => KILL_COSTS,
        End::PowerCut => POWER_CUT_COSTS,
    };
    for (stream, at, payload) in &before.frames {
        let track = crate::capture::name_of(*stream);
        let bytes = match payload {
            Payload::H264(nals) => nals.last().unwrap(),
            Payload::Opus(bytes) | Payload::Vp8(bytes) => bytes,
        };
        if media.get(&track).is_some_and(|media| contains(media, bytes)) {
            continue;
        }
        let young = before.ended.saturating_sub(*at) <= costs;
        assert!(young || disturbed, "{stream:?} at {at:?} of {:?} is lost", before.ended);
        // Of a screen that was only just shared nothing may be known, nor of what came after the
        // last word that a failing disk took.
        let is_known = manifest.tracks.iter().any(|known| known.name() == track);
        let crash = manifest.loss.map_or(u64::MAX, |loss| loss.crashed_before_us);
        let unknowable = !is_known || (disturbed && at.as_micros() as u64 + 120_000 > crash);
        assert!(
            unknowable || is_declared(&manifest, *stream, *at),
            "{stream:?} at {at:?} of {:?} is not declared: {:?} {:?}",
            before.ended,
            manifest.gaps,
            manifest.loss,
        );
    }
    for (path, bytes) in &before.stored {
        let Some(name) = path.to_str().filter(|name| name.ends_with(".seg")) else { continue };
        let hash = crate::hash::Sha256::of(bytes);
        let listed = manifest.tracks.iter().flat_map(|track| &track.segments);
        let mut listed = listed.filter(|segment| !segment.lost);
        assert!(listed.any(|s| s.object.sealed_sha256 == hash), "{name} was dropped");
    }
    nothing_readable(&disk, &before);
    let spool = crate::archive::spool_of(&config(real.path()).paths.recordings);
    let left: Vec<_> = disk.files(&spool);
    assert!(left.is_empty(), "both stores have what is left in the spool: {left:?}");

    let bundle = real.path().join("bundle");
    let options = ExportOptions {
        by: "tester".to_owned(),
        reason: "a crash".to_owned(),
        at: UnixMillis(1),
        media: true,
        data_key: true,
    };
    bench.shared.export(recording, &bundle, &options).unwrap();
    let report = verify(&bundle, &bench.shared.archive.public, None);
    assert!(report.ok, "{report:#?}");
    let tails = config(real.path()).paths.recordings.join(format!("{recording}/tails"));
    assert!(!crate::disk::Disk::exists(&disk, &tails).unwrap(), "tails are left");
    before.steps
}

/// Each track's segments in clear, one behind the other.
fn media(shared: &Shared, manifest: &Manifest) -> BTreeMap<TrackName, Vec<u8>> {
    let key = shared.archive.data_key(manifest).unwrap();
    let mut media = BTreeMap::new();
    for track in &manifest.tracks {
        let out: &mut Vec<u8> = media.entry(track.name()).or_default();
        for segment in crate::archive::playable(track) {
            let name = track.name();
            let plain = shared.archive.segment(manifest, &key, name, segment).unwrap();
            out.extend_from_slice(&plain);
        }
    }
    media
}

/// Whether a gap of the stream is there or nearby: media are placed where they were captured, as
/// far as that is known.
fn is_declared(manifest: &Manifest, stream: TrackId, at: Duration) -> bool {
    let to = at.as_micros() as u64;
    let from = to.saturating_sub(120_000);
    manifest.gaps.iter().any(|gap| {
        (gap.participant, gap.kind) == (stream.participant, stream.kind)
            && gap.start_us <= to + 40_000
            && gap.start_us + gap.duration_us >= from
    })
}

fn nothing_readable(disk: &TestDisk, before: &Before) {
    let tail = |payload: &Payload| match payload {
        Payload::H264(nals) => nals.last().unwrap().clone(),
        Payload::Opus(bytes) | Payload::Vp8(bytes) => bytes.clone(),
    };
    let long = before.frames.iter().map(|(.., payload)| tail(payload)).filter(|p| p.len() >= 24);
    let mut secrets: Vec<_> = long.step_by(40).map(|p| p[p.len() - 16..].to_vec()).collect();
    // Long enough not to be there by chance.
    secrets.push(b"\0\0\0\x10mfhd\0\0\0\0".to_vec());
    for bytes in disk.every_byte() {
        for secret in &secrets {
            assert!(!contains(&bytes, secret), "plaintext on the disk");
        }
    }
}

const CLEAN: Plan = Plan {
    seed: 1,
    end: End::Kill,
    dies_at: 0,
    local: Faults { errors: 0, failed_syncs: 0, short_writes: 0 },
    stores: Faults { errors: 0, failed_syncs: 0, short_writes: 0 },
    slow_ms: (40, 25),
    outage_ms: (0, 0),
};

#[test]
fn an_undisturbed_run_is_sealed_in_order() {
    let steps = check(CLEAN);
    assert!(steps > 500, "{steps} steps only");
}

/// Every step of a run of which one in `share` is tried.
fn die_everywhere(end: End, share: u64) {
    let steps = check(Plan { end, ..CLEAN });
    let offset = 1 + CLEAN.seed % share;
    for dies_at in (offset..steps).step_by(share as usize) {
        let plan = Plan { end, dies_at, seed: CLEAN.seed + dies_at, ..CLEAN };
        let result = std::panic::catch_unwind(|| check(plan));
        assert!(result.is_ok(), "{plan:?}");
    }
}

#[test]
fn a_kill_anywhere_costs_a_quarter_of_a_second_at_most() {
    die_everywhere(End::Kill, 5);
}

#[test]
fn a_power_cut_anywhere_costs_two_seconds_at_most() {
    die_everywhere(End::PowerCut, 5);
}

#[test]
fn with_both_stores_out_a_kill_costs_no_more() {
    let plan = Plan { outage_ms: (1000, 6000), ..CLEAN };
    let steps = check(plan);
    for end in [End::Kill, End::PowerCut] {
        for dies_at in (1..steps).step_by(11) {
            let plan = Plan { end, dies_at, seed: dies_at, ..plan };
            let result = std::panic::catch_unwind(|| check(plan));
            assert!(result.is_ok(), "{plan:?}");
        }
    }
}

#[test]
#[ignore = "minutes: every single step"]
fn every_step_of_a_run() {
    die_everywhere(End::Kill, 1);
    die_everywhere(End::PowerCut, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_nothing_is_hidden(
        seed in any::<u32>(),
        power_cut in any::<bool>(),
        dies_at in 1u64..2500,
        local in (0u64..200, 0u64..60, 0u64..20),
        stores in (0u64..60, 0u64..60, 0u64..20),
        slow_ms in (0u64..2000, 0u64..400),
        outage_ms in (0u64..3000, 0u64..5000),
    ) {
        let faults = |(errors, failed_syncs, short_writes): (u64, u64, u64)| Faults {
            // Few of each, or none.
            errors: errors.saturating_sub(20),
            failed_syncs: failed_syncs.saturating_sub(10),
            short_writes,
        };
        let end = if power_cut { End::PowerCut } else { End::Kill };
        let (local, mut stores) = (faults(local), faults(stores));
        // A folder whose flush failed and that could not be removed either is taken for durable.
        if stores.failed_syncs > 0 {
            stores.errors = 0;
        }
        check(Plan { seed: seed.into(), end, dies_at, local, stores, slow_ms, outage_ms });
    }
}
