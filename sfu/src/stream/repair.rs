//! How long lost packets of a path take to come after all, and so how long a picture should wait
//! for them.
//!
//! A receiver learns jitter from packets that come late, but takes none from those that were sent
//! again, and across a forwarder it sees nothing of the other leg's round trip. It would show each
//! frame as soon as it is whole, and stand still at every loss. Held back by as long as repair
//! takes, the picture does not.

use std::time::Duration;

use vbranch_domain::Mono;

use super::nack::MIN_REPEAT;

/// From this share of loss on pictures are held back: below, a freeze now and then costs less than
/// the delay.
const LOSS: f32 = 0.03;
/// Weight of the newest second: at 10 % loss one is enough, a single lost packet is not.
const NEWEST: f32 = 0.4;
/// Times the round trip: the first request or its answer may be lost as well.
const ROUND_TRIPS: f32 = 2.5;
/// Noticing the loss, and asking.
const NOTICE: Duration = Duration::from_millis(40);
/// More delay than this, of both legs together, makes people talk past each other, which is worse
/// than a freeze.
pub(crate) const MOST: Duration = Duration::from_millis(400);
/// A change smaller than this is not worth a change of speed.
const STEP: Duration = Duration::from_millis(40);
/// A path must have been better for so long before pictures are held back less: each change
/// shows.
const BETTER_FOR: Duration = Duration::from_secs(10);

/// How long repair takes on one way of one client's path.
#[derive(Debug, Default)]
pub(crate) struct RepairWait {
    /// Share of packets lost of late.
    loss: f32,
    wait: Duration,
    /// When as much was last needed.
    needed_at: Mono,
    /// The most that was needed since.
    less: Duration,
}

impl RepairWait {
    /// Takes what was seen of the path in a second: the share of packets lost before repair, 0–1.
    pub(crate) fn update(&mut self, now: Mono, loss: f32, rtt: Duration) {
        self.loss += NEWEST * (loss - self.loss);
        let needed = if self.loss < LOSS {
            Duration::ZERO
        } else {
            (rtt.max(MIN_REPEAT).mul_f32(ROUND_TRIPS) + NOTICE).min(MOST)
        };
        if needed > self.wait + STEP {
            self.wait = needed;
        }
        if needed + STEP >= self.wait {
            (self.needed_at, self.less) = (now, Duration::ZERO);
            return;
        }
        self.less = self.less.max(needed);
        if now.since(self.needed_at) >= BETTER_FOR {
            (self.wait, self.needed_at, self.less) = (self.less, now, Duration::ZERO);
        }
    }

    /// How long pictures that go this way should be held back.
    pub(crate) fn get(&self) -> Duration {
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    #[test]
    fn a_lossy_path_is_waited_for_at_once_and_some_time_beyond() {
        let mut wait = RepairWait::default();
        wait.update(Mono::ZERO, 0.05, RTT);
        assert_eq!(wait.get(), Duration::ZERO, "a packet or two");
        wait.update(Mono::from_millis(1000), 0.1, RTT);
        assert_eq!(wait.get(), Duration::from_millis(290));
        for second in 2..12 {
            wait.update(Mono::from_millis(second * 1000), 0.0, RTT);
            assert_eq!(wait.get(), Duration::from_millis(290), "after {second} s");
        }
        wait.update(Mono::from_millis(12_000), 0.0, RTT);
        assert_eq!(wait.get(), Duration::ZERO);
    }

    #[test]
    fn a_round_trip_that_wavers_does_not_change_the_speed() {
        let mut wait = RepairWait::default();
        wait.update(Mono::ZERO, 0.1, RTT);
        for second in 1..100 {
            let rtt = RTT + Duration::from_millis(second % 10);
            wait.update(Mono::from_millis(second * 1000), 0.1, rtt);
            assert_eq!(wait.get(), Duration::from_millis(290));
        }
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_people_bear(
            seen in prop::collection::vec((0.0f32..1.0, 0u64..20_000), 1..100),
        ) {
            let mut wait = RepairWait::default();
            for (n, (loss, rtt)) in seen.into_iter().enumerate() {
                wait.update(Mono::from_millis(n as u64 * 1000), loss, Duration::from_millis(rtt));
                prop_assert!(wait.get() <= MOST);
            }
        }
    }
}
