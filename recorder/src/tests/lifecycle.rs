//! Retention, hold, destruction and the change of keys, beside a running recorder.

use super::*;
use crate::{
    Offline,
    keys::{EscrowPublicKey, EscrowSecretKey, KeyHolder as _, WrappedKey},
    log::{LogEntry, Order},
    verify::{Outcome, verify},
};

/// Films are from 2023; this is long after all retention.
const LATER: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A wall clock that stands still.
struct Wall(UnixMillis);

impl Clock for Wall {
    fn mono(&self) -> Mono {
        START
    }

    fn wall(&self) -> UnixMillis {
        self.0
    }
}

fn office(data: &Path, later: Duration) -> Offline {
    let now = SystemClock::start().wall().0 + later.as_millis() as i64;
    Offline::open(&config(data), Arc::new(Wall(UnixMillis(now)))).unwrap()
}

pub(super) fn order(recording: RecordingId) -> Order {
    let (user, reason) = ("operator".to_owned(), "file 17/2026".to_owned());
    Order { recording, user, reason, at_ms: UnixMillis(1_800_000_000_000) }
}

/// Waits until both stores have everything.
fn settle(data: &Path, recording: RecordingId) {
    let mark = Places::under(data).recordings.join(recording.to_string()).join("replicated");
    while !mark.exists() {
        std::thread::yield_now();
    }
}

impl Rig {
    pub(super) fn destroy(&self, data: &Path, recording: RecordingId) {
        settle(data, recording);
        office(data, LATER).destroy(order(recording)).unwrap();
    }
}

/// Every wrapped key there is of a recording.
fn wrapped(data: &Path, recording: RecordingId) -> Vec<WrappedKey> {
    let places = Places::under(data);
    let key = format!("{recording}/key.json");
    let read = |store: &PathBuf| std::fs::read(store.join(&key)).ok();
    let found = [&places.store_a, &places.store_b].into_iter().filter_map(read);
    found.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
}

#[test]
fn a_recording_is_destroyed_only_after_its_time_and_never_while_held() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    settle(dir.path(), recording);
    let soon = office(dir.path(), Duration::ZERO);
    assert!(matches!(soon.destroy(order(recording)), Err(RecorderError::Retained(_))));
    let late = office(dir.path(), LATER);
    late.hold(order(recording)).unwrap();
    assert!(matches!(late.destroy(order(recording)), Err(RecorderError::Held)));
    late.unhold(order(recording)).unwrap();
    assert!(matches!(late.unhold(order(recording)), Err(RecorderError::Refused(_))));
    // A dispute ended; twenty years count from there, and the longest rule holds.
    let until = UnixMillis(late.standing(recording).unwrap().until.0 + 20 * 366 * 86_400_000);
    late.retain(order(recording), until).unwrap();
    late.retain(order(recording), UnixMillis(1)).unwrap();
    assert_eq!(late.standing(recording).unwrap().until, until);
    assert!(matches!(late.destroy(order(recording)), Err(RecorderError::Retained(_))));
    let nobody = Order { reason: "  ".to_owned(), ..order(recording) };
    assert!(matches!(late.hold(nobody), Err(RecorderError::Config(_))));
    assert!(matches!(late.hold(order(RecordingId::random())), Err(RecorderError::NotFound)));
    let kinds: Vec<_> = late.log.entries_of(recording).unwrap();
    assert!(matches!(
        kinds[..],
        [
            LogEntry::Manifest { .. },
            LogEntry::Hold(_),
            LogEntry::Unhold(_),
            LogEntry::Retain(_),
            LogEntry::Retain(_)
        ]
    ));
    rig.recorder.segment(recording, TrackName::camera(call.customer), 0).unwrap();
}

