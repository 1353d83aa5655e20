//! What is remembered of incoming streams: how far each is and which packets came
//! (RFC 3711, 3.3.1, 3.3.2 and appendix A).

use super::inbound::{MAX_STREAMS, Rejected};

/// Words of the window's bitmap; one of them is always only partly in use.
const WORDS: usize = 16;
const WORD_BITS: u64 = u64::BITS as u64;
/// How many packets before the newest are told apart, at least. It is eight seconds of a sharp
/// 1 Mbit/s video: fewer would drop late retransmissions on long paths, more costs 8 bytes per
/// 64 packets and stream.
pub(super) const REACH: u64 = (WORDS as u64 - 1) * WORD_BITS;

/// The packets seen of one stream. Bit `index % (WORDS * 64)` stands for an index; moving ahead
/// clears whole words instead of shifting (RFC 6479).
struct Window {
    highest: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// A window that has seen one packet.
    fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.record(index);
        window
    }

    /// The index of the packet with this sequence number that is nearest to the newest one.
    fn index_of(&self, sequence_number: u16) -> u64 {
        const HALF: u16 = 1 << 15;
        let (roc, newest) = (self.highest >> 16, self.highest as u16);
        let roc = if newest < HALF && sequence_number.saturating_sub(newest) > HALF {
            // Before the last rollover; before the first one there is nothing.
            roc.saturating_sub(1)
        } else if newest >= HALF && newest - HALF > sequence_number {
            roc + 1
        } else {
            roc
        };
        (roc << 16) | u64::from(sequence_number)
    }

    /// Whether the packet is new and recent enough to tell.
    fn is_new(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index <= REACH
            && self.seen.get(word(index)).is_some_and(|seen| seen & bit(index) == 0)
    }

    /// Notes an authentic packet for which [`is_new`](Self::is_new) held.
    fn record(&mut self, index: u64) {
        if index > self.highest {
            let (from, to) = (self.highest / WORD_BITS, index / WORD_BITS);
            for ahead in 1..=(to - from).min(WORDS as u64) {
                if let Some(seen) = self.seen.get_mut(word((from + ahead) * WORD_BITS)) {
                    *seen = 0;
                }
            }
            self.highest = index;
        }
        if let Some(seen) = self.seen.get_mut(word(index)) {
            *seen |= bit(index);
        }
    }
}

fn word(index: u64) -> usize {
    (index / WORD_BITS) as usize % WORDS
}

fn bit(index: u64) -> u64 {
    1 << (index % WORD_BITS)
}

/// The windows of a peer's streams: so few that a scan is quickest.
#[derive(Default)]
pub(super) struct Streams {
    /// At most [`MAX_STREAMS`]; grows only by SSRCs of authentic packets.
    windows: Vec<(u32, Window)>,
}

/// Where a stream's window is, or will be once a packet of it was authentic. Holds until the next
/// [`Streams::record`].
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Finds a stream.
    pub(super) fn place(&self, ssrc: u32) -> Result<Place, Rejected> {
        match self.windows.iter().position(|(of, _)| *of == ssrc) {
            Some(at) => Ok(Place(at)),
            None if self.windows.len() < MAX_STREAMS => Ok(Place(self.windows.len())),
            None => Err(Rejected::TooManyStreams),
        }
    }

    /// The index of the packet with this sequence number.
    pub(super) fn index_of(&self, place: Place, sequence_number: u16) -> u64 {
        match self.windows.get(place.0) {
            Some((_, window)) => window.index_of(sequence_number),
            None => sequence_number.into(),
        }
    }

    /// Whether a packet is worth authenticating. Changes nothing.
    pub(super) fn check(&self, place: Place, index: u64) -> Result<(), Rejected> {
        match self.windows.get(place.0) {
            Some((_, window)) if !window.is_new(index) => Err(Rejected::Replayed),
            _ => Ok(()),
        }
    }

    /// Notes an authentic packet that passed [`check`](Self::check).
    pub(super) fn record(&mut self, place: Place, ssrc: u32, index: u64) {
        match self.windows.get_mut(place.0) {
            Some((_, window)) => window.record(index),
            None => self.windows.push((ssrc, Window::starting_at(index))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn before_the_first_rollover_there_is_nothing() {
        let window = Window::starting_at(3);
        assert_eq!(window.index_of(0xFFFE), 0xFFFE);
    }

    #[test]
    fn a_stream_may_jump_half_a_round() {
        assert_eq!(Window::starting_at(0x2_0000).index_of(0x8000), 0x2_8000);
        assert_eq!(Window::starting_at(0x2_8000).index_of(0x0000), 0x2_0000);
        assert_eq!(Window::starting_at(0x2_FFFF).index_of(0x7FFE), 0x3_7FFE);
        assert_eq!(Window::starting_at(0x2_0001).index_of(0x8002), 0x1_8002);
    }

    proptest! {
        /// Whatever a packet's true index, its sequence number alone tells it, as long as it is
        /// within half a round of the newest.
        #[test]
        fn the_nearest_index_is_found(highest in 0x8000u64..1 << 40, offset in -0x7FFFi64..0x8000) {
            let index = highest.saturating_add_signed(offset);
            prop_assert_eq!(Window::starting_at(highest).index_of(index as u16), index);
        }

        /// The window tells what a list of everything seen would tell, within its reach.
        #[test]
        fn remembers_like_a_list(start in 0u64..5_000, steps in vec((0u64..1_200, -1_100i64..40), 1..400)) {
            let mut window = Window::starting_at(start);
            let mut seen = BTreeSet::from([start]);
            let mut head = start;
            for (at, (jump, offset)) in steps.into_iter().enumerate() {
                // Now and then a long gap.
                head += if at % 10 == 0 { jump } else { jump % 3 };
                let index = head.saturating_add_signed(offset);
                let highest = seen.last().copied().unwrap();
                let expected = index > highest || (highest - index <= REACH && !seen.contains(&index));
                prop_assert_eq!(window.is_new(index), expected);
                if expected {
                    window.record(index);
                    seen.insert(index);
                }
            }
        }
    }
}
