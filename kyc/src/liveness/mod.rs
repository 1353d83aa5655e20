//! Is a live person doing what was asked? A sans-IO engine in virtual time: numbers of each look
//! go in, events come out.

mod attempt;
mod course;
mod engine;
mod flash;
mod identity;
mod look;
mod parallax;
mod passive;
mod policy;
mod quality;
mod sequence;
mod stream;
mod tell;
mod usual;
mod verdict;
mod wrong;

pub use engine::{Liveness, Moment};
pub use flash::{Answer, FlashReading, LightSample, Shown, read_flash};
pub use identity::{Comparison, PortraitState};
pub use look::{FaceObservation, FrameObservation, Light, Rgb, Rigid, Scene};
pub use parallax::{Solidity, solidity};
pub(crate) use policy::millis;
pub use policy::{
    Action, FlashPolicy, GesturePolicy, IdentityPolicy, LivenessPolicy, ParallaxPolicy,
    PassivePolicy, PolicyError, QualityPolicy, StreamPolicy, WatchPolicy,
};
