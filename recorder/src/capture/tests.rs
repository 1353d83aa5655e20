//! Films of real media through the whole capture, judged by ffprobe and ffmpeg.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use vbranch_domain::{EncodedFrame, Leg, MediaKind, Payload, RtpTime, TrackId};

use super::*;
use crate::{
    segment::{GapCause, GapEntry, InitHash, InitSegment, MAX_SEGMENT, Segment},
    test_media::{Film, Script, time_of},
};

/// Everything a capture produced.
#[derive(Default)]
struct Take {
    inits: Vec<InitSegment>,
    segments: Vec<Segment>,
    screen_inits: Vec<InitSegment>,
    screen_segments: Vec<Segment>,
    gaps: Vec<GapEntry>,
    skews: Vec<i64>,
    reports: usize,
}

impl Take {
    /// Runs items through a capture that began with the script, keeping its timeouts.
    fn of(start: Mono, film: &Film) -> Self {
        let mut capture = Capture::new(start);
        let mut take = Self::default();
        for item in &film.items {
            let now = time_of(item);
            while let Some(at) = capture.poll_timeout().filter(|at| *at <= now) {
                capture.handle_timeout(at);
                take.collect(&mut capture);
            }
            capture.handle(item.clone());
            take.collect(&mut capture);
        }
        capture.finish(film.end);
        take.collect(&mut capture);
        take
    }

    fn collect(&mut self, capture: &mut Capture) {
        while let Some(output) = capture.poll_output() {
            match output {
                CaptureOutput::Init(init) if !init.track.source.is_camera() => {
                    self.screen_inits.push(init);
                }
                CaptureOutput::Segment(segment) if !segment.track.source.is_camera() => {
                    assert_eq!(segment.sequence as usize, self.screen_segments.len());
                    self.screen_segments.push(segment);
                }
                CaptureOutput::Init(init) => self.inits.push(init),
                CaptureOutput::Segment(segment) => {
                    assert_eq!(segment.sequence as usize, self.segments.len());
                    assert!(segment.duration <= MAX_SEGMENT, "{segment:?}");
                    assert!(self.inits.iter().any(|init| init.hash == segment.init));
                    self.segments.push(segment);
                }
                CaptureOutput::Gap(gap) => self.gaps.push(gap),
                CaptureOutput::SenderReport(_) => self.reports += 1,
                CaptureOutput::Tail(_) => {}
                CaptureOutput::Skew(skew) => self.skews.push(skew.micros),
            }
        }
    }

    /// Writes the first init section and its segments behind one another.
    fn write(&self, folder: &Path) -> PathBuf {
        write(folder, &self.inits[0], &self.segments)
    }

    fn missing_ms(&self, kind: MediaKind, cause: GapCause) -> u128 {
        let of = |gap: &&GapEntry| gap.kind == kind && gap.cause == cause;
        self.gaps.iter().filter(of).map(|gap| gap.duration.as_millis()).sum()
    }
}

fn write(folder: &Path, init: &InitSegment, segments: &[Segment]) -> PathBuf {
    let path = folder.join(format!("{}-{}.mp4", init.track, init.hash));
    let mut bytes = init.bytes.to_vec();
    for segment in segments.iter().filter(|segment| segment.init == init.hash) {
        bytes.extend_from_slice(&segment.bytes);
    }
    fs::write(&path, bytes).unwrap();
    path
}

/// What ffprobe reads of one stream: times in seconds.
#[derive(Debug)]
struct Probed {
    codec: String,
    start: f64,
    end: f64,
    packets: usize,
}

