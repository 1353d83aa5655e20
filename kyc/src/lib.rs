//! Face liveness on the media path.
//!
//! H.264 or VP8 from the call's tap is decoded ([`video`]), a face is found and followed ([`vision`]),
//! and what it does is judged against server-chosen challenges ([`liveness`], a sans-IO engine).
//! [`FaceCheck`] is one whole check over pictures, [`watch`] the look-out in the call. [`KycEngine`]
//! owns the threads that do so and is the only part that reads a clock.

pub mod analyze;
pub mod check;
pub mod evaluate;
pub mod h264;
pub mod liveness;
pub mod models;
pub mod service;
pub mod video;
pub mod vision;
pub mod vp8;
pub mod watch;
mod yuv;

pub use check::{CheckOutput, FaceCheck, PictureTimes};
pub use liveness::{LivenessPolicy, PolicyError};
pub use models::{ModelError, ModelStore};
pub use service::{
    CallWatch, KeyframeRequest, KycConfig, KycEngine, KycTap, Output, OutputSink, WatchTap,
};
