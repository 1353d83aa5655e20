//! What one look at the picture showed: numbers only, so that the engine can be tested with any.

use vbranch_domain::Mono;

use crate::vision::Point;

/// What one look at the picture showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameObservation {
    /// When the picture arrived.
    pub at: Mono,
    /// How many faces are in it.
    pub faces: u32,
    /// The face that is followed, if any.
    pub face: Option<FaceObservation>,
    /// The picture as a whole.
    pub scene: Scene,
}

/// The picture as a whole, small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scene {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Mean luma of each cell of a grid over the picture, 0 to 255.
    pub cells: [f32; Self::CELLS],
    /// Mean absolute difference of single pixels on a grid to those of the picture before, 0 to
    /// 255, over the quietest half of the grid; `None` for the first picture.
    pub noise: Option<f32>,
    /// The same over all of the grid.
    pub change: Option<f32>,
}

impl Scene {
    /// Cells a side.
    pub const SIDE: usize = 12;
    /// Cells in all.
    pub const CELLS: usize = Self::SIDE * Self::SIDE;

    /// How much the brightness varies over the picture (standard deviation of its cells, 0 to 255).
    #[must_use]
    pub fn content(&self) -> f32 {
        let n = Self::CELLS as f32;
        let mean = self.cells.iter().sum::<f32>() / n;
        (self.cells.iter().map(|c| (c - mean).powi(2)).sum::<f32>() / n).sqrt()
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self { width: 640, height: 480, cells: [0.0; Self::CELLS], noise: None, change: None }
    }
}

/// What the followed face does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceObservation {
    /// Changes when the face was lost and another, or the same elsewhere, was taken up.
    pub track: u32,
    /// How sure the mesh is, `0..=1`.
    pub presence: f32,
    /// How closed the eyes are, `0..=1`.
    pub blink: f32,
    /// How far the mouth is open, `0..=1`.
    pub mouth: f32,
    /// How broad the smile is, `0..=1`.
    pub smile: f32,
    /// Degrees; positive to the person's own left.
    pub yaw: f32,
    /// Degrees; positive upwards.
    pub pitch: f32,
    /// Height of the face as a share of the picture's shorter side.
    pub size: f32,
    /// Share of the face that is inside the picture.
    pub visible: f32,
    /// How far the middle of the face is from that of the picture, as a share of its sides.
    pub off_centre: f32,
    /// Mean brightness of the face, `0..=1`.
    pub brightness: f32,
    /// Share of the face that is burnt out.
    pub burnt: f32,
    /// Difference of the light on the two cheeks over their sum, `0..=1`.
    pub one_sided: f32,
    /// How many times brighter what is behind is than the face.
    pub backlight: f32,
    /// Mean Laplacian of the face at 64 pixels a side, over its mean brightness.
    pub sharpness: f32,
    /// How much the mouth's or the eyes' surroundings differ from the skin of forehead and cheeks:
    /// distance of log chroma and, for the eyes, log brightness.
    pub cover: f32,
    /// The light on the face and around it.
    pub light: Light,
    /// Points that move with the skull only, in picture pixels.
    pub rigid: Rigid,
}

/// Linear light as red, green, blue in `0..=1`.
pub type Rgb = [f32; 3];

/// The light on a face and around it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Light {
    /// Forehead, nose, the person's right cheek, left cheek, right edge and left edge of the face.
    pub skin: [Rgb; Self::REGIONS],
    /// Beside and above the face, where enough of it can be seen.
    pub background: Option<Rgb>,
}

impl Light {
    /// How many parts of the face are measured.
    pub const REGIONS: usize = 6;
    /// The first four face the screen.
    pub const FACING: usize = 4;
}

/// Points that move with the skull only, in the order of [`Rigid::POINTS`].
#[derive(Clone, Copy, PartialEq)]
pub struct Rigid {
    /// Where each is, in picture pixels.
    pub at: [Point; Self::COUNT],
    /// How deep each lies, in the same unit: grows away from the camera. The mesh's own idea.
    pub depth: [f32; Self::COUNT],
}

impl Rigid {
    /// How many.
    pub const COUNT: usize = 44;
    /// Which of the mesh: bridge, tip and wings of the nose, eye corners, forehead, cheekbones and
    /// the face's contour down to the ear lobes. Brows, lids, mouth and chin move by themselves.
    pub const POINTS: [usize; Self::COUNT] = [
        168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278, 45, 275, 33, 133, 362, 263, 10, 151, 9, 67,
        297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323, 132, 361, 50, 280,
        117, 346, 8,
    ];

    /// The outer corners of the eyes, the person's right first.
    #[must_use]
    pub const fn eyes(&self) -> [Point; 2] {
        [self.at[14], self.at[17]]
    }

    /// Distance between the outer corners of the eyes, at least a tenth of a pixel.
    #[must_use]
    pub fn eye_distance(&self) -> f32 {
        let [a, b] = self.eyes();
        (b.x - a.x).hypot(b.y - a.y).max(0.1)
    }

    /// Whether all are numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.at.iter().all(|p| p.x.is_finite() && p.y.is_finite())
            && self.depth.iter().all(|z| z.is_finite())
    }
}

impl Default for Rigid {
    fn default() -> Self {
        Self { at: [Point::default(); Self::COUNT], depth: [0.0; Self::COUNT] }
    }
}

/// They tell a person from others: never printed.
impl std::fmt::Debug for Rigid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rigid(…)")
    }
}

impl Default for FaceObservation {
    /// A face at rest in good light.
    fn default() -> Self {
        Self {
            track: 1,
            presence: 1.0,
            blink: 0.1,
            mouth: 0.03,
            smile: 0.05,
            yaw: 0.0,
            pitch: 0.0,
            size: 0.5,
            visible: 1.0,
            off_centre: 0.0,
            brightness: 0.5,
            burnt: 0.0,
            one_sided: 0.0,
            backlight: 1.0,
            sharpness: 1.0,
            cover: 0.0,
            light: Light::default(),
            rigid: Rigid::default(),
        }
    }
}
