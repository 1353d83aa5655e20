//! Is a live person doing what was asked? A sans-IO engine in virtual time.

mod attempt;
mod engine;
mod policy;

pub use engine::{FaceObservation, FrameObservation, Liveness};
pub use policy::{LivenessPolicy, PolicyError};
