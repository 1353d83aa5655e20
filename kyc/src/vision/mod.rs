//! From a picture to what a face in it does.

mod detect;
mod geometry;
mod mesh;
mod network;
mod picture;
mod pipeline;
mod track;

pub use detect::{Detection, Detector};
pub use geometry::{BoxF, CropFrame, Point};
pub use mesh::{Mesh, MeshReader, Pose};
pub use network::{InferenceError, Network};
pub use picture::{Picture, PictureError};
pub use pipeline::{FaceModels, VISION_MODELS};
pub use track::{FaceTracker, TrackedFace, TrackerReport};