#[test]
fn what_was_destroyed_never_opens_again_and_the_rest_still_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    settle(dir.path(), recording);
    let before = dir.path().join("before");
    rig.export(recording, &before, false);
    rig.destroy(dir.path(), recording);

    assert!(wrapped(dir.path(), recording).is_empty());
    let folder = Places::under(dir.path()).recordings.join(recording.to_string());
    assert!(!folder.join("journal").exists(), "the journal has a wrapped key");
    let segment = rig.recorder.segment(recording, TrackName::camera(call.customer), 0);
    assert!(matches!(segment, Err(RecorderError::Destroyed)));
    let office = office(dir.path(), LATER);
    for decision in [office.hold(order(recording)), office.destroy(order(recording))] {
        assert!(matches!(decision, Err(RecorderError::Destroyed)));
    }
    let out = dir.path().join("clear");
    let clear = ExportOptions {
        by: "tester".to_owned(),
        reason: "a test".to_owned(),
        at: UnixMillis(1),
        media: true,
        data_key: false,
    };
    assert!(matches!(office.export(recording, &out, &clear), Err(RecorderError::Destroyed)));
    rig.export(recording, &out, false);
    let key = rig.recorder.public_key();
    for bundle in [&before, &out] {
        let report = verify(bundle, &key, None);
        assert!(report.ok, "{:?}", report.first_failure);
    }
    let report = verify(&out, &key, None);
    let said =
        |check, outcome| report.checks.iter().any(|c| c.check == check && c.outcome == outcome);
    assert!(said("destruction", Outcome::Pass) && said("plaintext", Outcome::Skipped));
    assert!(said("segment", Outcome::Pass));

    drop((rig, office));
    let rig = Rig::start(dir.path());
    let lines = rig.recorder.list();
    assert_eq!((lines.len(), lines[0].state.as_str()), (1, "destroyed"));
}

#[test]
fn keys_are_wrapped_anew_and_media_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let calls = [Call::shoot(2.5), Call::shoot(2.5)];
    let recordings = [rig.record(&calls[0]), rig.record(&calls[1])];
    recordings.iter().for_each(|recording| settle(dir.path(), *recording));
    let places = Places::under(dir.path());
    let media = |store: &Path| {
        let mut there = objects(store);
        there.retain(|(path, _)| !path.ends_with("key.json"));
        there
    };
    let before = media(&places.store_a);
    // One call is being recorded meanwhile: its journal needs the old key.
    let open = Call::shoot(2.5);
    let mut tap = rig.recorder.open(open.meta.clone(), START).unwrap();
    open.items.iter().for_each(|item| tap.push(item.clone()));

    let first = office(dir.path(), Duration::ZERO).rotate_keys("operator").unwrap();
    assert_eq!((first.wrapped, first.waiting.len(), first.turn.is_resumed), (2, 1, false));
    for recording in recordings {
        assert!(wrapped(dir.path(), recording).iter().all(|key| key.kek == first.turn.to));
    }
    for (call, recording) in calls.iter().zip(recordings) {
        rig.recorder.segment(recording, TrackName::camera(call.customer), 0).unwrap();
    }
    rig.recorder.close(open.meta.recording, open.end).unwrap();
    settle(dir.path(), open.meta.recording);
    let second = office(dir.path(), Duration::ZERO).rotate_keys("operator").unwrap();
    assert_eq!((second.wrapped, second.is_finished(), second.turn.is_resumed), (1, true, true));
    assert_eq!(second.turn.to, first.turn.to);
    let keys: Vec<_> =
        std::fs::read_dir(&places.keys).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(keys.iter().all(|name| !name.to_str().unwrap().starts_with("kek-")), "{keys:?}");
    let after = media(&places.store_a);
    assert!(before.iter().all(|object| after.contains(object)));

    let third = rig.record(&Call::shoot(2.5));
    assert_eq!(wrapped(dir.path(), third)[0].kek, first.turn.to, "the server sees it at once");
    for recording in [recordings[0], open.meta.recording, third] {
        let bundle = dir.path().join(recording.to_string());
        rig.export(recording, &bundle, true);
        let report = verify(&bundle, &rig.recorder.public_key(), None);
        assert!(report.ok, "{:?}", report.first_failure);
    }
}

