//! The face mesh: 478 points, what the head's pose and the eyelids do.

use std::fmt;

use zeroize::Zeroize as _;

use super::{
    convnet::ConvNet,
    geometry::{BoxF, CropFrame, Point},
    network::{InferenceError, Network},
    picture::Picture,
};

/// 478 points of a face. They tell a person from others, so they are wiped when it is dropped and
/// never printed.
#[derive(Clone)]
pub struct Mesh {
    /// Where the model looked.
    frame: CropFrame,
    /// x, y, z in the window's pixels (256 a side); z grows away from the camera.
    points: Vec<[f32; 3]>,
    /// How sure the model is that a face is in the window, `0..=1`.
    pub presence: f32,
}

/// How far each of 52 movements of a face goes, `0..=1`, in the order of the model (that of ARKit's
/// names in MediaPipe: 9 is `eyeBlinkLeft`, 25 `jawOpen`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blendshapes([f32; SHAPES]);

/// Which way a head is turned, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// Positive: turned to the person's own left (the picture's right, as the camera sees it).
    pub yaw: f32,
    /// Positive: chin towards the camera (looking up).
    pub pitch: f32,
}

/// Mesh and blendshape models.
#[derive(Debug)]
pub struct MeshReader {
    landmarks: ConvNet,
    points_output: usize,
    presence_output: usize,
    blendshapes: Network,
    shapes_output: usize,
}

/// Side of the mesh model's input in pixels.
const INPUT: usize = 256;
const POINTS: usize = 478;
const SHAPES: usize = 52;
/// Positions of eyeBlinkLeft and eyeBlinkRight among the blendshapes.
const BLINK: [usize; 2] = [9, 10];
/// Position of jawOpen.
const JAW_OPEN: [usize; 1] = [25];
/// Positions of mouthSmileLeft and mouthSmileRight.
const SMILE: [usize; 2] = [44, 45];
/// Outer corners of the eyes: the person's right, then left.
const EYE_CORNERS: [usize; 2] = [33, 263];
/// The cheeks' edges (the person's right, then left), and forehead and chin.
const CHEEKS: [usize; 2] = [234, 454];
const BROW_CHIN: [usize; 2] = [10, 152];
/// The middles of the irises, the tip of the nose and the corners of the mouth, the person's right
/// ones first.
const FIVE_POINTS: [usize; 5] = [468, 473, 4, 61, 291];
/// Corners and lids of each eye, for the eye aspect ratio.
const EYES: [[usize; 6]; 2] = [[33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380]];

/// The points that the blendshape model takes, in its order.
#[rustfmt::skip]
const BLENDSHAPE_POINTS: [usize; 146] = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145,
    146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176,
    178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285,
    288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334,
    336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474,
    475, 476, 477,
];

impl MeshReader {
    /// Loads both models from their ONNX files.
    ///
    /// # Errors
    /// When a file is not the model it should be.
    pub fn load(landmarks: &[u8], blendshapes: &[u8]) -> Result<Self, InferenceError> {
        let landmarks = ConvNet::load("face_landmarks", landmarks, INPUT)?;
        let blendshapes =
            Network::load("face_blendshapes", blendshapes, &[1, BLENDSHAPE_POINTS.len(), 2])?;
        Ok(Self {
            points_output: landmarks.outputs().of_len(POINTS * 3)?,
            presence_output: landmarks.outputs().of_len(1)?,
            shapes_output: blendshapes.outputs().of_len(SHAPES)?,
            landmarks,
            blendshapes,
        })
    }

    /// Reads the mesh of the face in a window of the picture.
    ///
    /// # Errors
    /// When inference fails.
    pub fn read(&self, picture: &Picture, frame: CropFrame) -> Result<Mesh, InferenceError> {
        let mut window = picture.warp(&frame.grid(INPUT), INPUT, INPUT);
        window.iter_mut().flatten().for_each(|value| *value /= 255.0);
        let outputs = self.landmarks.run(window.as_flattened());
        window.zeroize();
        let outputs = outputs?;
        let flat = outputs.get(self.points_output).map_or(&[][..], Vec::as_slice);
        let logit = outputs.get(self.presence_output).and_then(|v| v.first()).copied();
        let presence = logit.map_or(0.0, |l| 1.0 / (1.0 + (-l).exp()));
        let points = flat.as_chunks::<3>().0.to_vec();
        let whole = points.len() == POINTS && points.iter().flatten().all(|v| v.is_finite());
        // A mesh with a hole in it is no face: the next detection starts over.
        let presence = if whole && presence.is_finite() { presence } else { 0.0 };
        Ok(Mesh { frame, points, presence })
    }

