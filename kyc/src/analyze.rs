//! Looking at a clip frame by frame, for people who tune thresholds.
//!
//! Any clip or picture that the `ffmpeg` program reads can be looked at; it is run as a child
//! process and hands over plain pictures, so that no container parser is linked into the server.

use std::{
    ffi::OsString,
    io::{self, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use serde::Serialize;
use vbranch_domain::Mono;

use crate::vision::{FaceModels, FaceTracker, InferenceError, Picture};

/// What was seen in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FrameReport {
    /// Which frame, from 0, at the rate asked for.
    pub index: u32,
    /// Its time in the clip, in milliseconds.
    pub time_ms: u64,
    /// How many faces the detector counted last.
    pub faces: u32,
    /// Whether the detector ran on this frame (it runs about once a second).
    pub detected: bool,
    /// The face that is followed.
    pub face: Option<FaceReport>,
}

/// What the followed face did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceReport {
    /// Left, top, width and height in pixels.
    pub bounds: [f32; 4],
    /// How sure the mesh is, `0..=1`.
    pub presence: f32,
    /// How closed the eyes are, `0..=1`.
    pub blink: f32,
    /// How far the mouth is open, `0..=1`.
    pub mouth: f32,
    /// How broad the smile is, `0..=1`.
    pub smile: f32,
    /// Height of the eye openings over their width.
    pub eye_aspect: f32,
    /// Degrees, positive to the person's own left.
    pub yaw: f32,
    /// Degrees, positive upwards.
    pub pitch: f32,
    /// Mean brightness, `0..=1`.
    pub brightness: f32,
    /// Share that is burnt out.
    pub burnt: f32,
    /// Difference of the light on the cheeks over their sum.
    pub one_sided: f32,
    /// How many times brighter what is behind is.
    pub backlight: f32,
    /// See the policy's `quality.min_sharpness`.
    pub sharpness: f32,
    /// See the policy's `quality.max_cover`.
    pub cover: f32,
    /// Difference of still pixels to the picture before, 0 to 255.
    pub noise: Option<f32>,
}

