//! What a check asks for, drawn so that nobody can foresee it.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use vbranch_domain::kyc::Challenge;

use super::policy::LivenessPolicy;

/// Draws the gestures of one check: none follows itself, and one is a turn if the pool has any,
/// since only turns show that the head is solid.
pub(super) fn draw(policy: &LivenessPolicy, rng: &mut StdRng) -> Vec<Challenge> {
    let mut pool = policy.challenges.clone();
    pool.sort_unstable();
    pool.dedup();
    let length = usize::try_from(policy.asked).unwrap_or(1);
    let mut drawn: Vec<Challenge> = Vec::with_capacity(length);
    while drawn.len() < length {
        let others: Vec<_> =
            pool.iter().copied().filter(|c| pool.len() == 1 || drawn.last() != Some(c)).collect();
        let Some(&next) = others.choose(rng) else { break };
        drawn.push(next);
    }
    let turns: Vec<_> = pool.iter().copied().filter(|&c| is_turn(c)).collect();
    if !turns.is_empty() && !drawn.iter().any(|&c| is_turn(c)) && !drawn.is_empty() {
        // None of its neighbours is a turn, so none is repeated.
        let at = rng.random_range(0..drawn.len());
        if let (Some(slot), Some(&turn)) = (drawn.get_mut(at), turns.choose(rng)) {
            *slot = turn;
        }
    }
    drawn
}

/// Whether the gesture turns the head to a side.
pub(super) const fn is_turn(challenge: Challenge) -> bool {
    matches!(challenge, Challenge::TurnLeft | Challenge::TurnRight)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn no_gesture_follows_itself_and_a_turn_is_always_among_them() {
        let policy = LivenessPolicy::default();
        let mut seen = HashSet::new();
        for seed in 0..2_000_u64 {
            let drawn = draw(&policy, &mut StdRng::seed_from_u64(seed));
            assert_eq!(drawn.len(), 4);
            assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]), "{drawn:?}");
            assert!(drawn.iter().any(|&c| is_turn(c)), "{drawn:?}");
            seen.insert(drawn);
        }
        assert!(seen.len() > 500, "{} different ones", seen.len());
    }

    #[test]
    fn a_pool_of_one_is_asked_again_and_again() {
        let policy =
            LivenessPolicy { challenges: vec![Challenge::Smile], ..LivenessPolicy::default() };
        assert_eq!(draw(&policy, &mut StdRng::seed_from_u64(1)), [Challenge::Smile; 4]);
    }
}