    /// What the face does: all movements from one run.
    ///
    /// # Errors
    /// When inference fails.
    pub fn blendshapes(&self, mesh: &Mesh) -> Result<Blendshapes, InferenceError> {
        let mut input: Vec<f32> = BLENDSHAPE_POINTS
            .iter()
            .flat_map(|&i| {
                let p = mesh.point(i);
                [p[0], p[1]]
            })
            .collect();
        let outputs = self.blendshapes.run(&input);
        input.zeroize();
        let outputs = outputs?;
        let mut shapes = [0.0; SHAPES];
        let found = outputs.get(self.shapes_output).map_or(&[][..], Vec::as_slice);
        for (slot, &value) in shapes.iter_mut().zip(found) {
            *slot = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        }
        Ok(Blendshapes(shapes))
    }
}

impl Blendshapes {
    /// How closed the eyes are: the mean of both.
    #[must_use]
    pub fn blink(&self) -> f32 {
        self.mean(BLINK)
    }

    /// How far the mouth is open.
    #[must_use]
    pub fn jaw_open(&self) -> f32 {
        self.mean(JAW_OPEN)
    }

    /// How much the corners of the mouth are drawn up: the mean of both.
    #[must_use]
    pub fn smile(&self) -> f32 {
        self.mean(SMILE)
    }

    /// All 52.
    #[must_use]
    pub const fn all(&self) -> &[f32; SHAPES] {
        &self.0
    }

    fn mean<const N: usize>(&self, which: [usize; N]) -> f32 {
        which.iter().filter_map(|&i| self.0.get(i)).sum::<f32>() / N as f32
    }
}

impl Mesh {
    /// All 478 points, x and y in picture pixels, z in the same unit: relative to the head's middle
    /// and growing away from the camera, an estimate flatter than the real head.
    pub fn points(&self) -> impl ExactSizeIterator<Item = [f32; 3]> + '_ {
        let scale = self.frame.side / INPUT as f32;
        self.points.iter().map(move |&[x, y, z]| {
            let at = self.frame.to_picture(Point { x, y }, INPUT as f32);
            [at.x, at.y, z * scale]
        })
    }

    /// One point in picture pixels; `None` where there is no such point.
    #[must_use]
    pub fn point_in_picture(&self, index: usize) -> Option<Point> {
        let &[x, y, _] = self.points.get(index)?;
        Some(self.frame.to_picture(Point { x, y }, INPUT as f32))
    }

    /// The eyes, the tip of the nose and the corners of the mouth in picture pixels, as a
    /// [`Detection`](super::Detection) has them: for the embedder, where no detector ran.
    #[must_use]
    pub fn five_points(&self) -> Option<[Point; 5]> {
        let [right_eye, left_eye, nose, right_mouth, left_mouth] = FIVE_POINTS;
        Some([
            self.point_in_picture(right_eye)?,
            self.point_in_picture(left_eye)?,
            self.point_in_picture(nose)?,
            self.point_in_picture(right_mouth)?,
            self.point_in_picture(left_mouth)?,
        ])
    }

    /// The window of the picture in which the mesh was read.
    #[must_use]
    pub const fn window(&self) -> CropFrame {
        self.frame
    }

    fn point(&self, index: usize) -> [f32; 3] {
        self.points.get(index).copied().unwrap_or([0.0; 3])
    }

    /// The head's pose. The window is level with the eyes, so a head merely tilted has yaw 0.
    #[must_use]
    pub fn pose(&self) -> Pose {
        let across = difference(self.point(CHEEKS[1]), self.point(CHEEKS[0]));
        let down = difference(self.point(BROW_CHIN[1]), self.point(BROW_CHIN[0]));
        Pose {
            yaw: across[2].atan2(across[0]).to_degrees(),
            pitch: -down[2].atan2(down[1]).to_degrees(),
        }
    }

    /// Height of the eye openings over their width, mean of both: about 0.3 open, under 0.15 shut.
    #[must_use]
    pub fn eye_aspect(&self) -> f32 {
        let distance = |a: usize, b: usize| {
            let d = difference(self.point(a), self.point(b));
            d[0].hypot(d[1])
        };
        let ratios = EYES.map(|[outer, up1, up2, inner, low2, low1]| {
            (distance(up1, low1) + distance(up2, low2)) / (2.0 * distance(outer, inner)).max(1e-3)
        });
        (ratios[0] + ratios[1]) / 2.0
    }

    /// The upright box around all points, in picture pixels.
    #[must_use]
    pub fn bounds(&self) -> BoxF {
        let mut points = self.points().map(|[x, y, _]| Point { x, y });
        let Some(first) = points.next() else { return BoxF::default() };
        let (mut low, mut high) = (first, first);
        for p in points {
            low = Point { x: low.x.min(p.x), y: low.y.min(p.y) };
            high = Point { x: high.x.max(p.x), y: high.y.max(p.y) };
        }
        BoxF { x: low.x, y: low.y, w: high.x - low.x, h: high.y - low.y }
    }

    /// Where to look for this face in the next picture.
    #[must_use]
    pub fn next_frame(&self) -> Option<CropFrame> {
        let [first, second] = EYE_CORNERS.map(|i| self.point_in_picture(i));
        CropFrame::around(self.bounds(), first?, second?)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.points.zeroize();
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("presence", &self.presence).finish_non_exhaustive()
    }
}

fn difference(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}
