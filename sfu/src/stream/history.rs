//! The last packets of a publisher, kept once for all its subscribers' retransmissions.

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::Mono;

use super::ring::SeqRing;

/// Packets kept by default. More costs memory (1.5 kB each on a video stream, once per publisher);
/// fewer cannot answer a NACK a second old on a fast stream.
pub(crate) const DEFAULT_PACKETS: usize = 512;

/// Older packets are of no use: receivers have given up or got a key frame.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// Largest payload kept: what fits an Ethernet frame.
pub(crate) const MAX_PAYLOAD: usize = 1500;

/// Memory is taken in pages of this size. Larger wastes it on slow streams; smaller wastes the
/// rests at page ends, where no packet fits.
const PAGE: usize = 8192;

/// A decrypted packet as its publisher sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HistoryPacket<'a> {
    /// RTP timestamp of the source.
    pub(crate) timestamp: u32,
    /// Marker bit.
    pub(crate) marker: bool,
    /// Payload type of the source.
    pub(crate) payload_type: u8,
    /// Loudness (RFC 6464): the one header extension that is repeated.
    pub(crate) audio_level: Option<u8>,
    /// Payload without padding.
    pub(crate) payload: &'a [u8],
}

/// Packets by extended sequence number of their source, bounded by count and by age. Starts
/// without memory, takes pages while packets are young, then reuses the oldest.
#[derive(Debug)]
pub(crate) struct PacketHistory {
    index: SeqRing<Stored>,
    pages: Vec<Page>,
    /// Page numbers, the oldest first; the last is being filled.
    order: VecDeque<usize>,
    max_pages: usize,
}

#[derive(Debug, Clone)]
struct Stored {
    page: usize,
    epoch: u32,
    start: usize,
    len: usize,
    timestamp: u32,
    audio_level: Option<u8>,
    marker: bool,
    payload_type: u8,
}

#[derive(Debug)]
struct Page {
    bytes: Box<[u8]>,
    used: usize,
    /// Changes when the page is used again: what pointed into it is gone.
    epoch: u32,
    newest: Mono,
}

impl PacketHistory {
    /// Keeps up to `packets` packets, [`DEFAULT_PACKETS`] where there is no reason for another
    /// number (rounded up to a power of two).
    pub(crate) fn new(packets: usize) -> Self {
        Self {
            index: SeqRing::new(packets, MAX_AGE),
            pages: Vec::new(),
            order: VecDeque::new(),
            max_pages: packets.div_ceil(PAGE / MAX_PAYLOAD) + 1,
        }
    }

    /// Keeps a copy. `false` where the packet is too large or older than what is kept.
    pub(crate) fn store(&mut self, now: Mono, ext_seq: u64, packet: HistoryPacket<'_>) -> bool {
        let len = packet.payload.len();
        if len > MAX_PAYLOAD {
            return false;
        }
        let number = self.page_for(now, len);
        let Some(page) = self.pages.get_mut(number) else { return false };
        let stored = Stored {
            page: number,
            epoch: page.epoch,
            start: page.used,
            len,
            timestamp: packet.timestamp,
            audio_level: packet.audio_level,
            marker: packet.marker,
            payload_type: packet.payload_type,
        };
        if !self.index.insert(now, ext_seq, stored) {
            return false;
        }
        page.push(now, packet.payload)
    }

