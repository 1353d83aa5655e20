//! What a client may send over a WebSocket.

use std::time::Duration;

use vbranch_domain::Mono;

/// Frames of any kind in one second.
const MAX_RATE: u32 = 20;
const MAX_STRIKES: u32 = 3;

/// Counts what a client sends.
#[derive(Debug)]
pub(super) struct Limits {
    second: Mono,
    in_second: u32,
    strikes: u32,
    heard: Mono,
}

impl Limits {
    pub fn new(now: Mono) -> Self {
        Self { second: now, in_second: 0, strikes: 0, heard: now }
    }

    /// Counts a frame; false where there are too many.
    pub fn admit(&mut self, now: Mono) -> bool {
        self.heard = now;
        if now.since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.in_second = 0;
        }
        self.in_second += 1;
        self.in_second <= MAX_RATE
    }

    /// When the client was last heard of.
    pub const fn heard(&self) -> Mono {
        self.heard
    }

    /// Counts a message that cannot be understood; true where that was the last.
    pub const fn strike_is_last(&mut self) -> bool {
        self.strikes += 1;
        self.strikes >= MAX_STRIKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_cut_and_a_steady_client_is_not() {
        let mut limits = Limits::new(Mono::ZERO);
        assert_eq!((0..30).filter(|_| limits.admit(Mono::ZERO)).count(), 20);
        for n in 1..100u64 {
            assert!(limits.admit(Mono::from_millis(1_000 + n * 60)), "message {n}");
        }
    }
}
