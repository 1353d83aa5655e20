//! A visit that goes well, from the first frame to the auditor.

use std::process::Command;

use vbranch_domain::{
    Payload, UserId,
    timeline::{TimelineEvent, TimelineKind},
};

use super::*;
use crate::{AccessKind, AccessLeaf, verify::verify};

#[test]
fn a_call_is_recorded_sealed_listed_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(5.0);
    let recording = call.meta.recording;
    let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
    call.items.iter().for_each(|item| tap.push(item.clone()));
    rig.wait_first_segment();
    let step = |ms, step: &str| TimelineEvent {
        at: Mono::from_millis(ms),
        kind: TimelineKind::StepOpened { step: step.to_owned() },
    };
    rig.recorder.mark(recording, step(7_500, "disclosure")).unwrap();
    let consent = TimelineEvent {
        at: Mono::from_millis(2_000),
        kind: TimelineKind::StaffJoined { staff: UserId::random() },
    };
    rig.recorder.mark(recording, consent).unwrap();
    let signature = rig.recorder.put_artifact(recording, "sign.png", b"ink".to_vec()).unwrap();
    assert_eq!(signature.sha256, crate::hash::Sha256::of(b"ink").to_string());
    assert!(matches!(
        rig.recorder.put_artifact(recording, "sign.png", b"other".to_vec()),
        Err(RecorderError::ArtifactExists)
    ));
    assert!(rig.recorder.list().is_empty(), "listed before it is sealed");
    rig.recorder.close(recording, call.end).unwrap();
    rig.recorder.close(recording, call.end).unwrap();
    rig.wait(|event| matches!(event, RecorderEvent::Sealed { .. }));

    let view = rig.recorder.view(recording).unwrap();
    assert_eq!(rig.recorder.list(), std::slice::from_ref(&view.summary));
    assert_eq!(view.summary.state, "sealed");
    assert!(view.summary.duration_ms.abs_diff(5_000) < 300, "{}", view.summary.duration_ms);
    let roles: Vec<_> = view.tracks.iter().map(|track| track.role.as_str()).collect();
    assert!(roles.contains(&"customer") && roles.contains(&"staff"), "{roles:?}");
    let screens: Vec<_> = view.tracks.iter().filter(|track| !track.source.is_camera()).collect();
    assert!(screens.len() == 1 && screens[0].role == "staff" && screens[0].start_ms > 900);
    rig.recorder.playlist(recording, screens[0].name).unwrap();
    let offsets: Vec<_> = view.timeline.iter().map(|event| event.offset_ms).collect();
    assert_eq!(offsets, [0, 2_500]);

    let playlist = rig.recorder.playlist(recording, TrackName::camera(call.customer)).unwrap();
    let mut film =
        rig.recorder.init_section(recording, TrackName::camera(call.customer), 0).unwrap().to_vec();
    assert!(playlist.contains("init-0.mp4"), "{playlist}");
    for line in
        playlist.lines().filter_map(|line| line.strip_prefix("segment-")?.strip_suffix(".m4s"))
    {
        let sequence = line.parse().unwrap();
        film.extend_from_slice(
            &rig.recorder.segment(recording, TrackName::camera(call.customer), sequence).unwrap(),
        );
    }
    let path = dir.path().join("film.mp4");
    std::fs::write(&path, film).unwrap();
    assert!((probe_seconds(&path) - 5.0).abs() < 0.25);
    assert!(matches!(
        rig.recorder.segment(recording, TrackName::camera(call.customer), 99),
        Err(RecorderError::NotFound)
    ));
}

#[test]
fn a_recording_is_still_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    let before = rig.recorder.view(recording).unwrap();
    assert!(matches!(Rig::try_start(dir.path()), Err(RecorderError::Locked)));
    drop(rig);
    let rig = Rig::start(dir.path());
    assert!(rig.recorder.recovered().is_empty());
    assert_eq!(rig.recorder.view(recording).unwrap(), before);
    assert!(matches!(rig.recorder.open(call.meta, START), Err(RecorderError::Exists)));
}

#[test]
fn shutdown_seals_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
    call.items.iter().for_each(|item| tap.push(item.clone()));
    rig.wait_first_segment();
    rig.recorder.close_all().unwrap();
    assert_eq!(rig.recorder.list()[0].state, "sealed");
}

#[test]
fn nothing_on_disk_can_be_watched_or_read() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    let call = Call::shoot(2.5);
    let recording = rig.record(&call);
    rig.recorder
        .log_access(&AccessLeaf {
            kind: AccessKind::Replay,
            user: "auditor".to_owned(),
            recording,
            reason: "complaint by Zhang San".to_owned(),
            at: UnixMillis(1),
        })
        .unwrap();
    let mut secrets = vec![b"moof".to_vec(), b"ftyp".to_vec(), b"Zhang San".to_vec()];
    for item in &call.items {
        if let TapItem::Frame(frame) = item {
            let bytes = match &frame.payload {
                Payload::Opus(packet) | Payload::Vp8(packet) => packet.clone(),
                Payload::H264(nals) => nals.last().unwrap().clone(),
            };
            // Long enough not to be there by chance.
            if bytes.len() >= 24 && secrets.len() < 60 {
                secrets.push(bytes[bytes.len() - 16..].to_vec());
            }
        }
    }
    assert!(secrets.len() > 20);
    let files = files(dir.path());
    assert!(files.len() > 10);
    for (path, bytes) in files {
        for secret in &secrets {
            assert!(!contains(&bytes, secret), "plaintext in {}", path.display());
        }
    }
    let accesses = rig.recorder.accesses(recording).unwrap();
    assert_eq!(accesses[0].reason, "complaint by Zhang San");
}

#[test]
fn an_export_verifies_and_its_tracks_play() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(&dir.path().join("data"));
    let call = Call::shoot(4.0);
    let recording = rig.record(&call);
    let (clear, sealed) = (dir.path().join("clear"), dir.path().join("sealed"));
    rig.export(recording, &clear, true);
    // As the command line does it while the server runs.
    let options = ExportOptions {
        by: "cli".to_owned(),
        reason: "copy for the customer".to_owned(),
        at: UnixMillis(2),
        media: false,
        data_key: false,
    };
    let data = config(&dir.path().join("data"));
    let office = crate::Offline::open(&data, Arc::new(SystemClock::start())).unwrap();
    office.export(recording, &sealed, &options).unwrap();
    let key = rig.recorder.public_key();
    for folder in [&clear, &sealed] {
        let report = verify(folder, &key, None);
        assert!(report.ok, "{report:#?}");
        assert_eq!(report.recording, Some(recording));
    }
    for role in ["customer", "staff"] {
        let seconds = probe_seconds(&clear.join(format!("media/{role}.mp4")));
        assert!((seconds - 4.0).abs() < 0.2, "{role}: {seconds} s");
    }
    let users: Vec<_> =
        rig.recorder.accesses(recording).unwrap().into_iter().map(|leaf| leaf.user).collect();
    assert_eq!(users, ["tester", "cli"]);
    assert!(matches!(
        rig.recorder.export(recording, &clear, &options),
        Err(RecorderError::Config(_))
    ));
}

fn probe_seconds(path: &Path) -> f64 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.trim().parse().unwrap()
}
