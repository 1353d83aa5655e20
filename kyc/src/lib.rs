//! Face liveness on the media path.
//!
//! H.264 from the call's tap is decoded ([`h264`]), a face is found and followed ([`vision`]),
//! and what it does is judged against server-chosen challenges ([`liveness`], a sans-IO engine).
//! [`KycEngine`] owns the threads that do so and is the only part that reads a clock.

pub mod analyze;
pub mod h264;
pub mod liveness;
pub mod models;
pub mod service;
pub mod vision;

pub use liveness::{LivenessPolicy, PolicyError};
pub use models::{ModelError, ModelStore};
pub use service::{EventSink, KeyframeRequest, KycConfig, KycEngine, KycTap};
