//! Stores in buckets of a real S3 server, which the test starts: what is put is kept, what may go
//! goes, and a server that is out, wrong or slow is a store that is down.

use vbranch_domain::recording::StoreId;

use super::*;
use crate::{
    store::{S3Settings, S3Store, Secret},
    test_s3::{Line, LineMood, S3Server},
    verify::verify,
};

fn open(settings: &S3Settings) -> S3Store {
    S3Store::new(settings, Arc::new(SystemClock::start())).unwrap()
}

fn segment(n: u32) -> ObjectName {
    ObjectName::segment(RecordingId::random(), TrackName::camera(ParticipantId::random()), n)
}

#[test]
fn an_object_in_a_bucket_reads_back_and_is_never_overwritten() {
    let Some(server) = S3Server::start() else { return };
    let store = open(&server.bucket("plain"));
    let name = segment(3);
    assert!(matches!(store.get(&name, 10), Err(StoreError::NotFound)));
    store.put(&name, b"first").unwrap();
    store.put(&name, b"first").unwrap();
    for other in [b"other".as_slice(), b"f", b"first and more"] {
        assert!(matches!(store.put(&name, other), Err(StoreError::Conflict)));
    }
    assert_eq!(store.get(&name, 10).unwrap(), b"first");
    assert!(matches!(store.get(&name, 4), Err(StoreError::TooLarge)));
    store.probe().unwrap();

    let key = ObjectName::key(RecordingId::random());
    store.put(&key, b"wrapped").unwrap();
    assert!(
        matches!(store.put(&key, b"other"), Err(StoreError::Conflict)),
        "only replace replaces"
    );
    store.replace(&key, b"wrapped anew").unwrap();
    assert_eq!(store.get(&key, 100).unwrap(), b"wrapped anew");
    store.remove(&key).unwrap();
    store.remove(&key).unwrap();
    assert!(matches!(store.get(&key, 100), Err(StoreError::NotFound)));
}

#[test]
fn wrong_credentials_and_missing_buckets_are_trouble_and_never_missing_objects() {
    let Some(server) = S3Server::start() else { return };
    let right = server.bucket("plain");
    let secret_key = Secret::from("0123456789012345678901234567890123456789".to_owned());
    let wrong = [
        S3Settings { access_key: "AKIAXXXXXXXXXXXXXXXX".to_owned(), ..right.clone() },
        S3Settings { secret_key, ..right.clone() },
        S3Settings { bucket: "no-such-bucket".to_owned(), ..right.clone() },
        S3Settings { keys_bucket: Some("no-such-bucket".to_owned()), ..right.clone() },
    ];
    for settings in wrong {
        let store = open(&settings);
        let said = match store.probe() {
            Err(StoreError::Server(said)) => said,
            other => panic!("{settings:?}: {other:?}"),
        };
        assert!(["access denied", "there is no such bucket"].contains(&said.as_str()), "{said}");
        assert!(matches!(store.put(&segment(0), b"x"), Err(StoreError::Server(_))));
        if settings.keys_bucket == right.keys_bucket {
            assert!(matches!(store.get(&segment(0), 9), Err(StoreError::Server(_))));
        }
    }
}

#[test]
fn a_bucket_that_must_be_written_once_is_refused_unless_it_is() {
    let Some(server) = S3Server::start() else { return };
    let once = |bucket: &str, lock_days| S3Settings {
        write_once: true,
        lock_days,
        ..server.bucket(bucket)
    };
    let refused = |settings: &S3Settings, why: &str| match open(settings).probe() {
        Err(StoreError::Unfit(said)) => assert!(said.contains(why), "{said}"),
        other => panic!("{settings:?}: {other:?}"),
    };
    refused(&once("plain", 0), "can be overwritten");
    refused(&once("versioned", 0), "versions of objects in the bucket can be deleted");
    refused(&once("lockable", 0), "versions of objects in the bucket can be deleted");
    let locked_keys =
        |settings| S3Settings { keys_bucket: Some("versioned".to_owned()), ..settings };
    refused(&locked_keys(server.bucket("plain")), "keeps old versions");
    // By the bucket's own rule, and by each object's wish.
    for settings in [once("locked", 0), once("lockable", 1)] {
        let store = open(&settings);
        store.probe().unwrap();
        store.probe().unwrap();
        let name = segment(0);
        store.put(&name, b"evidence").unwrap();
        assert!(matches!(store.put(&name, b"other"), Err(StoreError::Conflict)));
        assert_eq!(store.get(&name, 100).unwrap(), b"evidence");
        let key = ObjectName::key(RecordingId::random());
        store.put(&key, b"wrapped").unwrap();
        store.remove(&key).unwrap();
        assert!(matches!(store.get(&key, 100), Err(StoreError::NotFound)), "it can be destroyed");
    }
}

