//! Following one face from picture to picture: detect rarely, read the mesh every time.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{
    geometry::{BoxF, CropFrame},
    mesh::{Mesh, Pose},
    network::InferenceError,
    picture::Picture,
    pipeline::FaceModels,
};
use crate::liveness::{FaceObservation, FrameObservation};

/// Follows the largest face of one video.
#[derive(Debug, Default)]
pub struct FaceTracker {
    /// Where the face should be in the next picture.
    frame: Option<CropFrame>,
    last: Option<BoxF>,
    track: u32,
    faces: u32,
    detected: Option<Mono>,
}

/// Everything known about the face in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackedFace {
    /// Box around the mesh, in picture pixels.
    pub face: BoxF,
    /// How sure the mesh is, `0..=1`.
    pub presence: f32,
    /// How closed the eyes are, `0..=1`.
    pub blink: f32,
    /// Height of the eye openings over their width.
    pub eye_aspect: f32,
    /// Which way the head is turned.
    pub pose: Pose,
}

/// One look of the tracker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerReport {
    /// What the liveness engine needs.
    pub seen: FrameObservation,
    /// The face in full, for analysis.
    pub face: Option<TrackedFace>,
    /// Whether the detector ran on this picture.
    pub detected: bool,
}

/// How often faces are counted anew while one is followed. Longer, and a second person stays
/// unseen for as long; shorter, and the detector takes time from the mesh.
const DETECT_EVERY: Duration = Duration::from_millis(1_000);
/// A mesh less certain than this has lost the face.
const LOST_BELOW: f32 = 0.5;
/// A face found again that overlaps the lost one this much is taken for the same.
const SAME_FACE: f32 = 0.3;
/// Of several faces, those smaller than this share of the largest one's area are pictures on a
/// wall or people far behind, not a second person at the counter.
const BYSTANDER: f32 = 0.1;

impl FaceTracker {
    /// Looks at one picture. Pictures come in the order of their time.
    ///
    /// # Errors
    /// When inference fails.
    pub fn look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<TrackerReport, InferenceError> {
        let mut detected = false;
        if self.frame.is_none() || self.detected.is_none_or(|last| at.since(last) >= DETECT_EVERY) {
            self.detect(models, picture, at)?;
            detected = true;
        }
        let mut mesh = self.mesh(models, picture)?;
        if mesh.is_none() && !detected {
            self.detect(models, picture, at)?;
            detected = true;
            mesh = self.mesh(models, picture)?;
        }
        let Some(mesh) = mesh else {
            self.frame = None;
            let seen = FrameObservation { at, faces: self.faces, face: None };
            return Ok(TrackerReport { seen, face: None, detected });
        };
        let face = TrackedFace {
            face: mesh.bounds(),
            presence: mesh.presence,
            blink: models.mesh.blink(&mesh)?,
            eye_aspect: mesh.eye_aspect(),
            pose: mesh.pose(),
        };
        self.frame = mesh.next_frame();
        self.last = Some(face.face);
        let seen = FrameObservation {
            at,
            faces: self.faces.max(1),
            face: Some(observation(&face, self.track, picture)),
        };
        Ok(TrackerReport { seen, face: Some(face), detected })
    }

    /// Counts the faces and takes up the largest, unless it is the one followed already.
    fn detect(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<(), InferenceError> {
        let found = models.detector.detect(picture)?;
        self.detected = Some(at);
        let largest = found.iter().max_by(|a, b| a.face.area().total_cmp(&b.face.area()));
        let Some(largest) = largest else {
            // A head turned far is often missed by the detector but not by the mesh, so a face
            // that is being followed is not given up here.
            self.faces = 0;
            return Ok(());
        };
        let limit = largest.face.area() * BYSTANDER;
        let count = found.iter().filter(|d| d.face.area() >= limit).count();
        self.faces = u32::try_from(count).unwrap_or(u32::MAX);
        let same = self.last.is_some_and(|last| last.iou(&largest.face) >= SAME_FACE);
        if !same {
            self.track = self.track.wrapping_add(1);
        }
        if !same || self.frame.is_none() {
            let [first, second, ..] = largest.points;
            self.frame = CropFrame::around(largest.face, first, second);
        }
        Ok(())
    }

    /// The mesh in the window, if a face is in it.
    fn mesh(&self, models: &FaceModels, picture: &Picture) -> Result<Option<Mesh>, InferenceError> {
        let Some(frame) = self.frame else { return Ok(None) };
        let mesh = models.mesh.read(picture, frame)?;
        Ok((mesh.presence >= LOST_BELOW).then_some(mesh))
    }
}

fn observation(face: &TrackedFace, track: u32, picture: &Picture) -> FaceObservation {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    FaceObservation {
        track,
        presence: face.presence,
        blink: face.blink,
        yaw: face.pose.yaw,
        pitch: face.pose.pitch,
        size: face.face.h / width.min(height),
        visible: face.face.visible_share(width, height),
        brightness: brightness(picture, face.face),
    }
}

/// Mean luma (BT.601) on a grid over the face, `0..=1`.
fn brightness(picture: &Picture, face: BoxF) -> f32 {
    const GRID: usize = 16;
    let mut sum = 0.0;
    for i in 0..GRID * GRID {
        let (column, row) = ((i % GRID) as f32 + 0.5, (i / GRID) as f32 + 0.5);
        let [r, g, b] = picture
            .sample(face.x + face.w * column / GRID as f32, face.y + face.h * row / GRID as f32);
        sum += 0.299 * r + 0.587 * g + 0.114 * b;
    }
    sum / (GRID * GRID) as f32 / 255.0
}
