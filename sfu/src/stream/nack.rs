//! Which packets are missing, and when to ask for them (generic NACK, RFC 4585 section 6.2.1).

use std::time::Duration;

use vbranch_domain::Mono;

/// A hole is asked about only after this long: reordered packets usually come within it. Shorter
/// asks for packets that are on their way; longer delays every repair.
const REORDER_WAIT: Duration = Duration::from_millis(10);

/// Shortest time between two requests for one packet. Shorter asks twice while the first answer
/// is under way (senders refuse repeats within a round trip anyway).
pub(super) const MIN_REPEAT: Duration = Duration::from_millis(40);

/// Requests spaced one round trip; those after grow by a quarter of it each. With 30 % loss both
/// ways, six requests bring 98 % of the packets.
const EAGER_TRIES: u32 = 6;

/// Most requests for one packet.
const MAX_TRIES: u32 = 10;

/// A packet this old is given up. Picture: a receiver waits about that long before it needs a key
/// frame. Sound: later than this it has been concealed, and only the recording would gain.
pub(crate) const MAX_AGE_VIDEO: Duration = Duration::from_secs(1);
pub(crate) const MAX_AGE_AUDIO: Duration = Duration::from_millis(400);

/// Most packets missing at a time. When there are more (a blackout, a sender that jumps) all are
/// forgotten and a key frame is due: asking for them would fill the link for longer than the key
/// frame takes.
const MAX_MISSING: usize = 500;

/// (PID, BLP) pairs in one poll, 4 bytes each, so that one RTCP packet holds them. What does not
/// fit stays due: poll again.
const MAX_PAIRS: usize = 64;

/// What a poll says.
#[derive(Debug)]
pub(crate) struct NackPoll {
    pairs: [(u16, u16); MAX_PAIRS],
    len: usize,
    /// Video only: a packet is lost for good. Ask for a key frame.
    pub(crate) keyframe_needed: bool,
}

impl NackPoll {
    /// Packet ids and bit masks of following lost packets, as a generic NACK carries them.
    pub(crate) fn pairs(&self) -> &[(u16, u16)] {
        self.pairs.get(..self.len).unwrap_or_default()
    }

    pub(super) const fn new() -> Self {
        Self { pairs: [(0, 0); MAX_PAIRS], len: 0, keyframe_needed: false }
    }

    /// Adds a sequence number; they come in ascending order. `false` when full.
    fn push(&mut self, seq: u16) -> bool {
        if let Some((pid, blp)) = self.len.checked_sub(1).and_then(|at| self.pairs.get_mut(at)) {
            let behind = seq.wrapping_sub(*pid);
            if (1..=16).contains(&behind) {
                *blp |= 1 << (behind - 1);
                return true;
            }
        }
        let Some(pair) = self.pairs.get_mut(self.len) else { return false };
        *pair = (seq, 0);
        self.len += 1;
        true
    }
}

/// The sequence numbers of one (PID, BLP) pair.
pub(crate) fn nacked(pid: u16, blp: u16) -> impl Iterator<Item = u16> {
    let followers = (0..16).filter(move |bit| blp & 1 << bit != 0);
    std::iter::once(pid).chain(followers.map(move |bit| pid.wrapping_add(bit + 1)))
}

/// The missing packets of one stream.
#[derive(Debug)]
pub(super) struct NackList {
    /// Ascending by `seq`. Grows with the first losses, then keeps its memory (at most 16 kB).
    missing: Vec<Missing>,
    /// No entry is due before this. May be early, never late.
    next: Option<Mono>,
    /// Whether lost packets break decoding until a key frame.
    video: bool,
    keyframe_needed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: u64,
    since: Mono,
    /// Next request.
    due: Mono,
    tries: u32,
}

impl NackList {
    pub(super) const fn new(video: bool) -> Self {
        Self { missing: Vec::new(), next: None, video, keyframe_needed: false }
    }

    /// `from..to` were skipped by a newer packet; all are newer than any before.
    pub(super) fn gap(&mut self, now: Mono, from: u64, to: u64) {
        let room = (MAX_MISSING - self.missing.len().min(MAX_MISSING)) as u64;
        if to.saturating_sub(from) > room {
            self.overflow(now);
            return;
        }
        let due = now + REORDER_WAIT;
        self.missing.extend((from..to).map(|seq| Missing { seq, since: now, due, tries: 0 }));
        self.wake_by(due);
    }

    /// A packet came, in whatever way.
    pub(super) fn arrived(&mut self, seq: u64) {
        if let Ok(at) = self.missing.binary_search_by_key(&seq, |m| m.seq) {
            self.missing.remove(at);
        }
    }

    /// How many are being waited for.
    pub(super) fn len(&self) -> usize {
        self.missing.len()
    }

    /// The stream started over: nothing of the past matters, and decoding must start over.
    pub(super) fn overflow(&mut self, now: Mono) {
        self.missing.clear();
        self.keyframe_needed = self.video;
        self.next = self.video.then_some(now);
    }

