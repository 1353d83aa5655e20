//! Which settings can work.

use std::collections::BTreeSet;

use vbranch_domain::kyc::MAX_GESTURES;

use super::LivenessPolicy;

/// Settings that cannot work. All that is wrong is in one message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("liveness policy: {}", .0.join("; "))]
pub struct PolicyError(pub Vec<String>);

/// A rule and what to say where it does not hold.
type Rule = (bool, &'static str);

impl LivenessPolicy {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Lists everything that cannot.
    pub fn check(&self) -> Result<(), PolicyError> {
        let rules = [self.course(), self.movements(), self.scores(), self.models()].concat();
        let wrong: Vec<String> =
            rules.iter().filter(|(ok, _)| !ok).map(|(_, what)| (*what).to_owned()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(PolicyError(wrong)) }
    }

    fn course(&self) -> Vec<Rule> {
        let times = [
            self.challenge_timeout_ms,
            self.unusable_timeout_ms,
            self.no_video_timeout_ms,
            self.overall_timeout_ms,
            self.max_gap_ms,
            self.gestures.blink_max_ms,
            self.gestures.turn_max_ms,
            self.gestures.move_max_ms,
            self.identity.every_ms,
            self.watch.every_ms,
        ];
        let flash = &self.flash;
        vec![
            (!self.challenges.is_empty(), "challenges must name at least one"),
            (self.challenges.len() <= 16, "challenges must not name more than 16"),
            ((1..=MAX_GESTURES).contains(&self.asked), "asked must lie in 1 to 12"),
            (
                times.iter().all(|t| (1..=3_600_000).contains(t)),
                "time limits must lie in 1 to 3600000 ms",
            ),
            ((1..=60).contains(&self.max_fps), "max_fps must lie in 1 to 60"),
            (self.doubts >= 1, "doubts must be at least 1"),
            ((4..=12).contains(&flash.colours), "flash.colours must lie in 4 to 12"),
            (
                334 <= flash.hold_min_ms
                    && flash.hold_min_ms <= flash.hold_max_ms
                    && flash.hold_max_ms <= 2_000,
                "334 <= flash.hold_min_ms <= flash.hold_max_ms <= 2000 must hold \
                 (three changes a second at most)",
            ),
            (
                flash.lag_min_ms < flash.lag_max_ms && flash.lag_max_ms <= 2_000,
                "flash.lag_min_ms < flash.lag_max_ms <= 2000 must hold",
            ),
            ((0..=5).contains(&flash.tries), "flash.tries must lie in 0 to 5"),
        ]
    }

    fn movements(&self) -> Vec<Rule> {
        let g = &self.gestures;
        vec![
            (
                g.blink_open <= g.blink_open_most && g.blink_open_most < g.blink_shut,
                "gestures.blink_open <= blink_open_most < blink_shut must hold",
            ),
            (
                0.0 < g.straight_yaw && g.straight_yaw < g.turn_yaw && g.turn_yaw < 90.0,
                "0 < gestures.straight_yaw < turn_yaw < 90 must hold",
            ),
            (
                0.0 < g.level_pitch && g.level_pitch < g.nod_pitch && g.nod_pitch < 90.0,
                "0 < gestures.level_pitch < nod_pitch < 90 must hold",
            ),
            (
                g.turn_min_ms < g.turn_max_ms && g.move_min_ms < g.move_max_ms,
                "gestures.turn_min_ms < turn_max_ms and move_min_ms < move_max_ms must hold",
            ),
            (g.wrong_most >= 0.0, "gestures.wrong_most must not be negative"),
        ]
    }

    fn models(&self) -> Vec<Rule> {
        let names: BTreeSet<&str> = self.passive.iter().map(|p| p.model.as_str()).collect();
        vec![
            (names.len() == self.passive.len(), "passive must not name a model twice"),
            (names.len() <= 8, "passive must not name more than 8 models"),
            (
                self.passive.iter().all(|p| (0.0..=1.0).contains(&p.live)),
                "passive.live must lie in 0 to 1",
            ),
        ]
    }

    fn scores(&self) -> Vec<Rule> {
        let (g, q, f) = (&self.gestures, &self.quality, &self.flash);
        let (s, i, w) = (&self.stream, &self.identity, &self.watch);
        let scores = [
            g.blink_shut,
            g.blink_open,
            g.blink_open_most,
            g.blink_rise,
            g.mouth_open,
            g.mouth_rise,
            g.smile_shown,
            g.smile_rise,
            q.min_face,
            q.min_visible,
            q.min_visible_moving,
            q.max_off_centre,
            q.min_brightness,
            q.max_burnt,
            q.max_one_sided,
            q.min_presence,
            f.correlation,
            f.margin,
            f.gain,
            f.region_correlation,
            f.relief,
            self.parallax.depth,
            self.parallax.agreement,
            s.loop_difference,
            s.max_frozen,
            i.same,
            i.pass,
            i.unsure,
            w.same,
            w.eyes_shut,
        ];
        let amounts = [
            q.max_face,
            q.max_backlight,
            q.min_sharpness,
            q.max_cover,
            f.foreign,
            s.min_noise,
            s.min_jitter_ms,
            w.min_content,
        ];
        vec![
            (scores.iter().all(|s| (0.0..=1.0).contains(s)), "scores must lie in 0 to 1"),
            (
                amounts.iter().all(|a| a.is_finite() && *a >= 0.0),
                "limits of the picture must be numbers, not negative",
            ),
            (q.min_face < q.max_face, "quality.min_face < max_face must hold"),
            (i.unsure <= i.pass, "identity.unsure <= pass must hold"),
        ]
    }
}
