//! A destruction on a disk that dies in each of its steps: afterwards the recording is as it was,
//! or its keys are gone and the log says so. Nothing in between stays.

use super::{lifecycle::order, *};
use crate::{
    Offline,
    log::LogEntry,
    service::Shared,
    start::open_shared,
    test_disk::{End, TestDisk},
};

/// Long after all retention.
struct Late(TestClock);

impl Clock for Late {
    fn mono(&self) -> Mono {
        self.0.mono()
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.wall().0 + 10 * 366 * 86_400_000)
    }
}

/// What the folders of a finished recording hold, to be laid out on other disks.
struct Finished {
    data: tempfile::TempDir,
    recording: RecordingId,
}

fn finished() -> Finished {
    let data = tempfile::tempdir().unwrap();
    let rig = Rig::start(data.path());
    let recording = rig.record(&Call::shoot(2.5));
    let folder = Places::under(data.path()).recordings.join(recording.to_string());
    while !folder.join("replicated").exists() || folder.join("journal").exists() {
        std::thread::yield_now();
    }
    drop(rig);
    // As after a crash between the mark and the removal: a wrapped key more to destroy.
    std::fs::write(folder.join("journal"), b"left over").unwrap();
    Finished { data, recording }
}

fn stores(disk: &TestDisk, places: &Places) -> [Arc<dyn Store>; 2] {
    [&places.store_a, &places.store_b]
        .map(|root| Arc::new(FsStore::on(Arc::new(disk.clone()), root)) as Arc<dyn Store>)
}

/// A copy of the finished recording: keys and log on a real disk, all else on one that dies.
fn lay_out(from: &Finished, to: &Path) -> TestDisk {
    let disk = TestDisk::new(7);
    let real = from.data.path();
    for (path, bytes) in files(real) {
        let path = path.strip_prefix(real).unwrap();
        let target = to.join(path);
        if path.starts_with("keys") || path.starts_with("log") {
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(real.join(path), &target).unwrap();
        } else {
            disk.lay(&target, bytes);
        }
    }
    std::fs::create_dir_all(to.join("recordings")).unwrap();
    disk
}

fn office(disk: &TestDisk, dir: &Path) -> Result<Offline, RecorderError> {
    let clock = Arc::new(Late(TestClock::start()));
    let stores = stores(disk, &Places::under(dir));
    Offline::open_on(&config(dir), Arc::new(disk.clone()), stores, clock)
}

/// A server's start, which goes on with what was cut off.
fn restart(disk: &TestDisk, dir: &Path) -> Shared {
    let shared = when_unlocked(|| {
        let stores = stores(disk, &Places::under(dir));
        let kek = Arc::new(FileKeys::open(&Places::under(dir).keys).unwrap());
        let clock = Arc::new(TestClock::start());
        open_shared(&config(dir), Arc::new(disk.clone()), stores, kek, clock, Box::new(|_| ()))
    });
    let found = shared.recover().unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    shared
}

#[test]
fn a_crash_anywhere_leaves_a_recording_whole_or_destroyed() {
    let finished = finished();
    let recording = finished.recording;
    for end in [End::Kill, End::PowerCut] {
        let (mut whole, mut destroyed) = (0, 0);
        for dies_at in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let disk = lay_out(&finished, dir.path());
            let begun = office(&disk, dir.path()).unwrap();
            disk.die_at(disk.steps() + dies_at);
            let done = begun.destroy(order(recording));
            drop(begun);
            if done.is_ok() && !disk.is_dead() {
                assert!(whole > 2 && destroyed > 2, "{whole} {destroyed}");
                break;
            }
            disk.restart(end);
            let shared = restart(&disk, dir.path());
            let places = Places::under(dir.path());
            let keys: Vec<_> = stores(&disk, &places)
                .iter()
                .map(|store| store.get(&ObjectName::key(recording), 16 * 1024).is_ok())
                .collect();
            let entries = shared.log.entries_of(recording).unwrap();
            let told = entries.iter().filter(|e| matches!(e, LogEntry::Destroy(_))).count();
            let manifest = shared.archive.manifest(recording).unwrap();
            match shared.archive.data_key(&manifest) {
                Ok(_) => {
                    assert_eq!(
                        (keys.as_slice(), told),
                        ([true; 2].as_slice(), 0),
                        "step {dies_at}"
                    );
                    whole += 1;
                }
                Err(RecorderError::Destroyed) => {
                    assert_eq!(
                        (keys.as_slice(), told),
                        ([false; 2].as_slice(), 1),
                        "step {dies_at}"
                    );
                    let journal = places.recordings.join(recording.to_string()).join("journal");
                    assert!(!crate::disk::Disk::exists(&disk, &journal).unwrap());
                    destroyed += 1;
                }
                Err(other) => panic!("step {dies_at}: {other}"),
            }
        }
    }
}

#[test]
fn a_store_that_fails_leaves_a_destruction_to_be_finished() {
    let finished = finished();
    let dir = tempfile::tempdir().unwrap();
    let disk = lay_out(&finished, dir.path());
    let office = office(&disk, dir.path()).unwrap();
    let places = Places::under(dir.path());
    disk.set_full(&places.store_b, true);
    assert!(office.destroy(order(finished.recording)).is_err());
    let manifest = office.archive.manifest(finished.recording).unwrap();
    office.archive.data_key(&manifest).unwrap();
    disk.set_full(&places.store_b, false);
    office.destroy(order(finished.recording)).unwrap();
    assert!(matches!(office.archive.data_key(&manifest), Err(RecorderError::Destroyed)));
}