    pub(super) fn poll(&mut self, now: Mono, rtt: Duration) -> NackPoll {
        let mut out = NackPoll::new();
        if self.next.is_none_or(|at| at > now) {
            return out;
        }
        let max_age = if self.video { MAX_AGE_VIDEO } else { MAX_AGE_AUDIO };
        let (mut given_up, mut next) = (false, None::<Mono>);
        self.missing.retain_mut(|missing| {
            let due = missing.due <= now;
            if now.since(missing.since) >= max_age || (due && missing.tries >= MAX_TRIES) {
                given_up = true;
                return false;
            }
            // The low 16 bits are what a NACK carries. When full, the entry stays due.
            if due && out.push(missing.seq as u16) {
                missing.tries += 1;
                missing.due = now + repeat_after(rtt, missing.tries);
            }
            let wake = missing.due.min(missing.since + max_age);
            next = Some(next.map_or(wake, |at| at.min(wake)));
            true
        });
        self.next = next;
        out.keyframe_needed = std::mem::take(&mut self.keyframe_needed) || (given_up && self.video);
        out
    }

    /// When [`Self::poll`] may have something to say; early where packets arrived meanwhile.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.next
    }

    fn wake_by(&mut self, at: Mono) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// A little over a round trip, since answers jitter; from the sixth request on ever longer.
fn repeat_after(rtt: Duration, tries: u32) -> Duration {
    let base = (rtt + rtt / 8).max(MIN_REPEAT);
    base + base / 4 * tries.saturating_sub(EAGER_TRIES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RTT: Duration = Duration::from_millis(20);

    fn ms(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }

    fn seqs(poll: &NackPoll) -> Vec<u16> {
        poll.pairs().iter().flat_map(|&(pid, blp)| nacked(pid, blp)).collect()
    }

    #[test]
    fn asks_soon_then_every_round_trip_then_gives_up() {
        let mut list = NackList::new(true);
        list.gap(ms(0), 65_535, 65_537);
        let (mut asked, mut given_up) = (vec![], vec![]);
        for t in 0..3000 {
            let poll = list.poll(ms(t), RTT);
            if !poll.pairs().is_empty() {
                assert_eq!(seqs(&poll), [65_535, 0], "a pair reaches over the wrap");
                asked.push(t);
            }
            given_up.extend(poll.keyframe_needed.then_some(t));
        }
        assert_eq!(asked[..7], [10, 50, 90, 130, 170, 210, 250]);
        assert_eq!(asked.len() as u32, MAX_TRIES);
        assert_eq!(given_up.len(), 1);
        assert!(given_up[0] <= 1000);
        assert_eq!(list.poll_timeout(), None, "nothing left to do");
    }

    #[test]
    fn a_packet_that_came_is_not_asked_for() {
        let mut list = NackList::new(true);
        list.gap(ms(0), 100, 103);
        list.arrived(101);
        assert_eq!(seqs(&list.poll(ms(10), RTT)), [100, 102]);
    }

    #[test]
    fn sound_is_given_up_silently_and_sooner() {
        let mut list = NackList::new(false);
        list.gap(ms(0), 100, 101);
        let polls: Vec<_> = (0..2000).map(|t| list.poll(ms(t), RTT)).collect();
        assert!(polls.iter().all(|p| !p.keyframe_needed));
        assert!(polls[400..].iter().all(|p| p.pairs().is_empty()));
    }

    #[test]
    fn a_blackout_ends_in_one_key_frame_request_instead_of_a_flood() {
        let mut list = NackList::new(true);
        list.gap(ms(0), 100, 400);
        list.gap(ms(1), 500, 800);
        let poll = list.poll(ms(1), RTT);
        assert!(poll.keyframe_needed && poll.pairs().is_empty());
        assert_eq!((list.len(), list.poll_timeout()), (0, None));
    }

    #[test]
    fn what_does_not_fit_into_one_message_is_in_the_next() {
        let mut list = NackList::new(true);
        // Far apart, so that each needs a pair of its own.
        let lost: Vec<u64> = (0..100).map(|n| 1000 + n * 20).collect();
        lost.iter().for_each(|&seq| list.gap(ms(0), seq, seq + 1));
        let mut asked = seqs(&list.poll(ms(10), RTT));
        assert_eq!((asked.len(), list.poll_timeout()), (MAX_PAIRS, Some(ms(10))));
        asked.extend(seqs(&list.poll(ms(10), RTT)));
        assert_eq!(asked, lost.iter().map(|&s| s as u16).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn pairs_say_exactly_what_is_missing(lost in prop::collection::btree_set(0u64..900, 0..60)) {
            let mut list = NackList::new(true);
            lost.iter().for_each(|&seq| list.gap(ms(0), seq, seq + 1));
            let expected: Vec<_> = lost.iter().map(|&s| s as u16).collect();
            prop_assert_eq!(seqs(&list.poll(ms(10), RTT)), expected);
        }
    }
}
