//! When an alarm is raised and when it is taken back.

use std::time::Duration;

use vbranch_domain::{
    Mono,
    kyc::{WatchAlarm, WatchEvent},
};

use crate::liveness::{WatchPolicy, millis};

/// What one look showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// How many faces.
    pub faces: u32,
    /// How much the face is like the one that it should be (cosine); `None` where it cannot be told.
    pub same: Option<f32>,
    /// How closed the eyes are; `None` where it cannot be told.
    pub eyes: Option<f32>,
    /// The picture has no content.
    pub covered: bool,
}

/// The states of one watch.
#[derive(Debug)]
pub struct WatchStates {
    policy: WatchPolicy,
    states: [State; ALARMS.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    raised: bool,
    /// Since when looks say otherwise than `raised`.
    otherwise: Option<Mono>,
}

/// Every alarm, in the order of [`WatchStates::readings`].
const ALARMS: [WatchAlarm; 5] = [
    WatchAlarm::CameraCovered,
    WatchAlarm::Absent,
    WatchAlarm::SeveralFaces,
    WatchAlarm::DifferentFace,
    WatchAlarm::EyesClosed,
];

impl WatchStates {
    /// Nothing is raised.
    #[must_use]
    pub fn new(policy: WatchPolicy) -> Self {
        Self { policy, states: Default::default() }
    }

    /// Takes one look; returns what is news. Looks come in the order of their time.
    pub fn handle(&mut self, at: Mono, seen: &Seen) -> Vec<WatchEvent> {
        let readings = self.readings(seen);
        let clear = millis(self.policy.clear_ms);
        let mut news = Vec::new();
        for ((state, alarm), (reading, hold)) in self.states.iter_mut().zip(ALARMS).zip(readings) {
            if state.step(at, reading, hold, clear) {
                news.push(WatchEvent { alarm, raised: state.raised });
            }
        }
        news
    }

    /// Whether each alarm's cause is there (`None`: it cannot be told, nothing changes) and how
    /// long it must be.
    fn readings(&self, seen: &Seen) -> [(Option<bool>, Duration); ALARMS.len()] {
        let p = &self.policy;
        // Behind a covered lens nobody knows who is there.
        let visible = |value: bool| (!seen.covered).then_some(value);
        let alone = seen.faces == 1;
        [
            (Some(seen.covered), millis(p.covered_ms)),
            (visible(seen.faces == 0), millis(p.absent_ms)),
            (visible(seen.faces > 1), millis(p.several_ms)),
            (seen.same.filter(|_| alone).map(|same| same < p.same), millis(p.different_ms)),
            (seen.eyes.filter(|_| alone).map(|eyes| eyes >= p.eyes_shut), millis(p.eyes_closed_ms)),
        ]
    }
}

impl State {
    /// Whether the alarm has changed.
    fn step(&mut self, at: Mono, reading: Option<bool>, hold: Duration, clear: Duration) -> bool {
        // Where it cannot be told, what was about to change may still be so.
        let Some(there) = reading else { return false };
        if there == self.raised {
            self.otherwise = None;
            return false;
        }
        let since = *self.otherwise.get_or_insert(at);
        if at.since(since) < if there { hold } else { clear } {
            return false;
        }
        self.raised = there;
        self.otherwise = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WELL: Seen = Seen { faces: 1, same: Some(0.8), eyes: Some(0.1), covered: false };

    /// News of a script of looks, one a second.
    fn news(script: impl IntoIterator<Item = Seen>) -> Vec<(u64, WatchAlarm, bool)> {
        let mut states = WatchStates::new(WatchPolicy::default());
        let looks = script.into_iter().enumerate();
        looks
            .flat_map(|(second, seen)| {
                let second = second as u64;
                let news = states.handle(Mono::from_millis(second * 1_000), &seen);
                news.into_iter().map(move |e| (second, e.alarm, e.raised))
            })
            .collect()
    }

    fn twenty(seen: Seen) -> impl Iterator<Item = Seen> {
        std::iter::repeat_n(seen, 20).chain(std::iter::repeat_n(WELL, 20))
    }

    #[test]
    fn each_state_is_told_once_it_lasts_and_once_it_is_over() {
        for (seen, alarm, after) in [
            (Seen { faces: 0, same: None, eyes: None, ..WELL }, WatchAlarm::Absent, 5),
            (Seen { faces: 2, ..WELL }, WatchAlarm::SeveralFaces, 4),
            (Seen { same: Some(0.1), ..WELL }, WatchAlarm::DifferentFace, 4),
            (Seen { eyes: Some(0.7), ..WELL }, WatchAlarm::EyesClosed, 10),
            (
                Seen { faces: 0, same: None, eyes: None, covered: true },
                WatchAlarm::CameraCovered,
                3,
            ),
        ] {
            assert_eq!(news(twenty(seen)), [(after, alarm, true), (22, alarm, false)]);
        }
    }

    #[test]
    fn a_moment_is_no_alarm() {
        let away = Seen { faces: 0, same: None, eyes: None, ..WELL };
        let script = (0..60).map(|second| if second % 4 == 3 { WELL } else { away });
        assert_eq!(news(script), []);
    }

    proptest! {
        #[test]
        fn every_alarm_alternates_between_raised_and_not(
            script in prop::collection::vec(
                (0_u32..3, prop::option::of(-1.0_f32..1.0), prop::option::of(0.0_f32..1.0),
                 any::<bool>()), 0..300),
        ) {
            let looks = script.into_iter().map(|(faces, same, eyes, covered)| Seen {
                faces, same, eyes, covered,
            });
            let all = news(looks);
            for alarm in ALARMS {
                let raised: Vec<bool> =
                    all.iter().filter(|e| e.1 == alarm).map(|e| e.2).collect();
                for (n, raised) in raised.into_iter().enumerate() {
                    prop_assert_eq!(raised, n % 2 == 0);
                }
            }
        }
    }
}