#[test]
fn an_unfit_bucket_takes_no_evidence_and_the_other_store_carries_on() {
    let Some(server) = S3Server::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let unfit = S3Settings { write_once: true, ..server.bucket("plain") };
    let rig = Rig::with_stores(dir.path(), [folder(dir.path()), Arc::new(open(&unfit))]);
    let event = rig.wait(|event| matches!(event, RecorderEvent::StoreDegraded { .. }));
    assert!(format!("{event:?}").contains("overwritten"), "{event:?}");
    rig.record(&Call::shoot(2.5));
    assert!(rig.recorder.health().stores[1].behind > 0, "nothing was given to it");
}

fn folder(dir: &Path) -> Arc<dyn Store> {
    Arc::new(FsStore::new(Places::under(dir).store_a))
}

/// Every object of the folder is in the bucket as well, byte by byte.
fn assert_caught_up(dir: &Path, bucket: &S3Settings, recording: RecordingId) {
    let mark = Places::under(dir).recordings.join(recording.to_string()).join("replicated");
    while !mark.exists() {
        std::thread::yield_now();
    }
    let store = object_store::aws::AmazonS3Builder::new()
        .with_endpoint(bucket.endpoint.clone().unwrap())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_access_key_id(&bucket.access_key)
        .with_secret_access_key(bucket.secret_key.expose());
    let there = objects(&Places::under(dir).store_a);
    assert!(there.len() > 6);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (path, bytes) in there {
        let path = path.to_str().unwrap();
        let name = if path.ends_with("key.json") { "keys" } else { &bucket.bucket };
        let bucket = store.clone().with_bucket_name(name).build().unwrap();
        let path = object_store::path::Path::from(format!("branch-1/{path}"));
        let copy = runtime.block_on(async {
            use object_store::ObjectStoreExt as _;
            bucket.get(&path).await.unwrap().bytes().await.unwrap()
        });
        assert!(copy == bytes, "{path}");
    }
}

#[test]
fn a_call_is_recorded_into_a_folder_and_a_bucket_and_into_two_buckets() {
    let Some(server) = S3Server::start() else { return };
    let once = S3Settings { write_once: true, ..server.bucket("locked") };
    let second = S3Settings { prefix: "branch-1-copy".to_owned(), ..server.bucket("plain") };
    for n in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let other = if n == 0 { folder(dir.path()) } else { Arc::new(open(&second)) };
        let rig = Rig::with_stores(dir.path(), [other, Arc::new(open(&once))]);
        let call = Call::shoot(2.5);
        let recording = rig.record(&call);
        let bundle = dir.path().join("bundle");
        rig.export(recording, &bundle, true);
        let report = verify(&bundle, &rig.recorder.public_key(), None);
        assert!(report.ok, "{:?}", report.first_failure);
        if n == 0 {
            assert_caught_up(dir.path(), &once, recording);
        }
        rig.recorder.segment(recording, TrackName::camera(call.customer), 0).unwrap();
    }
}

#[test]
fn a_server_that_goes_away_in_mid_call_is_an_alarm_and_gets_what_it_missed() {
    let Some(server) = S3Server::start() else { return };
    for mood in [LineMood::Closed, LineMood::Failing, LineMood::Silent] {
        let dir = tempfile::tempdir().unwrap();
        let line = Line::to(&server);
        let bucket = line.through(server.bucket("plain"));
        let rig = Rig::with_stores(dir.path(), [folder(dir.path()), Arc::new(open(&bucket))]);
        let call = Call::shoot(4.0);
        let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
        let (early, late) = call.items.split_at(call.items.len() * 3 / 4);
        early.iter().for_each(|item| tap.push(item.clone()));
        rig.wait_first_segment();
        line.set(mood);
        late.iter().for_each(|item| tap.push(item.clone()));
        if mood == LineMood::Silent {
            // Less than the 10 s within which a failure must be known.
            while rig.recorder.health().stores[1].behind == 0 {
                std::thread::yield_now();
            }
            rig.clock.advance(Duration::from_secs(6));
        }
        rig.wait(|event| matches!(event, RecorderEvent::StoreDegraded { store: StoreId::B, .. }));
        rig.recorder.close(call.meta.recording, call.end).unwrap();
        assert!(rig.recorder.health().is_ready());
        line.set(LineMood::Well);
        rig.clock.advance(Duration::from_secs(2));
        rig.wait(|event| matches!(event, RecorderEvent::StoreRecovered { store: StoreId::B }));
        assert_caught_up(dir.path(), &server.bucket("plain"), call.meta.recording);
    }
}