#[test]
fn a_rotation_that_was_cut_off_between_the_stores_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let recording = rig.record(&Call::shoot(2.5));
    settle(dir.path(), recording);
    let office = office(dir.path(), Duration::ZERO);
    let turn = office.keys.turn().unwrap();
    let old = wrapped(dir.path(), recording).remove(0);
    let key = office.keys.unwrap(recording, &old).unwrap();
    let new = office.keys.wrap(recording, &key).unwrap();
    let bytes = crate::canonical::to_bytes(&new).unwrap();
    office.archive.stores[0].replace(&ObjectName::key(recording), &bytes).unwrap();
    rig.recorder
        .segment(recording, rig.recorder.view(recording).unwrap().tracks[0].name, 0)
        .unwrap();
    let done = office.rotate_keys("operator").unwrap();
    assert_eq!((done.wrapped, done.is_finished()), (1, true));
    assert_eq!(wrapped(dir.path(), recording), [new.clone(), new]);
    assert_eq!(done.turn.to, turn.to);
}

#[test]
fn a_second_holder_opens_a_recording_from_its_bundle_alone() {
    let dir = tempfile::tempdir().unwrap();
    let holder = EscrowSecretKey::create(&dir.path().join("elsewhere/holder.key")).unwrap();
    let public: EscrowPublicKey = holder.public().unwrap();
    let (clock, (tell, events)) = (TestClock::start(), channel());
    let settings = RecorderConfig { escrow: Some(public), ..config(dir.path()) };
    let recorder = when_unlocked(|| {
        let (tell, clock) = (tell.clone(), Arc::new(clock.clone()));
        Recorder::start(&settings, clock, Box::new(move |event| drop(tell.send(event))))
    });
    let rig = Rig { recorder, events, clock };
    let recording = rig.record(&Call::shoot(2.5));
    settle(dir.path(), recording);
    // The copy survives a change of the bank's key.
    office(dir.path(), Duration::ZERO).rotate_keys("operator").unwrap();
    let bundle = dir.path().join("bundle");
    rig.export(recording, &bundle, false);
    let opened = crate::open_escrowed(&bundle, &rig.recorder.public_key(), &holder).unwrap();
    let report = verify(&bundle, &rig.recorder.public_key(), Some(opened));
    assert!(report.ok, "{:?}", report.first_failure);
    assert!(report.checks.iter().any(|c| c.check == "plaintext" && c.outcome == Outcome::Pass));
    let stranger = EscrowSecretKey::create(&dir.path().join("stranger.key")).unwrap();
    assert!(crate::open_escrowed(&bundle, &rig.recorder.public_key(), &stranger).is_err());
}

#[test]
fn a_log_that_was_put_back_is_noticed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let places = Places::under(dir.path());
    let marked = |size: &str| {
        let note = std::fs::read_to_string(places.store_b.join("log/checkpoint"));
        note.is_ok_and(|note| note.lines().nth(1) == Some(size))
    };
    rig.record(&Call::shoot(2.5));
    drop(rig);
    let database = places.log.join("log.db");
    let old = std::fs::read(&database).unwrap();
    let rig = Rig::start(dir.path());
    rig.record(&Call::shoot(2.5));
    rig.clock.advance(Duration::from_secs(11));
    while !marked("2") {
        std::thread::yield_now();
    }
    drop(rig);
    for extra in ["log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(places.log.join(extra));
    }
    std::fs::write(&database, old).unwrap();
    let started = Rig::try_start(dir.path());
    assert!(
        matches!(
            started,
            Err(RecorderError::Log(crate::log::LogError::PutBack { has: 1, signed: 2 }))
        ),
        "{:?}",
        started.err()
    );
}
