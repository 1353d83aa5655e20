//! Every threshold and time limit of the check, with defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vbranch_domain::kyc::Challenge;

/// The settings of a liveness check. Times are in milliseconds, angles in degrees, scores in
/// `0..=1`. `docs/kyc.md` tells where the defaults come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LivenessPolicy {
    /// What is asked for, once each, in an order drawn for every check.
    pub challenges: Vec<Challenge>,
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

    /// Eyes this closed or more are shut.
    pub blink_shut: f32,
    /// Eyes this closed or less are open.
    pub blink_open: f32,
    /// Narrow eyes, or eyes cast down on a screen, look half closed all the time. So eyes count as
    /// open up to the person's usual level and a little, but never beyond this.
    pub blink_open_most: f32,
    /// And they are shut only if closed by this much more than usual.
    pub blink_rise: f32,
    /// Eyes shut for longer than this are not a blink.
    pub blink_max_ms: u64,

    /// A head turned this far to the asked side has turned.
    pub turn_yaw: f32,
    /// A head turned no further than this looks straight.
    pub straight_yaw: f32,
    /// A turn that takes longer than this, there and back, is not one gesture.
    pub turn_max_ms: u64,

    /// How long a face must be at rest (eyes open, looking straight) before a gesture counts.
    pub baseline_ms: u64,
    /// A face whose height is less than this share of the picture's shorter side is too small.
    pub min_face: f32,
    /// A face of which less than this share is inside the picture is cut off.
    pub min_visible: f32,
    /// Mean brightness of the face below which it is too dark.
    pub min_brightness: f32,
    /// A mesh less certain than this is no face.
    pub min_presence: f32,

    /// At most this many pictures a second are looked at.
    pub max_fps: u32,
}

impl Default for LivenessPolicy {
    fn default() -> Self {
        Self {
            challenges: vec![Challenge::Blink, Challenge::TurnLeft, Challenge::TurnRight],
            challenge_timeout_ms: 20_000,
            settle_ms: 600,
            pause_ms: 600,
            unusable_timeout_ms: 20_000,
            no_video_timeout_ms: 15_000,
            overall_timeout_ms: 120_000,
            max_gap_ms: 1_000,
            blink_shut: 0.5,
            blink_open: 0.3,
            blink_open_most: 0.42,
            blink_rise: 0.2,
            blink_max_ms: 1_500,
            turn_yaw: 18.0,
            straight_yaw: 10.0,
            turn_max_ms: 6_000,
            baseline_ms: 150,
            min_face: 0.2,
            min_visible: 0.9,
            min_brightness: 0.15,
            min_presence: 0.5,
            max_fps: 12,
        }
    }
}

/// Settings that cannot work. All that is wrong is in one message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("liveness policy: {}", .0.join("; "))]
pub struct PolicyError(pub Vec<String>);

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

    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Lists everything that cannot.
    pub fn check(&self) -> Result<(), PolicyError> {
        let scores = [
            self.blink_shut,
            self.blink_open,
            self.blink_open_most,
            self.blink_rise,
            self.min_face,
            self.min_visible,
            self.min_brightness,
            self.min_presence,
        ];
        let times = [
            self.challenge_timeout_ms,
            self.unusable_timeout_ms,
            self.no_video_timeout_ms,
            self.overall_timeout_ms,
            self.max_gap_ms,
            self.blink_max_ms,
            self.turn_max_ms,
        ];
        let rules = [
            (!self.challenges.is_empty(), "challenges must name at least one"),
            (self.challenges.len() <= 16, "challenges must not name more than 16"),
            (scores.iter().all(|s| (0.0..=1.0).contains(s)), "scores must lie in 0 to 1"),
            (
                self.blink_open <= self.blink_open_most && self.blink_open_most < self.blink_shut,
                "blink_open <= blink_open_most < blink_shut must hold",
            ),
            (
                0.0 < self.straight_yaw
                    && self.straight_yaw < self.turn_yaw
                    && self.turn_yaw < 90.0,
                "0 < straight_yaw < turn_yaw < 90 must hold",
            ),
            (
                times.iter().all(|t| (1..=3_600_000).contains(t)),
                "time limits must lie in 1 to 3600000 ms",
            ),
            ((1..=60).contains(&self.max_fps), "max_fps must lie in 1 to 60"),
        ];
        let wrong: Vec<String> =
            rules.iter().filter(|(ok, _)| !ok).map(|(_, what)| (*what).to_owned()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(PolicyError(wrong)) }
    }
}

pub(super) const fn millis(ms: u64) -> Duration {
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
        let policy = LivenessPolicy::from_toml("challenge_timeout_ms = 45000").unwrap();
        assert_eq!(
            policy,
            LivenessPolicy { challenge_timeout_ms: 45_000, ..LivenessPolicy::default() }
        );
    }

    #[test]
    fn everything_wrong_is_reported_together() {
        let error = LivenessPolicy::from_toml("challenges = []\nblink_open = 0.9\nmax_fps = 0")
            .unwrap_err();
        assert_eq!(error.0.len(), 3, "{error}");
        assert!(LivenessPolicy::from_toml("typo = 1").is_err());
    }
}
