//! Every threshold and time limit of the check, with defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vbranch_domain::kyc::Challenge;

mod rules;
mod sections;

pub use rules::PolicyError;
pub use sections::{
    Action, FlashPolicy, GesturePolicy, IdentityPolicy, ParallaxPolicy, PassivePolicy,
    QualityPolicy, StreamPolicy, WatchPolicy,
};

/// The settings of a liveness check. Times are in milliseconds, angles in degrees, scores in
/// `0..=1`. `docs/kyc.md` tells where the defaults come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LivenessPolicy {
    /// What may be asked for.
    pub challenges: Vec<Challenge>,
    /// How many of them are asked for in one check. They are drawn anew for every check, may come
    /// again but never twice in a row, and where turns are in the pool one is always among them.
    pub asked: u32,
    /// How long the customer has for one challenge. Time in which the picture is not usable does
    /// not count.
    pub challenge_timeout_ms: u64,
    /// How long a usable face must be seen before the first challenge.
    pub settle_ms: u64,
    /// Pause between two challenges, so that the page can say "well done".
    pub pause_ms: u64,
    /// How long the picture may stay unusable (no face, several, too small, too dark).
    pub unusable_timeout_ms: u64,
    /// How long may pass without a picture that can be decoded.
    pub no_video_timeout_ms: u64,
    /// How long a check may take in all, whatever happens.
    pub overall_timeout_ms: u64,
    /// Longest time between two looks at the face within one gesture. Where it is longer, the
    /// gesture starts over: what happened in between is unknown.
    pub max_gap_ms: u64,
    /// At most this many pictures a second are looked at.
    pub max_fps: u32,
    /// This many signals that only count send the customer to staff when they fail together.
    pub doubts: u32,

    /// When a movement is the gesture asked for.
    pub gestures: GesturePolicy,
    /// When a picture is good enough to judge.
    pub quality: QualityPolicy,
    /// The colours on the customer's screen.
    pub flash: FlashPolicy,
    /// Whether the head that turns is solid.
    pub parallax: ParallaxPolicy,
    /// Whether the video comes from a camera, now.
    pub stream: StreamPolicy,
    /// Whose face it is.
    pub identity: IdentityPolicy,
    /// Imported models that guess whether the face is a living one; none by default.
    pub passive: Vec<PassivePolicy>,
    /// The watch over faces in the call.
    pub watch: WatchPolicy,
}

impl Default for LivenessPolicy {
    fn default() -> Self {
        Self {
            challenges: vec![
                Challenge::Blink,
                Challenge::OpenMouth,
                Challenge::TurnLeft,
                Challenge::TurnRight,
                Challenge::Nod,
                Challenge::Smile,
            ],
            asked: 4,
            challenge_timeout_ms: 15_000,
            settle_ms: 600,
            pause_ms: 600,
            unusable_timeout_ms: 20_000,
            no_video_timeout_ms: 15_000,
            overall_timeout_ms: 120_000,
            max_gap_ms: 1_000,
            max_fps: 12,
            doubts: 2,
            gestures: GesturePolicy::default(),
            quality: QualityPolicy::default(),
            flash: FlashPolicy::default(),
            parallax: ParallaxPolicy::default(),
            stream: StreamPolicy::default(),
            identity: IdentityPolicy::default(),
            passive: Vec::new(),
            watch: WatchPolicy::default(),
        }
    }
}

impl LivenessPolicy {
    /// Reads a policy from TOML; what is not given keeps its default.
    ///
    /// # Errors
    /// When a key is unknown, of the wrong type, or a value cannot work.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = toml::from_str(text).map_err(|e| PolicyError(vec![e.to_string()]))?;
        policy.check()?;
        Ok(policy)
    }

    /// SHA-256 of the policy as canonical JSON (keys in order, no white space), hex: what decided,
    /// in every verdict.
    #[must_use]
    pub fn sha256(&self) -> String {
        // The value's maps are ordered by key. A policy that holds a NaN is refused by `check`, so
        // it always has a JSON form.
        let canonical =
            serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default();
        hex::encode(ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes()))
    }
}

pub(crate) const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_work() {
        assert_eq!(LivenessPolicy::default().check(), Ok(()));
    }

    #[test]
    fn a_file_may_change_one_thing_only() {
        let policy =
            LivenessPolicy::from_toml("challenge_timeout_ms = 45000\n[flash]\ntries = 1").unwrap();
        let flash = FlashPolicy { tries: 1, ..FlashPolicy::default() };
        let wanted =
            LivenessPolicy { challenge_timeout_ms: 45_000, flash, ..LivenessPolicy::default() };
        assert_eq!(policy, wanted);
    }

    #[test]
    fn everything_wrong_is_reported_together() {
        let text = "challenges = []\nmax_fps = 0\n[gestures]\nblink_open = 0.9";
        let error = LivenessPolicy::from_toml(text).unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
        assert!(LivenessPolicy::from_toml("typo = 1").is_err());
        assert!(LivenessPolicy::from_toml("[flash]\ntypo = 1").is_err());
        assert!(LivenessPolicy::from_toml("[identity]\npass = nan").is_err());
    }

    #[test]
    fn the_digest_tells_policies_apart_and_nothing_else() {
        let policy = LivenessPolicy::default();
        assert_eq!(policy.sha256(), LivenessPolicy::from_toml("").unwrap().sha256());
        assert_ne!(policy.sha256(), LivenessPolicy { asked: 3, ..policy.clone() }.sha256());
        assert_eq!(policy.sha256().len(), 64);
    }
}
