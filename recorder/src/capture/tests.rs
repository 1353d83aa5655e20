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
    segment::{GapCause, GapEntry, InitSegment, MAX_SEGMENT, Segment},
    test_media::{Film, Script, time_of},
};

/// Everything a capture produced.
#[derive(Default)]
struct Take {
    inits: Vec<InitSegment>,
    segments: Vec<Segment>,
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
                CaptureOutput::Init(init) => self.inits.push(init),
                CaptureOutput::Segment(segment) => {
                    assert_eq!(segment.sequence as usize, self.segments.len());
                    assert!(segment.duration <= MAX_SEGMENT, "{segment:?}");
                    assert!(self.inits.iter().any(|init| init.hash == segment.init));
                    self.segments.push(segment);
                }
                CaptureOutput::Gap(gap) => self.gaps.push(gap),
                CaptureOutput::SenderReport(_) => self.reports += 1,
                CaptureOutput::Skew(skew) => self.skews.push(skew.micros),
            }
        }
    }

    /// Writes init and segments behind one another.
    fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("track.mp4");
        let mut bytes = self.inits[0].bytes.to_vec();
        for segment in self.segments.iter().filter(|s| s.init == self.inits[0].hash) {
            bytes.extend_from_slice(&segment.bytes);
        }
        fs::write(&path, bytes).unwrap();
        path
    }

    fn missing_ms(&self, kind: MediaKind, cause: GapCause) -> u128 {
        let of = |gap: &&GapEntry| gap.kind == kind && gap.cause == cause;
        self.gaps.iter().filter(of).map(|gap| gap.duration.as_millis()).sum()
    }
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
    assert_eq!(capture.participants.len(), MAX_PARTICIPANTS);
    // Thousands of connections, each with a timestamp from nowhere.
    let somebody = *capture.participants.keys().next().unwrap();
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
    let other = *capture.participants.keys().next_back().unwrap();
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
