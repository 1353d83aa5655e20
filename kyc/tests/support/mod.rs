//! What the tests share: models, films as encoded frames, and a clock that the test moves.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod pictures;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use vbranch_domain::{
    Clock, EncodedFrame, Leg, MediaKind, Mono, ParticipantId, Payload, RtpTime, TrackId, UnixMillis,
};
use vbranch_kyc::{
    ModelStore,
    h264::{H264Decoder, split_annex_b},
    liveness::{Action, FlashPolicy, GesturePolicy},
    video::Decoded,
    vision::{FaceModels, Picture},
};

/// A still photograph held in a hand, as H.264.
pub const STILL: &[u8] = include_bytes!("../data/astronaut.h264");

/// The folder with fetched models: that of `make run`, or `VBRANCH_MODELS`.
pub fn models_dir() -> PathBuf {
    std::env::var_os("VBRANCH_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/models"), PathBuf::from)
}

/// The models, or `None` (said on the terminal) where they have not been fetched.
pub fn models() -> Option<FaceModels> {
    match FaceModels::load(&ModelStore::open(models_dir()).unwrap()) {
        Ok(models) => Some(models),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// A film from the folder of test faces, or `None` (said on the terminal) where there is none.
pub fn face_film(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("VBRANCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let film = shared.join("data/faces").join(name);
    if film.is_file() {
        return Some(film);
    }
    println!("skipped: no test film {name}");
    None
}

/// Runs ffmpeg and returns what it wrote to its standard output.
pub fn ffmpeg(args: &[&str]) -> Option<Vec<u8>> {
    let run = Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args).output();
    let Ok(output) = run else {
        println!("skipped: no ffmpeg");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// A part of a film (seconds) as a browser would send it: constrained baseline, 640x480, 25 frames
/// a second.
pub fn as_sent(film: &Path, from: f32, to: f32) -> Option<Vec<u8>> {
    let filter = format!(
        "trim={from}:{to},setpts=PTS-STARTPTS,fps=25,\
         scale=640:480:force_original_aspect_ratio=decrease,pad=640:480:-1:-1"
    );
    ffmpeg(&[
        "-i",
        film.to_str().unwrap(),
        "-an",
        "-vf",
        &filter,
        "-c:v",
        "libx264",
        "-profile:v",
        "baseline",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "100",
        "-bf",
        "0",
        "-b:v",
        "1M",
        "-preset",
        "veryfast",
        "-bsf:v",
        "h264_metadata=aud=insert",
        "-f",
        "h264",
        "-",
    ])
}

/// The pictures of an Annex B stream with access unit delimiters, each as its NAL units.
pub fn access_units(stream: &[u8]) -> Vec<Vec<Bytes>> {
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for nal in split_annex_b(stream) {
        if nal[0] & 0x1f == 9 {
            units.push(Vec::new());
        } else if let Some(unit) = units.last_mut() {
            unit.push(Bytes::copy_from_slice(nal));
        }
    }
    units
}

/// Every picture of a stream, decoded.
pub fn pictures(stream: &[u8]) -> Vec<Picture> {
    let mut decoder = H264Decoder::new().unwrap();
    access_units(stream)
        .iter()
        .filter_map(|nals| match decoder.decode(nals, true).unwrap() {
            Decoded::Picture(picture) => Some(picture),
            Decoded::Silent | Decoded::AwaitingKey => None,
        })
        .collect()
}

/// A video frame of a participant that arrived at `at`.
pub fn frame(participant: ParticipantId, nals: Vec<Bytes>, at: Mono) -> EncodedFrame {
    EncodedFrame {
        track: TrackId { participant, kind: MediaKind::Video },
        leg: Leg(0),
        rtp_time: RtpTime(at.as_nanos() * 9 / 100_000),
        arrived: at,
        keyframe: nals.iter().any(|nal| nal[0] & 0x1f == 5),
        payload: Payload::H264(nals),
    }
}

/// A clock that only the test moves.
#[derive(Debug, Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn set(&self, at: Mono) {
        self.0.store(at.as_nanos(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn mono(&self) -> Mono {
        Mono::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(0)
    }
}

/// Collects what is pushed into it from other threads.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Log<T> {
    pub fn push(&self, item: T) {
        self.0.lock().unwrap().push(item);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

/// No colours.
pub fn no_flash() -> FlashPolicy {
    FlashPolicy { tries: 0, ..FlashPolicy::default() }
}

/// Gestures that nobody asked for do not matter.
pub fn any_gesture() -> GesturePolicy {
    GesturePolicy { wrong: Action::Off, ..GesturePolicy::default() }
}
