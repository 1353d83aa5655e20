//! Following one face from picture to picture: detect rarely, read the mesh every time.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{
    detect::{Detection, largest_of},
    geometry::{BoxF, CropFrame, Point},
    measure::{self, FaceLight, SceneReader},
    mesh::{Blendshapes, Mesh, Pose},
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
    scene: SceneReader,
}

/// Everything known about the face in one picture.
#[derive(Debug, Clone)]
pub struct TrackedFace {
    /// Box around the mesh, in picture pixels.
    pub face: BoxF,
    /// How sure the mesh is, `0..=1`.
    pub presence: f32,
    /// What it does.
    pub shapes: Blendshapes,
    /// Height of the eye openings over their width.
    pub eye_aspect: f32,
    /// Which way the head is turned.
    pub pose: Pose,
    /// All its points.
    pub mesh: Mesh,
}

/// One look of the tracker.
#[derive(Debug, Clone)]
pub struct TrackerReport {
    /// What the liveness engine needs.
    pub seen: FrameObservation,
    /// The face in full, for analysis.
    pub face: Option<TrackedFace>,
    /// The detection of this face, where the detector ran on this picture and found it.
    pub detection: Option<Detection>,
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

/// Corners of each eye, tip of the nose and corners of the mouth, as mesh points.
const FIVE: [[usize; 2]; 5] = [[33, 133], [362, 263], [1, 4], [61, 61], [291, 291]];

impl TrackedFace {
    /// The five points that a detection has as well, from the mesh: the person's right eye, left
    /// eye, nose tip, right and left mouth corner.
    #[must_use]
    pub fn five_points(&self) -> [Point; 5] {
        FIVE.map(|[a, b]| {
            let (a, b) = (self.mesh.point_in_picture(a), self.mesh.point_in_picture(b));
            let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
            Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 }
        })
    }
}

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
        let scene = self.scene.read(picture);
        let (mut detected, mut detection) = (false, None);
        if self.frame.is_none() || self.detected.is_none_or(|last| at.since(last) >= DETECT_EVERY) {
            detection = self.detect(models, picture, at)?;
            detected = true;
        }
        let mut mesh = self.mesh(models, picture)?;
        if mesh.is_none() && !detected {
            detection = self.detect(models, picture, at)?;
            detected = true;
            mesh = self.mesh(models, picture)?;
        }
        let Some(mesh) = mesh else {
            self.frame = None;
            let seen = FrameObservation { at, faces: self.faces, face: None, scene };
            return Ok(TrackerReport { seen, face: None, detection, detected });
        };
        let next = mesh.next_frame();
        let face = TrackedFace {
            face: mesh.bounds(),
            presence: mesh.presence,
            shapes: models.mesh.blendshapes(&mesh)?,
            eye_aspect: mesh.eye_aspect(),
            pose: mesh.pose(),
            mesh,
        };
        self.frame = next;
        self.last = Some(face.face);
        let seen = FrameObservation {
            at,
            faces: self.faces.max(1),
            face: Some(observation(&face, self.track, picture)),
            scene,
        };
        Ok(TrackerReport { seen, face: Some(face), detection, detected })
    }

    /// Counts the faces and takes up the largest, unless it is the one followed already. Returns
    /// the largest.
    fn detect(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<Option<Detection>, InferenceError> {
        let found = models.detector.detect(picture)?;
        self.detected = Some(at);
        let Some((largest, faces)) = largest_of(&found) else {
            // A head turned far is often missed by the detector but not by the mesh, so a face
            // that is being followed is not given up here.
            self.faces = 0;
            return Ok(None);
        };
        self.faces = faces;
        let same = self.last.is_some_and(|last| last.iou(&largest.face) >= SAME_FACE);
        if !same {
            self.track = self.track.wrapping_add(1);
        }
        if !same || self.frame.is_none() {
            let [first, second, ..] = largest.points;
            self.frame = CropFrame::around(largest.face, first, second);
        }
        Ok(Some(*largest))
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
    let light = FaceLight::of(picture, &face.mesh, face.face);
    let centre = face.face.centre();
    FaceObservation {
        track,
        presence: face.presence,
        blink: face.shapes.blink(),
        mouth: face.shapes.jaw_open(),
        smile: face.shapes.smile(),
        yaw: face.pose.yaw,
        pitch: face.pose.pitch,
        size: face.face.h / width.min(height),
        visible: face.face.visible_share(width, height),
        off_centre: (centre.x / width - 0.5).abs().max((centre.y / height - 0.5).abs()),
        brightness: light.brightness,
        burnt: light.burnt,
        one_sided: light.one_sided,
        backlight: light.backlight,
        sharpness: measure::sharpness(picture, face.face),
        cover: light.cover,
        light: light.light,
        rigid: measure::rigid(&face.mesh),
    }
}
