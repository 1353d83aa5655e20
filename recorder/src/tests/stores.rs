//! One of the two stores is full or hangs: the call is recorded all the same, and the store gets
//! everything it missed.

use vbranch_domain::recording::StoreId;

use super::*;
use crate::verify::verify;

pub(super) fn rig_with_b(dir: &Path, mood: Mood) -> (Rig, Arc<MoodyStore>) {
    let paths = Places::under(dir);
    let b = MoodyStore::new(paths.store_b, mood);
    let a: Arc<dyn Store> = Arc::new(FsStore::new(paths.store_a));
    (Rig::with_stores(dir, [a, Arc::clone(&b) as Arc<dyn Store>]), b)
}

fn degraded(event: &RecorderEvent) -> bool {
    matches!(event, RecorderEvent::StoreDegraded { store: StoreId::B, .. })
}

fn recovered(event: &RecorderEvent) -> bool {
    matches!(event, RecorderEvent::StoreRecovered { store: StoreId::B })
}

#[test]
fn a_full_store_costs_nothing_and_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Places::under(dir.path());
    let (rig, b) = rig_with_b(dir.path(), Mood::Full);
    rig.wait(degraded);
    assert!(rig.recorder.health().is_ready());
    let recording = rig.record(&Call::shoot(4.0));
    assert!(rig.recorder.health().stores[1].trouble.is_some());
    assert!(rig.recorder.health().stores[1].behind > 0);
    assert!(objects(&paths.store_a).len() > 6);
    rig.export(recording, &dir.path().join("bundle"), false);
    assert!(verify(&dir.path().join("bundle"), &rig.recorder.public_key(), None).ok);

    b.set(Mood::Well);
    rig.clock.advance(Duration::from_secs(2));
    rig.wait(recovered);
    assert_eq!(objects(&paths.store_a), objects(&paths.store_b));
}

#[test]
fn a_store_that_fills_up_during_the_call_catches_up_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Places::under(dir.path());
    let (rig, b) = rig_with_b(dir.path(), Mood::Well);
    let call = Call::shoot(4.0);
    let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
    let (early, late) = call.items.split_at(call.items.len() * 3 / 4);
    early.iter().for_each(|item| tap.push(item.clone()));
    rig.wait_first_segment();
    b.set(Mood::Full);
    late.iter().for_each(|item| tap.push(item.clone()));
    rig.recorder.close(call.meta.recording, call.end).unwrap();
    rig.wait(degraded);
    drop(rig);
    assert_ne!(objects(&paths.store_a), objects(&paths.store_b));

    b.set(Mood::Well);
    let a: Arc<dyn Store> = Arc::new(FsStore::new(&paths.store_a));
    let rig = Rig::with_stores(dir.path(), [a, b as Arc<dyn Store>]);
    let mark = paths.recordings.join(call.meta.recording.to_string()).join("replicated");
    while !mark.exists() {
        std::thread::yield_now();
    }
    assert_eq!(objects(&paths.store_a), objects(&paths.store_b));
    assert!(rig.recorder.recovered().is_empty());
}

#[test]
fn a_hanging_store_holds_up_neither_the_other_nor_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let (rig, b) = rig_with_b(dir.path(), Mood::Well);
    let call = Call::shoot(4.0);
    let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
    b.set(Mood::Hanging);
    call.items.iter().for_each(|item| tap.push(item.clone()));
    // The first segments wait for both stores until the alarm, then one is enough.
    while objects(&Places::under(dir.path()).store_a).len() < 5 {
        std::thread::yield_now();
    }
    rig.clock.advance(Duration::from_secs(6));
    rig.wait(degraded);
    rig.wait_first_segment();
    rig.recorder.close(call.meta.recording, call.end).unwrap();
    b.set(Mood::Well);
    rig.wait(recovered);
}

#[test]
fn a_hanging_store_holds_up_neither_replay_nor_start() {
    let dir = tempfile::tempdir().unwrap();
    let (rig, b) = rig_with_b(dir.path(), Mood::Well);
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    b.set(Mood::Hanging);
    let replay = |rig: &Rig| {
        let (recorder, customer) = (rig.recorder.clone(), call.customer);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            recorder.view(recording).unwrap();
            recorder.segment(recording, TrackName::camera(customer), 0).unwrap();
            // Gone before the word is out: the folder is locked while anyone holds the recorder.
            drop(recorder);
            tell.send(()).unwrap();
        });
        told.recv_timeout(PATIENCE).expect("the replay hangs");
    };
    replay(&rig);
    drop(rig);
    let (rig, other) = rig_with_b(dir.path(), Mood::Hanging);
    replay(&rig);
    [b, other].iter().for_each(|store| store.set(Mood::Well));
}

#[test]
fn replay_reads_whichever_copy_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Places::under(dir.path());
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    let segment = |rig: &Rig| rig.recorder.segment(recording, TrackName::camera(call.customer), 0);
    let good = segment(&rig).unwrap();
    let name = ObjectName::segment(recording, TrackName::camera(call.customer), 0);
    let copies = [&paths.store_a, &paths.store_b].map(|store| store.join(name.as_str()));
    let damage = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, b"damaged").unwrap();
    };
    damage(&copies[0]);
    assert_eq!(segment(&rig).unwrap(), good);
    damage(&copies[1]);
    assert!(matches!(segment(&rig), Err(RecorderError::NoGoodCopy)));
}

#[test]
fn without_any_store_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Places::under(dir.path());
    for store in [&paths.store_a, &paths.store_b] {
        std::fs::write(store, b"a file where a folder should be").unwrap();
    }
    assert!(matches!(Rig::try_start(dir.path()), Err(RecorderError::NoStore(_))));
}

#[test]
fn keys_that_others_can_read_stop_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    drop(Rig::start(dir.path()));
    let kek = Places::under(dir.path()).keys.join("kek.key");
    std::fs::set_permissions(&kek, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Rig::try_start(dir.path()), Err(RecorderError::Key(_))));
}

#[test]
fn a_lost_key_is_not_replaced_while_recordings_need_it() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    rig.record(&Call::shoot(2.5));
    drop(rig);
    let kek = Places::under(dir.path()).keys.join("kek.key");
    let away = kek.with_extension("away");
    std::fs::rename(&kek, &away).unwrap();
    assert!(matches!(Rig::try_start(dir.path()), Err(RecorderError::Config(_))));
    assert!(!kek.exists());
    std::fs::rename(&away, &kek).unwrap();
    Rig::start(dir.path());
}
