//! From a picture to what a face in it does.

mod convnet;
mod detect;
mod embed;
mod geometry;
mod measure;
mod mesh;
mod network;
mod passive;
mod picture;
mod pipeline;
pub mod portrait;
mod track;

pub use detect::{Detection, Detector, largest_of};
pub use embed::{Embedder, Embedding};
pub use geometry::{BoxF, CropFrame, Grid, Point};
pub(crate) use measure::{SceneReader, linear};
pub use mesh::{Blendshapes, Mesh, MeshReader, Pose};
pub use network::{InferenceError, Network};
pub use passive::{Activation, ChannelOrder, Layout, PassiveModel, PassiveShape};
pub use picture::{Picture, PictureError};
pub use pipeline::{FaceModels, VISION_MODELS};
pub use portrait::{PortraitError, PortraitFace};
pub use track::{FaceTracker, TrackedFace, TrackerReport};