fn probe(path: &Path, stream: &str) -> Option<Probed> {
    let codec = ffprobe(path, &["-select_streams", stream, "-show_entries", "stream=codec_name"])?;
    let packets = ffprobe(
        path,
        &["-select_streams", stream, "-show_entries", "packet=pts_time,duration_time"],
    )?;
    let times: Vec<(f64, f64)> = packets
        .lines()
        .filter_map(|line| line.split_once(','))
        // ffprobe does not say how long an Opus packet plays; the films' are 20 ms.
        .map(|(pts, length)| {
            (pts.parse().unwrap(), length.trim_end_matches(',').parse().unwrap_or(0.02))
        })
        .collect();
    assert!(times.is_sorted_by(|a, b| a.0 < b.0), "{stream}: time does not advance");
    let (last, length) = *times.last().unwrap();
    Some(Probed {
        codec: codec.trim().trim_end_matches(',').into(),
        start: times[0].0,
        end: last + length,
        packets: times.len(),
    })
}

/// ffprobe's answer as CSV, nothing (and a note) where it is not installed.
fn ffprobe(path: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "csv=p=0"]).args(args).arg(path);
    let Ok(output) = command.output() else {
        println!("skipped: ffprobe is not installed");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Pictures ffmpeg decodes, and whether it complained.
fn decode(path: &Path) -> Option<(usize, String)> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"])
        .output()
        .ok()?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let pictures = lines.lines().filter(|line| !line.starts_with('#')).count();
    Some((pictures, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn assert_in_sync(audio: &Probed, video: &Probed) {
    assert!((audio.start - video.start).abs() <= 0.08, "start: {audio:?} {video:?}");
    assert!((audio.end - video.end).abs() <= 0.08, "end: {audio:?} {video:?}");
}

#[test]
fn a_clean_call_plays_in_full_and_in_sync() {
    let script = Script::clean(ParticipantId::random(), 12.0);
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.inits.len(), 1);
    assert_eq!(take.gaps, []);
    assert!((10..=14).contains(&take.segments.len()), "{} segments", take.segments.len());
    assert!(take.reports >= 20);
    assert!(take.skews.iter().all(|micros| micros.abs() < 80_000), "{:?}", take.skews);
    let codecs: Vec<_> = take.inits[0].codecs.iter().map(|c| c.codec.as_str()).collect();
    assert!(codecs[0].starts_with("avc3.42") && codecs[1] == "opus", "{codecs:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    let video = probe(&path, "v:0").unwrap();
    assert_eq!((audio.codec.as_str(), video.codec.as_str()), ("opus", "h264"));
    for stream in [&audio, &video] {
        assert!((stream.end - stream.start - 12.0).abs() < 0.24, "{stream:?}");
    }
    assert_in_sync(&audio, &video);
    assert_eq!(audio.packets, film.frames(MediaKind::Audio));
    assert_eq!(video.packets, film.frames(MediaKind::Video));
    assert_eq!(decode(&path).unwrap(), (film.frames(MediaKind::Video), String::new()));
}

#[test]
fn a_reload_is_a_gap_and_both_sides_of_it_are_in_sync() {
    let mut script = Script::clean(ParticipantId::random(), 11.0);
    script.reloads = vec![4.0..6.5];
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.inits.len(), 1);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let missing = take.missing_ms(kind, GapCause::Reconnect);
        assert!((2400..2600).contains(&missing), "{kind:?}: {missing} ms");
    }
    assert_eq!(take.gaps.len(), 2, "{:?}", take.gaps);

    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    let video = probe(&path, "v:0").unwrap();
    assert_in_sync(&audio, &video);
    assert!((video.end - video.start - 11.0).abs() < 0.22, "{video:?}");
    assert_eq!(video.packets, film.frames(MediaKind::Video));
    assert_eq!(decode(&path).unwrap(), (film.frames(MediaKind::Video), String::new()));
}

#[test]
fn loss_is_declared_and_does_not_shift_what_follows() {
    let mut script = Script::clean(ParticipantId::random(), 10.0);
    script.losses = vec![
        (MediaKind::Audio, 2.0..2.1),
        (MediaKind::Video, 3.0..3.4),
        (MediaKind::Audio, 7.0..7.02),
    ];
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    let audio_ms = take.missing_ms(MediaKind::Audio, GapCause::Loss);
    let video_ms = take.missing_ms(MediaKind::Video, GapCause::Loss);
    assert!((110..=135).contains(&audio_ms), "{audio_ms}");
    assert!((380..=420).contains(&video_ms), "{video_ms}");

    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    let video = probe(&path, "v:0").unwrap();
    assert_in_sync(&audio, &video);
    // As many packets as there should have been: the lost ones are there as empty ones.
    assert_eq!(audio.packets, film.frames(MediaKind::Audio) + 6);
    assert_eq!(decode(&path).unwrap().0, film.frames(MediaKind::Video));
}

#[test]
fn the_picture_may_change_its_size_without_a_new_init_section() {
    let mut script = Script::clean(ParticipantId::random(), 6.0);
    script.sizes.push((3.0, 320, 240));
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.inits.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some((pictures, errors)) = decode(&path) else { return };
    assert_eq!((pictures, errors.as_str()), (film.frames(MediaKind::Video), ""));
}

#[test]
fn a_camera_switched_on_late_starts_a_new_init_section() {
    let mut script = Script::clean(ParticipantId::random(), 8.0);
    script.camera = 4.0..f64::MAX;
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    let kinds: Vec<usize> = take.inits.iter().map(|init| init.codecs.len()).collect();
    assert_eq!(kinds, [1, 2]);
    assert!(take.segments[0].start < Duration::from_millis(200));
    assert_eq!(take.gaps, []);
    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    assert!((audio.end - audio.start - 4.0).abs() < 0.2, "{audio:?}");
}

#[test]
fn a_camera_switched_off_leaves_a_gap_and_the_sound_goes_on() {
    let mut script = Script::clean(ParticipantId::random(), 9.0);
    script.camera_off = vec![3.0..6.0];
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.inits.len(), 1);
    let missing = take.missing_ms(MediaKind::Video, GapCause::Stalled);
    assert!((2850..3050).contains(&missing), "{:?}", take.gaps);
    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    let video = probe(&path, "v:0").unwrap();
    assert_in_sync(&audio, &video);
    assert_eq!(video.packets, film.frames(MediaKind::Video));
}

