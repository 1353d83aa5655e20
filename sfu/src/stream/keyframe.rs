//! When to ask a publisher for a key frame (PLI, RFC 4585 section 6.3.1; FIR, RFC 5104).

use std::time::Duration;

use vbranch_domain::Mono;

/// At least this long between two requests. Shorter lets several subscribers with losses fill the
/// publisher's link with key frames; longer keeps a frozen picture frozen.
const HOLD_OFF: Duration = Duration::from_millis(300);

/// Asked again when no key frame came for so long: the request or the frame's start was lost.
/// Shorter than a round trip plus an encoder's delay asks twice for nothing.
const REPEAT: Duration = Duration::from_millis(500);

/// Requests one subscriber may make at once, and how long until it may make one more. Browsers
/// ask a few times around a loss; a flood beyond that would cost every other subscriber quality.
const BUDGET: u32 = 4;
const BUDGET_REFILL: Duration = Duration::from_secs(1);

/// Key frame requests towards one publisher stream (one simulcast layer), whoever asks.
#[derive(Debug, Default)]
pub(crate) struct KeyframeThrottle {
    /// Somebody asked, and nothing was sent since.
    wanted: bool,
    /// Something was sent, and no key frame came since.
    awaited: bool,
    sent: Option<Mono>,
}

impl KeyframeThrottle {
    /// Somebody needs a key frame. Call [`Self::poll`] next: it may be time to ask.
    pub(crate) fn request(&mut self) {
        self.wanted = true;
    }

    /// As [`Self::request`], for who says so with every packet: nothing new while one is awaited,
    /// which is asked for again in its own time.
    pub(crate) fn need(&mut self) {
        self.wanted |= !self.awaited;
    }

    /// The first packet of a key frame came; it serves everybody who asked before.
    pub(crate) fn on_keyframe(&mut self) {
        self.wanted = false;
        self.awaited = false;
    }

    /// Nobody wants a key frame any more (the last subscriber left, the source ended).
    pub(crate) fn cancel(&mut self) {
        self.on_keyframe();
    }

    /// Whether a PLI is to be sent now; it then counts as sent.
    pub(crate) fn poll(&mut self, now: Mono) -> bool {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return false;
        }
        self.wanted = false;
        self.awaited = true;
        self.sent = Some(now);
        true
    }

    /// When [`Self::poll`] has something to send if nothing else happens.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let after = |wait| self.sent.map_or(Mono::ZERO, |at| at + wait);
        match (self.wanted, self.awaited) {
            (true, _) => Some(after(HOLD_OFF)),
            (false, true) => Some(after(REPEAT)),
            (false, false) => None,
        }
    }
}

/// What one subscriber may ask for: a token bucket in front of [`KeyframeThrottle::request`].
#[derive(Debug)]
pub(crate) struct RequestBudget {
    left: u32,
    refilled: Mono,
}

impl Default for RequestBudget {
    fn default() -> Self {
        Self { left: BUDGET, refilled: Mono::ZERO }
    }
}

impl RequestBudget {
    /// Whether this request counts. One refused is lost: a browser that still needs a key frame
    /// repeats itself.
    pub(crate) fn take(&mut self, now: Mono) -> bool {
        if self.left == BUDGET {
            self.refilled = now;
        }
        while self.left < BUDGET && now.since(self.refilled) >= BUDGET_REFILL {
            self.left += 1;
            self.refilled += BUDGET_REFILL;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }

    #[test]
    fn a_request_during_the_hold_off_is_sent_at_its_end() {
        let mut throttle = KeyframeThrottle::default();
        assert_eq!(throttle.poll_timeout(), None);
        throttle.request();
        assert!(throttle.poll(ms(1000)));
        throttle.on_keyframe();
        throttle.request();
        assert!(!throttle.poll(ms(1100)));
        assert_eq!(throttle.poll_timeout(), Some(ms(1300)));
        assert!(throttle.poll(ms(1300)));
    }

    #[test]
    fn asks_again_until_the_key_frame_comes() {
        let mut throttle = KeyframeThrottle::default();
        throttle.request();
        let asked: Vec<_> = (0..2000).filter(|&t| throttle.poll(ms(t))).collect();
        assert_eq!(asked, [0, 500, 1000, 1500]);
        throttle.on_keyframe();
        assert_eq!(throttle.poll_timeout(), None);
    }

    #[test]
    fn a_flood_costs_one_request_a_second() {
        let (mut throttle, mut budget) = (KeyframeThrottle::default(), RequestBudget::default());
        let mut asked = 0;
        for t in 0..60_000 {
            if budget.take(ms(t)) {
                throttle.request();
            }
            if throttle.poll(ms(t)) {
                asked += 1;
                throttle.on_keyframe();
            }
        }
        assert!(asked <= 60 + BUDGET, "{asked}");
    }

    proptest! {
        /// However the requests come: never two within the hold-off, and none waits longer.
        #[test]
        fn no_request_is_lost_and_none_comes_early(
            gaps in prop::collection::vec(0u64..700, 1..60), keyframe_after in 0u64..900,
        ) {
            let mut throttle = KeyframeThrottle::default();
            let mut requests = gaps.iter().scan(0, |t, gap| { *t += gap; Some(*t) }).peekable();
            let (mut waiting, mut last_sent, mut keyframe) = (None, None, None);
            for t in 0..60 * 700 + 1000 {
                while requests.next_if_eq(&t).is_some() {
                    throttle.request();
                    waiting.get_or_insert(t);
                }
                if throttle.poll(ms(t)) {
                    prop_assert!(last_sent.is_none_or(|at| t - at >= 300));
                    (last_sent, waiting) = (Some(t), None);
                    keyframe = Some(t + keyframe_after);
                }
                if keyframe == Some(t) {
                    throttle.on_keyframe();
                    waiting = None;
                }
                prop_assert!(waiting.is_none_or(|since| t - since < 300));
            }
        }
    }
}