/// Why a clip could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// `ffmpeg` is not installed or cannot be run.
    #[error("`ffmpeg` cannot be run; it is needed to read clips")]
    NoFfmpeg(#[source] io::Error),
    /// `ffmpeg` does not understand the clip.
    #[error("the clip cannot be read: {0}")]
    Unreadable(String),
    /// What `ffmpeg` handed over is not pictures.
    #[error("the clip's pictures cannot be read")]
    Pictures(#[source] io::Error),
    /// A model failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// Looks at every frame of a clip at `fps` frames a second and reports each in turn. Returns how
/// many there were.
///
/// # Errors
/// When the clip cannot be read or a model fails.
pub fn analyze_clip(
    models: &FaceModels,
    clip: &Path,
    fps: u32,
    on_frame: &mut dyn FnMut(FrameReport),
) -> Result<u32, AnalyzeError> {
    let mut tracker = FaceTracker::default();
    let mut index = 0;
    for picture in ClipFrames::open(clip, fps)? {
        let time = Duration::from_secs(1) * index / fps.max(1);
        let report = tracker.look(models, &picture?, Mono::ZERO + time)?;
        let face = report.face.as_ref().zip(report.seen.face).map(|(face, seen)| FaceReport {
            bounds: [face.face.x, face.face.y, face.face.w, face.face.h],
            presence: face.presence,
            blink: seen.blink,
            mouth: seen.mouth,
            smile: seen.smile,
            eye_aspect: face.eye_aspect,
            yaw: face.pose.yaw,
            pitch: face.pose.pitch,
            brightness: seen.brightness,
            burnt: seen.burnt,
            one_sided: seen.one_sided,
            backlight: seen.backlight,
            sharpness: seen.sharpness,
            cover: seen.cover,
            noise: report.seen.scene.noise,
        });
        on_frame(FrameReport {
            index,
            time_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            faces: report.seen.faces,
            detected: report.detected,
            face,
        });
        index += 1;
    }
    Ok(index)
}

/// The pictures of a clip, in order, at a fixed rate.
pub struct ClipFrames {
    child: Child,
    pictures: BufReader<ChildStdout>,
    complaint: Option<JoinHandle<String>>,
    count: u32,
    over: bool,
}

/// No side of a clip's picture is larger: pictures are scaled down to it, as a liveness check never
/// sees larger ones either.
const MAX_SIDE: usize = 1920;
/// How much of what `ffmpeg` says is kept.
const MAX_COMPLAINT: u64 = 4096;

impl ClipFrames {
    /// Starts reading a clip.
    ///
    /// # Errors
    /// When `ffmpeg` cannot be run.
    pub fn open(clip: &Path, fps: u32) -> Result<Self, AnalyzeError> {
        let fit = format!(
            "fps={},scale='min({MAX_SIDE},iw)':'min({MAX_SIDE},ih)':\
             force_original_aspect_ratio=decrease",
            fps.max(1)
        );
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i"])
            .arg(file_url(clip))
            .args(["-an", "-vf", &fit, "-f", "image2pipe", "-c:v", "ppm", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = ffmpeg.spawn().map_err(AnalyzeError::NoFfmpeg)?;
        let (Some(pictures), Some(complaint)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(AnalyzeError::Pictures(io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            child,
            pictures: BufReader::with_capacity(1 << 20, pictures),
            complaint: Some(std::thread::spawn(move || read_complaint(complaint))),
            count: 0,
            over: false,
        })
    }

    fn read(&mut self) -> Result<Option<Picture>, AnalyzeError> {
        match read_ppm(&mut self.pictures) {
            Ok(Some(picture)) => {
                self.count += 1;
                Ok(Some(picture))
            }
            Ok(None) if self.count > 0 => Ok(None),
            Ok(None) => Err(AnalyzeError::Unreadable(self.complaint())),
            Err(error) => Err(AnalyzeError::Pictures(error)),
        }
    }

    fn complaint(&mut self) -> String {
        let said = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let last = said.lines().last().unwrap_or_default();
        if last.is_empty() { "it has no pictures".to_owned() } else { last.to_owned() }
    }
}

impl Iterator for ClipFrames {
    type Item = Result<Picture, AnalyzeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.read().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Drop for ClipFrames {
    fn drop(&mut self) {
        // It may have ended already; either way nothing is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path that begins with a dash or looks like a URL is still a file.
fn file_url(clip: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(clip);
    url
}

fn read_complaint(pipe: ChildStderr) -> String {
    let mut said = Vec::new();
    // All is read so that ffmpeg never waits for us, the beginning is kept.
    let mut pipe = pipe.take(u64::MAX);
    let _ = pipe.by_ref().take(MAX_COMPLAINT).read_to_end(&mut said);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&said).into_owned()
}

/// Reads one binary PPM picture ("P6"); `None` at the end of the stream.
fn read_ppm(stream: &mut impl Read) -> io::Result<Option<Picture>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let Some(magic) = read_word(stream)? else { return Ok(None) };
    let mut number = || -> io::Result<usize> {
        read_word(stream)?.and_then(|word| word.parse().ok()).ok_or_else(invalid)
    };
    let (width, height, depth) = (number()?, number()?, number()?);
    if magic != "P6" || depth != 255 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(invalid());
    }
    let mut rgb = vec![0; width * height * 3];
    stream.read_exact(&mut rgb)?;
    Picture::from_rgb(width, height, rgb).map(Some).map_err(|_| invalid())
}

/// One word of a PPM header and the single white space behind it; `None` at the end.
fn read_word(stream: &mut impl Read) -> io::Result<Option<String>> {
    const LONGEST: usize = 8;
    let mut word = String::new();
    let mut byte = [0];
    while word.len() <= LONGEST {
        if stream.read(&mut byte)? == 0 {
            return if word.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        match char::from(byte[0]) {
            c if c.is_ascii_whitespace() => return Ok(Some(word)),
            c => word.push(c),
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_follow_each_other_in_a_stream() {
        let stream = b"P6\n2 1\n255\nabcdefP6\n1 1\n255\nxyz";
        let mut stream = &stream[..];
        let first = read_ppm(&mut stream).unwrap().unwrap();
        assert_eq!((first.width(), first.height(), first.rgb()), (2, 1, &b"abcdef"[..]));
        assert_eq!(read_ppm(&mut stream).unwrap().unwrap().rgb(), b"xyz");
        assert!(read_ppm(&mut stream).unwrap().is_none());
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            &b"P5\n1 1\n255\nx"[..],
            b"P6\n1 1\n255\nxy",
            b"P6\n99999 99999\n255\n",
            b"P6\n1111111111111111111111111",
            b"P6\n-1 1\n255\n",
            b"P6",
        ] {
            assert!(read_ppm(&mut &bad[..]).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