#[test]
fn a_slow_camera_has_no_gaps() {
    let mut script = Script::clean(ParticipantId::random(), 8.0);
    script.fps = 1;
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.gaps, []);
}

#[test]
fn the_last_media_of_a_silent_participant_are_not_held_back() {
    let script = Script::clean(ParticipantId::random(), 1.3);
    let film = script.shoot();
    let mut capture = Capture::new(script.start);
    let mut take = Take::default();
    let media = film.items.iter().filter(|item| !matches!(item, TapItem::LegEnded { .. }));
    for item in media {
        capture.handle(item.clone());
    }
    while let Some(at) = capture.poll_timeout().filter(|at| at.since(film.end) < MAX_SEGMENT) {
        capture.handle_timeout(at);
    }
    take.collect(&mut capture);
    let end = take.segments.iter().map(|s| s.start + s.duration).max().unwrap();
    assert!(end >= Duration::from_millis(1280), "{end:?}");
}

#[test]
fn a_participant_who_never_came_back_is_missed() {
    let script = Script::clean(ParticipantId::random(), 2.0);
    let film = script.shoot();
    for (later, missed) in [(Duration::from_millis(500), false), (Duration::from_secs(60), true)] {
        let mut capture = Capture::new(script.start);
        film.items.iter().for_each(|item| capture.handle(item.clone()));
        capture.finish(film.end + later);
        let mut take = Take::default();
        take.collect(&mut capture);
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let gap = take.missing_ms(kind, GapCause::Reconnect);
            assert_eq!(gap >= 59_000, missed, "{:?}", take.gaps);
        }
    }
}

