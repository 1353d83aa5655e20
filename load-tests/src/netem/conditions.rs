//! What is wrong with a network, as values.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A probability: a finite number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

/// The number is no probability.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not between 0 and 1")]
pub struct NotAProbability(f64);

impl Probability {
    /// Never.
    pub const ZERO: Self = Self(0.0);
    /// Always.
    pub const ONE: Self = Self(1.0);

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Probability {
    type Error = NotAProbability;

    fn try_from(p: f64) -> Result<Self, NotAProbability> {
        if (0.0..=1.0).contains(&p) { Ok(Self(p)) } else { Err(NotAProbability(p)) }
    }
}

impl From<Probability> for f64 {
    fn from(p: Probability) -> Self {
        p.0
    }
}

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// None.
    #[default]
    Never,
    /// Each by itself, with this probability.
    Uniform(Probability),
    /// In bursts (Gilbert-Elliott): a packet may `enter` or `leave` the bad state before its fate
    /// is drawn with that state's own probability.
    Bursts {
        /// From good to bad, per packet.
        enter: Probability,
        /// From bad to good, per packet.
        leave: Probability,
        /// Loss in the good state.
        good: Probability,
        /// Loss in the bad state.
        bad: Probability,
    },
}

impl Loss {
    /// Bursts of `length` packets on average in which everything is lost, so that `mean` of all
    /// packets are. The `length` is at least 1; a `mean` of 1 loses everything.
    #[must_use]
    pub fn bursts(mean: Probability, length: f64) -> Self {
        let leave = 1.0 / length.max(1.0);
        // In balance, the share of packets in the bad state is enter / (enter + leave).
        let enter = (leave * mean.0 / (1.0 - mean.0)).min(1.0);
        Self::Bursts {
            enter: Probability(enter),
            leave: if mean == Probability::ONE { Probability::ZERO } else { Probability(leave) },
            good: Probability::ZERO,
            bad: Probability::ONE,
        }
    }
}

/// One direction of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Packets that never arrive.
    pub loss: Loss,
    /// Time on the way for every packet, in milliseconds.
    pub delay_ms: u32,
    /// Up to so many milliseconds more, drawn anew for each packet; the order is kept, as it is
    /// behind a busy radio.
    pub jitter_ms: u32,
    /// Packets that overtakers pass: held back by [`Self::reorder_by_ms`].
    pub reorder: Probability,
    /// How far such a packet falls behind, in milliseconds.
    pub reorder_by_ms: u32,
    /// Packets that arrive twice.
    pub duplicate: Probability,
    /// Bits per second, headers of IP and UDP included; `None`: as fast as it can.
    pub rate_bps: Option<u64>,
    /// What waits before the cap, in milliseconds of its rate; more is dropped at the tail.
    pub queue_ms: u32,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss: Loss::Never,
            delay_ms: 0,
            jitter_ms: 0,
            reorder: Probability::ZERO,
            reorder_by_ms: 15,
            duplicate: Probability::ZERO,
            rate_bps: None,
            // Home routers hold 100 ms to 1 s. More hides a cap behind delay, less behind loss.
            queue_ms: 250,
        }
    }
}

impl Conditions {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.into())
    }
}

/// Both directions, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// From the client to the server.
    pub up: Conditions,
    /// From the server to the client.
    pub down: Conditions,
}

impl Network {
    /// The same both ways.
    #[must_use]
    pub const fn both(conditions: Conditions) -> Self {
        Self { up: conditions, down: conditions }
    }
}
