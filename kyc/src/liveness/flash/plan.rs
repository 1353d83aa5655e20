//! Which colours, and for how long each.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use vbranch_domain::kyc::FlashColour;

use super::super::policy::FlashPolicy;

/// Colours far apart in hue and in brightness. Red is not pure: flashes between saturated red and
/// others are what harms (WCAG 2.3.1, red flash).
const PALETTE: [FlashColour; 7] = [
    FlashColour { r: 235, g: 60, b: 60 },
    FlashColour { r: 40, g: 230, b: 60 },
    FlashColour { r: 50, g: 70, b: 255 },
    FlashColour { r: 250, g: 225, b: 40 },
    FlashColour { r: 230, g: 60, b: 230 },
    FlashColour { r: 255, g: 255, b: 255 },
    FlashColour { r: 16, g: 16, b: 16 },
];
/// The first five have a hue.
const HUES: usize = 5;

/// Colours in order, each with its time in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::liveness) struct Plan(Vec<(FlashColour, u64)>);

impl Plan {
    /// Draws one: no colour follows itself, at least three hues, and one of white and dark.
    pub(in crate::liveness) fn draw(policy: &FlashPolicy, rng: &mut StdRng) -> Self {
        let count = usize::try_from(policy.colours).unwrap_or(4).max(4);
        loop {
            let mut colours: Vec<FlashColour> = Vec::with_capacity(count);
            while colours.len() < count {
                match PALETTE.choose(rng) {
                    Some(c) if colours.last() != Some(c) => colours.push(*c),
                    _ => {}
                }
            }
            if is_telling(&colours) {
                let mut hold = || rng.random_range(policy.hold_min_ms..=policy.hold_max_ms);
                return Self(colours.into_iter().map(|colour| (colour, hold())).collect());
            }
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn step(&self, index: usize) -> Option<(FlashColour, u64)> {
        self.0.get(index).copied()
    }

    pub(super) fn colours(&self) -> Vec<FlashColour> {
        self.0.iter().map(|&(colour, _)| colour).collect()
    }
}

fn is_telling(colours: &[FlashColour]) -> bool {
    let hues = PALETTE.iter().take(HUES).filter(|c| colours.contains(c)).count();
    hues >= 3 && PALETTE.iter().skip(HUES).any(|c| colours.contains(c))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn colours_never_repeat_at_once_and_change_less_than_three_times_a_second() {
        let policy = FlashPolicy::default();
        let mut seen = HashSet::new();
        for seed in 0..1_000 {
            let Plan(plan) = Plan::draw(&policy, &mut StdRng::seed_from_u64(seed));
            assert_eq!(plan.len(), 6);
            assert!(plan.windows(2).all(|pair| pair[0].0 != pair[1].0));
            assert!(plan.iter().all(|&(_, hold)| (400..=520).contains(&hold)));
            seen.insert(plan.iter().map(|&(colour, _)| colour).collect::<Vec<_>>());
        }
        assert!(seen.len() > 980, "{} different ones", seen.len());
    }
}