#[test]
fn hostile_input_stays_within_bounds() {
    let mut capture = Capture::new(Mono::from_millis(1000));
    let mut take = Take::default();
    let mut outputs = 0;
    let opus = |participant, leg, rtp, now| {
        TapItem::Frame(EncodedFrame {
            track: TrackId { participant, kind: MediaKind::Audio },
            leg: Leg(leg),
            rtp_time: RtpTime(rtp),
            arrived: Mono::from_millis(now),
            keyframe: true,
            payload: Payload::Opus(bytes::Bytes::from_static(&[0x78, 1, 2])),
        })
    };
    // More participants than a call has.
    for n in 0..1000 {
        capture.handle(opus(ParticipantId::random(), 0, n, 2000));
    }
    assert_eq!(capture.tracks.len(), MAX_TRACKS);
    // Thousands of connections, each with a timestamp from nowhere.
    let somebody = capture.tracks.keys().next().unwrap().participant;
    for n in 1..5000u32 {
        capture.handle(opus(somebody, n, u64::from(n) << 40, 2000 + u64::from(n)));
        while let Some(output) = capture.poll_output() {
            outputs += 1;
            if let CaptureOutput::Segment(segment) = output {
                assert!(segment.start + segment.duration < Duration::from_secs(30));
            }
        }
    }
    assert!(outputs < 4000, "{outputs} outputs");
    // A frame of 64 MB, and one of the wrong kind.
    let other = capture.tracks.keys().next_back().unwrap().participant;
    for payload in [
        Payload::H264(vec![bytes::Bytes::from(vec![0x65; 64 << 20])]),
        Payload::Opus(bytes::Bytes::from_static(&[0x78])),
    ] {
        capture.handle(TapItem::Frame(EncodedFrame {
            track: TrackId { participant: other, kind: MediaKind::Video },
            leg: Leg(0),
            rtp_time: RtpTime(0),
            arrived: Mono::from_millis(9000),
            keyframe: true,
            payload,
        }));
    }
    capture.finish(Mono::from_millis(10_000));
    take.inits.clear();
    while let Some(output) = capture.poll_output() {
        if let CaptureOutput::Segment(segment) = output {
            assert!(segment.bytes.len() < 1_000);
        }
    }
}

#[test]
fn vp8_plays_in_full_and_in_sync() {
    let script = Script { vp8: 0.0..f64::MAX, ..Script::clean(ParticipantId::random(), 6.0) };
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!((take.inits.len(), &take.gaps[..]), (1, &[][..]));
    let codecs: Vec<_> = take.inits[0].codecs.iter().map(|c| (c.kind, c.codec.as_str())).collect();
    assert_eq!(codecs, [(MediaKind::Video, "vp08.00.00.08"), (MediaKind::Audio, "opus")]);
    assert_eq!((take.inits[0].codecs[0].width, take.inits[0].codecs[0].height), (160, 120));
    let folder = tempfile::tempdir().unwrap();
    let path = take.write(folder.path());
    let Some(audio) = probe(&path, "a:0") else { return };
    let video = probe(&path, "v:0").unwrap();
    assert_eq!((audio.codec.as_str(), video.codec.as_str()), ("opus", "vp8"));
    assert_in_sync(&audio, &video);
    assert_eq!(decode(&path).unwrap(), (film.frames(MediaKind::Video), String::new()));
}

#[test]
fn another_coding_starts_a_new_init_section_at_its_key_frame() {
    let script = Script { vp8: 3.0..f64::MAX, ..Script::clean(ParticipantId::random(), 6.0) };
    let film = script.shoot();
    let mut items = film.items;
    // The browser's first pictures in the new coding are no use before its key frame.
    let first = items
        .iter()
        .position(|item| matches!(item, TapItem::Frame(f) if matches!(f.payload, Payload::Vp8(_))));
    let TapItem::Frame(frame) = &mut items[first.unwrap()] else { unreachable!() };
    frame.keyframe = false;
    frame.payload = Payload::Vp8(bytes::Bytes::from_static(&[0x11, 0, 0, 9]));
    let take = Take::of(script.start, &Film { items, end: film.end });
    let codecs: Vec<_> = take.inits.iter().map(|init| init.codecs[0].codec.as_str()).collect();
    assert!(codecs.len() == 2 && codecs[0].starts_with("avc3") && codecs[1].starts_with("vp08"));
    assert!(
        (800..1_300).contains(&take.missing_ms(MediaKind::Video, GapCause::Loss)),
        "{:?}",
        take.gaps
    );
    let folder = tempfile::tempdir().unwrap();
    for init in &take.inits {
        let path = write(folder.path(), init, &take.segments);
        let Some((pictures, errors)) = decode(&path) else { return };
        assert!(pictures > 25 && errors.is_empty(), "{pictures} pictures, {errors}");
    }
}

