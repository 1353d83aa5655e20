use vbranch_domain::{
    CallId, EncodedFrame, Leg, MediaKind, ParticipantId, Payload, RtpTime, Tap as _, TrackId,
    VisitId,
};

use super::*;
use crate::{
    keys::{FileKeys, KeyHolder as _},
    tap::RecorderTap,
    test_disk::{Faults, TestDisk},
};

const START: Mono = Mono::from_millis(1_000);
const FOLDER: &str = "/r";

fn open(disk: &TestDisk) -> OpenRecording {
    let recording = RecordingId::random();
    let meta = RecordingMeta {
        recording,
        visit: VisitId::random(),
        call: CallId::random(),
        started: UnixMillis(1),
        journey: "demo-loan@1".to_owned(),
        participants: Vec::new(),
    };
    let keys = tempfile::tempdir().unwrap();
    let kek = FileKeys::open(keys.path()).unwrap();
    let key = DataKey::random().unwrap();
    let wrapped = kek.wrap(recording, &key).unwrap();
    let policy = Policy { stores_required: 2, segment_ms: 2000, heartbeat_ms: 1000 };
    let disk = Arc::new(disk.clone());
    OpenRecording::open(disk, Path::new(FOLDER), meta, (key, wrapped), policy, START).unwrap()
}

/// Writes and flushes; what may go to the stores.
fn flush(open: &mut OpenRecording, now: Mono) -> Vec<Outgoing> {
    open.write(now);
    match open.sync(now) {
        Some(work) => open.synced(work.run(), now),
        None => Vec::new(),
    }
}

fn journal(disk: &TestDisk) -> Vec<Entry> {
    journal::read(disk, &journal::path(Path::new(FOLDER))).unwrap()
}

fn artifact(open: &mut OpenRecording, name: &str, len: usize) -> Result<(), RecorderError> {
    let name = ArtifactName::try_from(name.to_owned()).unwrap();
    open.put_artifact(name, &vec![7; len]).map(|_| ())
}

#[test]
fn no_store_gets_what_the_journal_does_not_have() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    assert_eq!(flush(&mut open, START).len(), 1, "the wrapped key");
    disk.set_full(Path::new(FOLDER), true);
    artifact(&mut open, "still.jpg", 10).unwrap();
    assert!(flush(&mut open, START).is_empty() && open.has_outgoing());
    assert!(matches!(open.take_events()[..], [RecorderEvent::Failed { .. }]));

    disk.set_full(Path::new(FOLDER), false);
    assert!(flush(&mut open, START + RETRY_AFTER / 2).is_empty(), "tried again too early");
    assert_eq!(flush(&mut open, START + RETRY_AFTER).len(), 1);
    assert!(journal(&disk).iter().any(|entry| matches!(entry, Entry::Artifact(_))));
}

#[test]
fn after_a_failed_flush_the_journal_is_written_anew() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    flush(&mut open, START);
    artifact(&mut open, "still.jpg", 10).unwrap();
    disk.set_faults(Path::new(FOLDER), Faults { failed_syncs: 1, ..Faults::default() });
    assert!(flush(&mut open, START).is_empty());
    disk.set_faults(Path::new(FOLDER), Faults::default());
    assert_eq!(flush(&mut open, START + RETRY_AFTER).len(), 1);
    // The disk never keeps anything of a file whose flush failed.
    disk.restart(crate::test_disk::End::PowerCut);
    assert!(journal(&disk).iter().any(|entry| matches!(entry, Entry::Artifact(_))));
}

#[test]
fn what_waits_for_the_journal_is_bounded() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    flush(&mut open, START);
    disk.set_full(Path::new(FOLDER), true);
    artifact(&mut open, "a", MAX_KEPT / 2).unwrap();
    assert!(flush(&mut open, START).is_empty());
    assert!(matches!(artifact(&mut open, "b", MAX_KEPT / 2), Err(RecorderError::Busy)));
    let track = TrackName::camera(ParticipantId::random());
    let segment = Segment {
        track,
        sequence: 0,
        init: crate::segment::InitHash([0; 32]),
        start: Duration::ZERO,
        duration: Duration::from_secs(1),
        has_keyframe: true,
        bytes: vec![0; MAX_KEPT / 2].into(),
    };
    open.segment(&segment).unwrap();
    let track = open.ledger.tracks().next().unwrap();
    assert!(track.segments[0].lost);
    assert!(open.take_events().iter().any(|event| matches!(event, RecorderEvent::Gap { .. })));
}

