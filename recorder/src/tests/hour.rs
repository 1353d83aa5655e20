//! How long it takes to check a bundle of an hour. `docs/benchmarks/verify.md` has the figure and
//! how to get it.

use std::time::Instant;

use vbranch_domain::MediaKind;

use super::*;
use crate::{
    Offline,
    keys::{DataKey, KeyHolder as _},
    ledger::{Entry, Ledger},
    log::{EvidenceLog, LogEntry},
    manifest::{
        InitEntry, Manifest, Policy, SegmentEntry, chain_next, chain_start, init_context,
        segment_context,
    },
    recording::describe,
    recovery::write_manifest,
    seal::seal,
    segment::{InitHash, TrackCodec},
    test_media::Dice,
    verify::verify,
};

/// Segments of 2 s of an hour.
const SEGMENTS: u32 = 1800;
/// Of one: video of 1 Mbit/s with sound.
const SEGMENT: usize = 256 * 1024;

/// One participant's hour, put into both stores.
fn hour(ledger: &mut Ledger, stores: &[FsStore; 2], key: &DataKey, who: ParticipantId) {
    let (recording, track) = (ledger.recording(), TrackName::camera(who));
    let put = |name: ObjectName, bytes: &[u8]| {
        stores.iter().for_each(|store| store.put(&name, bytes).unwrap());
    };
    let subkey = key.track(recording, track).unwrap();
    let bytes = vec![1; 800];
    let hash = crate::hash::Sha256::of(&bytes);
    let sealed = seal(&subkey, &init_context(recording, track, hash), &bytes).unwrap();
    let codec = |kind, codec: &str, width, height| TrackCodec {
        kind,
        codec: codec.to_owned(),
        width,
        height,
    };
    let codecs = vec![
        codec(MediaKind::Video, "avc3.42e01f", 1280, 720),
        codec(MediaKind::Audio, "opus", 0, 0),
    ];
    ledger.apply(Entry::Init {
        track,
        init: InitEntry { codecs, object: describe(&sealed, &bytes) },
    });
    put(ObjectName::init(recording, track, InitHash(hash.0)), &sealed);
    let mut dice = Dice(1);
    let mut media = vec![0; SEGMENT];
    let mut chain = chain_start(recording, track);
    for sequence in 0..SEGMENTS {
        media.chunks_mut(512).for_each(|chunk| chunk[0] = dice.below(256) as u8);
        let context = segment_context(recording, track, sequence, hash);
        let sealed = seal(&subkey, &context, &media).unwrap();
        let object = describe(&sealed, &media);
        chain = chain_next(chain, sequence, &object);
        let segment = SegmentEntry {
            sequence,
            init: hash,
            start_us: u64::from(sequence) * 2_000_000,
            duration_us: 2_000_000,
            keyframe: true,
            object,
            chain,
            lost: false,
        };
        ledger.apply(Entry::Segment { track, segment });
        put(ObjectName::segment(recording, track, sequence), &sealed);
    }
}

/// An hour of two parties, sealed and on the log.
fn record(dir: &Path) -> RecordingId {
    let places = Places::under(dir);
    drop(Rig::start(dir));
    let call = Call::shoot(0.1);
    let recording = call.meta.recording;
    let key = DataKey::random().unwrap();
    let wrapped = FileKeys::open(&places.keys).unwrap().wrap(recording, &key).unwrap();
    let policy = Policy { stores_required: 2, segment_ms: 2000, heartbeat_ms: 1000 };
    let participants: Vec<_> = call.meta.participants.iter().map(|p| p.id).collect();
    let mut ledger = Ledger::new(call.meta, wrapped.clone(), policy, String::new());
    let stores = [FsStore::new(&places.store_a), FsStore::new(&places.store_b)];
    participants.into_iter().for_each(|who| hour(&mut ledger, &stores, &key, who));
    ledger
        .apply(Entry::Closed { duration_us: 3_600_000_000, at_ms: UnixMillis(1_700_003_600_000) });
    let evidence =
        Arc::new(crate::keys::EvidenceKey::open(&places.keys.join("evidence.key")).unwrap());
    let log = EvidenceLog::open(&places.log, "bank.example/test", Arc::clone(&evidence)).unwrap();
    let folder = places.recordings.join(recording.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let disk = crate::disk::OsDisk;
    let now = UnixMillis(1_700_003_600_000);
    let (manifest, signed): (Manifest, _) =
        write_manifest(&disk, &folder, ledger, None, now, &log, &evidence).unwrap();
    manifest.check().unwrap();
    let sha256 = crate::hash::Sha256::of(&signed.bytes);
    log.append(&LogEntry::Manifest { recording, sha256, at_ms: now }).unwrap();
    for store in stores {
        store
            .put(&ObjectName::key(recording), &crate::canonical::to_bytes(&wrapped).unwrap())
            .unwrap();
    }
    recording
}

#[test]
#[ignore = "a benchmark: run it alone, with 5 GB of disk to spare"]
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn an_hour_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let recording = record(dir.path());
    let office = Offline::open(&config(dir.path()), Arc::new(SystemClock::start())).unwrap();
    for (what, data_key) in [("without the data key", false), ("with the data key", true)] {
        let bundle = dir.path().join(what);
        let options = ExportOptions {
            by: "bench".to_owned(),
            reason: "a benchmark".to_owned(),
            at: UnixMillis(1_700_000_000_000),
            media: false,
            data_key,
        };
        office.export(recording, &bundle, &options).unwrap();
        let bytes: usize = files(&bundle).iter().map(|(_, bytes)| bytes.len()).sum();
        let mut best = f64::MAX;
        for _ in 0..3 {
            let begun = Instant::now();
            let report = verify(&bundle, &office.archive.public, None);
            best = best.min(begun.elapsed().as_secs_f64());
            assert!(report.ok, "{:?}", report.first_failure);
        }
        println!(
            "FIGURE: bundle of an hour, {} MB, verified {what}: {best:.2} s",
            bytes / 1_000_000
        );
    }
}