#[test]
fn a_coding_that_changes_there_and_back_costs_no_picture() {
    let script = Script { vp8: 3.0..6.0, ..Script::clean(ParticipantId::random(), 9.0) };
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert_eq!(take.gaps, [], "each coding begins with a key frame");
    let used: Vec<InitHash> = take.segments.iter().map(|segment| segment.init).collect();
    let coding = |hash: &InitHash| {
        let init = take.inits.iter().find(|init| init.hash == *hash).unwrap();
        init.codecs[0].codec.split('.').next().unwrap().to_owned()
    };
    let mut in_order: Vec<String> = used.iter().map(coding).collect();
    in_order.dedup();
    assert_eq!(in_order, ["avc3", "vp08", "avc3"]);
    let mut end = Duration::ZERO;
    for segment in &take.segments {
        // Sound and picture are not cut at one instant.
        let apart = segment.start.abs_diff(end);
        assert!(segment.sequence == 0 || apart < Duration::from_millis(100), "{apart:?}");
        end = segment.start + segment.duration;
    }
    let folder = tempfile::tempdir().unwrap();
    let different: std::collections::BTreeSet<InitHash> = used.into_iter().collect();
    let mut pictures = 0;
    for hash in &different {
        let init = take.inits.iter().find(|init| init.hash == *hash).unwrap();
        let Some((decoded, errors)) = decode(&write(folder.path(), init, &take.segments)) else {
            return;
        };
        assert_eq!(errors, "");
        pictures += decoded;
    }
    assert_eq!((different.len(), pictures), (2, film.frames(MediaKind::Video)));
}

#[test]
fn a_shared_screen_is_a_track_of_its_own_and_not_missed_when_it_ends() {
    let mut script = Script::clean(ParticipantId::random(), 12.0);
    script.screen = 2.0..7.0;
    script.reloads = vec![9.0..9.5];
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    assert!(take.gaps.iter().all(|gap| gap.kind != MediaKind::Screen), "{:?}", take.gaps);
    assert_eq!(take.inits.len(), 1, "the camera's track knows nothing of it");
    let [init] = &take.screen_inits[..] else { panic!("{:?}", take.screen_inits) };
    assert_eq!(init.codecs.len(), 1);
    assert_eq!(init.codecs[0].kind, MediaKind::Screen);
    let first = take.screen_segments.first().unwrap();
    assert!(first.start.abs_diff(Duration::from_secs(2)) < Duration::from_millis(200));
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), init, &take.screen_segments);
    let Some((pictures, errors)) = decode(&path) else { return };
    assert_eq!((pictures, errors.as_str()), (film.frames(MediaKind::Screen), ""));
}

#[test]
fn a_loss_in_a_shared_screen_is_on_the_ledger_as_the_screens() {
    let mut script = Script::clean(ParticipantId::random(), 8.0);
    script.screen = 1.0..8.0;
    script.losses = vec![(MediaKind::Screen, 3.0..4.0)];
    let film = script.shoot();
    let take = Take::of(script.start, &film);
    let missing = take.missing_ms(MediaKind::Screen, GapCause::Loss);
    assert!((700..1_300).contains(&missing), "{:?}", take.gaps);
    assert_eq!(take.missing_ms(MediaKind::Video, GapCause::Loss), 0);
}