    /// A packet, if it is still kept.
    pub(crate) fn get(&self, now: Mono, ext_seq: u64) -> Option<HistoryPacket<'_>> {
        let stored = self.index.get(now, ext_seq)?;
        let page = self.pages.get(stored.page).filter(|page| page.epoch == stored.epoch)?;
        Some(HistoryPacket {
            timestamp: stored.timestamp,
            marker: stored.marker,
            payload_type: stored.payload_type,
            audio_level: stored.audio_level,
            payload: page.bytes.get(stored.start..stored.start + stored.len)?,
        })
    }

    /// Gives all memory back where nothing came for so long that nothing would be found: for
    /// muted and ended streams, every few seconds.
    pub(crate) fn release_idle(&mut self, now: Mono) {
        if self.pages.iter().all(|page| now.since(page.newest) > MAX_AGE) {
            self.index.release();
            self.pages = Vec::new();
            self.order = VecDeque::new();
        }
    }

    /// Bytes of payload memory held.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// The page to put `len` bytes into.
    fn page_for(&mut self, now: Mono, len: usize) -> usize {
        if let Some(&last) = self.order.back()
            && self.pages.get(last).is_some_and(|page| page.used + len <= PAGE)
        {
            return last;
        }
        let oldest = self.order.front().copied();
        let reusable = |page: &Page| now.since(page.newest) > MAX_AGE;
        let full = self.pages.len() >= self.max_pages;
        if let Some(number) = oldest
            && let Some(page) = self.pages.get_mut(number)
            && (full || reusable(page))
        {
            page.used = 0;
            page.epoch = page.epoch.wrapping_add(1);
            self.order.rotate_left(1);
            return number;
        }
        let bytes = vec![0; PAGE].into_boxed_slice();
        self.pages.push(Page { bytes, used: 0, epoch: 0, newest: now });
        self.order.push_back(self.pages.len() - 1);
        self.pages.len() - 1
    }
}

impl Page {
    fn push(&mut self, now: Mono, payload: &[u8]) -> bool {
        let Some(room) = self.bytes.get_mut(self.used..self.used + payload.len()) else {
            return false;
        };
        room.copy_from_slice(payload);
        self.used += payload.len();
        self.newest = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(payload: &[u8]) -> HistoryPacket<'_> {
        HistoryPacket {
            timestamp: 7,
            marker: true,
            payload_type: 96,
            audio_level: Some(5),
            payload,
        }
    }

    #[test]
    fn an_idle_stream_costs_nothing_and_a_busy_one_a_bounded_amount() {
        let mut history = PacketHistory::new(DEFAULT_PACKETS);
        assert_eq!(history.memory(), 0);
        for seq in 0..20_000 {
            assert!(history.store(Mono::from_millis(seq), seq, packet(&[seq as u8; 1200])));
        }
        assert!(history.memory() <= 900_000, "{}", history.memory());
        let now = Mono::from_millis(19_999);
        for seq in 20_000 - DEFAULT_PACKETS as u64..20_000 {
            assert_eq!(history.get(now, seq), Some(packet(&[seq as u8; 1200])));
        }
        history.release_idle(now + MAX_AGE);
        assert_ne!(history.memory(), 0);
        history.release_idle(now + MAX_AGE + Duration::from_millis(1));
        assert_eq!(history.memory(), 0);
        assert!(history.store(now, 1, packet(&[1])), "and it starts again");
    }

    #[test]
    fn sound_takes_two_pages() {
        let mut history = PacketHistory::new(DEFAULT_PACKETS);
        for n in 0..5000 {
            history.store(Mono::from_millis(n * 20), n, packet(&[0; 80]));
        }
        assert!(history.memory() <= 2 * PAGE);
    }

    #[test]
    fn a_packet_too_large_is_refused() {
        assert!(!PacketHistory::new(64).store(Mono::ZERO, 1, packet(&[0; MAX_PAYLOAD + 1])));
    }

    proptest! {
        /// Whatever is found is what was stored under that number, whatever came in between.
        #[test]
        fn nothing_is_ever_mixed_up(
            packets in prop::collection::vec((0u64..300, 0usize..=MAX_PAYLOAD, 0u64..60), 1..400),
        ) {
            let (mut history, mut now) = (PacketHistory::new(64), Mono::ZERO);
            let mut model = std::collections::HashMap::new();
            for (n, (back, len, wait)) in packets.into_iter().enumerate() {
                now += Duration::from_millis(wait);
                let seq = (n as u64 * 2 + 300) - back;
                let payload = vec![n as u8; len];
                if history.store(now, seq, packet(&payload)) {
                    prop_assert_eq!(history.get(now, seq), Some(packet(&payload)));
                    model.insert(seq, payload);
                }
                for seq in n as u64 * 2..n as u64 * 2 + 300 {
                    if let Some(found) = history.get(now, seq) {
                        prop_assert_eq!(found.payload, &model[&seq][..]);
                    }
                }
            }
        }
    }
}
