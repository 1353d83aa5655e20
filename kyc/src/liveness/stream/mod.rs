//! Does the video come from a camera, now? Signs of a film: it comes again, it was cut, it stands
//! still, it has no noise, it comes evenly, its camera is software.

mod camera;
mod jumps;
mod recurrence;

use std::collections::VecDeque;

use vbranch_domain::{Mono, RtpTime, kyc::CameraTraits};

use super::look::{FrameObservation, Scene};
use jumps::{CLOSE, Jumps, is_cut};
use recurrence::Recurrence;

/// What is known of the video so far.
#[derive(Debug, Default)]
pub(super) struct StreamWatch {
    recurrence: Recurrence,
    jumps: Jumps,
    spacing: VecDeque<f32>,
    last_rtp: Option<RtpTime>,
    noise: VecDeque<f32>,
    frozen: u32,
    compared: u32,
    last_scene: Option<(Mono, Scene)>,
    largest: (u32, u32),
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StreamReading {
    /// The least difference of two stretches over the movement in them; `None` where nothing moved
    /// enough twice.
    pub(super) loop_difference: Option<f32>,
    pub(super) jumps: u32,
    /// Share of looks that repeat the one before.
    pub(super) frozen: Option<f32>,
    /// Median difference of still pixels, 0 to 255.
    pub(super) noise: Option<f32>,
    /// Standard deviation of the spacing of frames, ms.
    pub(super) jitter_ms: Option<f32>,
    /// Width and height of the largest picture.
    pub(super) size: Option<(u32, u32)>,
}

/// Spacings kept: twenty seconds at 30 a second.
const SPACINGS: usize = 600;
/// Noise of looks kept.
const NOISES: usize = 240;
/// Fewer tell nothing.
const ENOUGH: usize = 30;
/// A whole picture that differs by less than this (of 255) on average repeats the one before.
const SAME_PICTURE: f32 = 0.002;
/// A spacing longer than this is a pause, not the camera's rhythm.
const PAUSE_MS: f32 = 250.0;

impl StreamWatch {
    /// A frame came, looked at or not.
    pub(super) fn frame(&mut self, rtp: RtpTime) {
        if let Some(last) = self.last_rtp.replace(rtp) {
            let ms = rtp.0.saturating_sub(last.0) as f32 / 90.0;
            if ms > 0.0 && ms < PAUSE_MS {
                keep(&mut self.spacing, ms, SPACINGS);
            }
        }
    }

    /// A picture was looked at.
    pub(super) fn look(&mut self, seen: &FrameObservation) {
        self.scene(seen.at, &seen.scene);
        match &seen.face {
            Some(face) if face.rigid.is_finite() => {
                self.jumps.look(seen.at, face);
                self.recurrence.look(seen.at, face);
            }
            _ => self.jumps.interrupt(),
        }
    }

    fn scene(&mut self, at: Mono, scene: &Scene) {
        if let Some((then, last)) = self.last_scene.replace((at, *scene))
            && at.since(then) <= CLOSE
            && is_cut(&last, scene)
        {
            self.jumps.cut();
        }
        let area = |(w, h): (u32, u32)| u64::from(w) * u64::from(h);
        if area((scene.width, scene.height)) > area(self.largest) {
            self.largest = (scene.width, scene.height);
        }
        if let (Some(noise), Some(change)) = (scene.noise, scene.change) {
            self.compared = self.compared.saturating_add(1);
            self.frozen = self.frozen.saturating_add(u32::from(change <= SAME_PICTURE));
            keep(&mut self.noise, noise, NOISES);
        }
    }

    pub(super) fn read(&self) -> StreamReading {
        let enough = self.compared as usize >= ENOUGH;
        StreamReading {
            loop_difference: self.recurrence.least(),
            jumps: self.jumps.count(),
            frozen: enough.then(|| self.frozen as f32 / self.compared as f32),
            noise: enough.then(|| median(&self.noise)),
            jitter_ms: (self.spacing.len() >= ENOUGH).then(|| deviation(&self.spacing)),
            size: self.last_scene.map(|_| self.largest),
        }
    }
}

/// Whether a page names a camera that is known to be software.
pub(super) fn is_virtual(camera: &CameraTraits) -> bool {
    camera.label.as_deref().is_some_and(camera::is_virtual)
}

/// Whether a video of this size can come from the camera that the page claims. Pages and browsers
/// scale down and turn pictures; they do not stretch or enlarge them.
pub(super) fn fits(camera: &CameraTraits, size: (u32, u32)) -> Option<bool> {
    let claimed = (camera.width?, camera.height?);
    (claimed.0 > 0 && claimed.1 > 0).then(|| camera::fits(claimed, size))
}

fn keep<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(value);
}

fn median(values: &VecDeque<f32>) -> f32 {
    let mut sorted: Vec<f32> = values.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Standard deviation about the nearest whole multiple of the usual spacing, so that frames which
/// the sender left out do not count as unevenness.
fn deviation(spacing: &VecDeque<f32>) -> f32 {
    let usual = median(spacing).max(1.0);
    let sum: f32 = spacing
        .iter()
        .map(|s| {
            let times = (s / usual).round().max(1.0);
            (s - times * usual).powi(2)
        })
        .sum();
    (sum / spacing.len().max(1) as f32).sqrt()
}

/// Time in seconds, for interpolation.
fn seconds(at: Mono) -> f64 {
    at.as_nanos() as f64 / 1e9
}