/// A second of a camera at 1080p, 30 pictures and 20 Mbit/s.
const PICTURES: u64 = 30;
const PICTURE: usize = 83_000;

/// A VP8 frame (RFC 6386 section 9.1) of noise.
fn picture(n: u64, track: TrackId) -> EncodedFrame {
    let keyframe = n.is_multiple_of(PICTURES);
    let mut data = vec![0x5a; PICTURE];
    let header: &[u8] =
        if keyframe { &[0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 7, 0x38, 4] } else { &[0x11, 2, 0] };
    data[..header.len()].copy_from_slice(header);
    let payload = Payload::Vp8(data.into());
    let arrived = START + Duration::from_micros(n * 1_000_000 / PICTURES);
    EncodedFrame { track, leg: Leg(0), rtp_time: RtpTime(n * 3000), arrived, keyframe, payload }
}

#[test]
fn files_of_tails_are_used_again_and_one_that_is_gone_is_made_anew() {
    let disk = TestDisk::new(1);
    let mut open = open(&disk);
    let folder = Path::new(FOLDER).join("tails");
    let mut tap = RecorderTap(open.tap());
    let track = TrackId { participant: ParticipantId::random(), kind: MediaKind::Video };
    for n in 0..12 * PICTURES {
        let frame = picture(n, track);
        let now = frame.arrived;
        tap.push(TapItem::Frame(frame));
        open.tick(now);
        open.write(now);
        if let Some(work) = open.sync(now) {
            open.synced(work.run(), now);
            open.let_go(|_| true);
        }
        let mut tails = disk.list(&folder).unwrap();
        assert!(tails.len() <= 3, "not used again: {tails:?}");
        if n == 6 * PICTURES {
            assert!(tails.len() > 1, "none is kept: {tails:?}");
            // Names are numbered; the last one is open.
            tails.sort_by_key(|name| name.len());
            for name in &tails[..tails.len() - 1] {
                disk.remove(&folder.join(name)).unwrap();
            }
        }
    }
    let troubles = |event: &RecorderEvent| {
        matches!(event, RecorderEvent::Failed { .. } | RecorderEvent::Gap { .. })
    };
    assert_eq!(open.take_events().into_iter().find(troubles), None);
}

/// `docs/benchmarks/recorder.md` has the figures and how to get them.
#[test]
#[ignore = "a benchmark: run it alone, in release"]
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn throughput() {
    let track = TrackId { participant: ParticipantId::random(), kind: MediaKind::Video };
    let frames: Vec<_> = (0..40 * PICTURES).map(|n| picture(n, track)).collect();
    let megabytes = (frames.len() * PICTURE) as f64 / 1e6;
    for with_tails in [false, true] {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let mut open = open(&TestDisk::new(1));
            let mut tap = RecorderTap(open.tap());
            let mut segments = 0;
            let frames = frames.clone();
            let begun = std::time::Instant::now();
            for frame in frames {
                let now = frame.arrived;
                tap.push(TapItem::Frame(frame));
                open.tick(now);
                if !with_tails {
                    open.records.clear();
                    open.tails_retry_at = Some(now + RETRY_AFTER);
                }
                open.write(now);
                let Some(work) = open.sync(now) else { continue };
                segments += open.synced(work.run(), now).len();
                open.let_go(|_| true);
            }
            best = best.min(begun.elapsed().as_secs_f64());
            assert!(segments >= 39, "{segments} segments");
        }
        let word = if with_tails { "with" } else { "without" };
        println!("FIGURE: recorder throughput {word} tails: {:.0} MB/s", megabytes / best);
    }
}
