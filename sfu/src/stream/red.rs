//! Redundant audio (RFC 2198), read in place.
//!
//! Where both sides speak RED it is forwarded as it is; a receiver without it gets the primary
//! block, and the recorder fills holes from the redundant ones ([`Recovery`]).

use std::ops::Range;

use super::rewrite::SourceId;

/// Blocks read from one packet, the primary included. Chromium sends two or three; more would
/// only let a hostile packet cost time.
const MAX_BLOCKS: usize = 8;

/// One block of a RED packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Payload type of the block's own codec.
    pub(crate) payload_type: u8,
    /// How much older than the packet's timestamp the block is, in ticks (14 bits); 0 for the
    /// primary block.
    pub(crate) timestamp_offset: u16,
    /// Where the block is within the RED payload. Not empty.
    pub(crate) range: Range<usize>,
}

/// The primary encoding: what the packet would carry without RED. `None` where the packet is
/// malformed or carries none.
pub(crate) fn primary(payload: &[u8]) -> Option<Block> {
    let headers = Headers::read(payload)?;
    let range = headers.data + headers.redundant_len..payload.len();
    (!range.is_empty()).then_some(Block {
        payload_type: headers.primary_type,
        timestamp_offset: 0,
        range,
    })
}

/// The redundant encodings, oldest first as sent; none where the packet is malformed.
pub(crate) fn redundant_blocks(payload: &[u8]) -> impl Iterator<Item = Block> + '_ {
    let headers = Headers::read(payload);
    let count = headers.as_ref().map_or(0, |h| h.redundant);
    let mut at = headers.map_or(0, |h| h.data);
    let blocks = payload.as_chunks::<4>().0.iter().take(count).map(move |header| {
        let (payload_type, timestamp_offset, len) = redundant_header(*header);
        let range = at..at + len;
        at += len;
        Block { payload_type, timestamp_offset, range }
    });
    blocks.filter(|block| !block.range.is_empty() && block.timestamp_offset > 0)
}

/// Finds what the network lost of a source's sound in the redundant blocks of the packet behind
/// the hole.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The newest packet so far: its source, number and timestamp.
    newest: Option<(SourceId, u64, u32)>,
}

/// A lost packet: what came of it in a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) ext_seq: u64,
    pub(crate) timestamp: u32,
    /// Where it is within the later packet's RED payload.
    pub(crate) range: Range<usize>,
}

impl Recovery {
    /// Takes the next packet of a source, in order of arrival; `red` is its payload where that is
    /// redundant. Gives the packets lost between the newest one before and this one, oldest first,
    /// each at most once. What comes late after all is not noticed: it is the same packet.
    ///
    /// A block says how old it is, not which packet it was. Between two packets the timestamps
    /// tell, if they divide evenly among those lost: not where the sender paused meanwhile.
    pub(crate) fn take<'a>(
        &mut self,
        source: SourceId,
        ext_seq: u64,
        timestamp: u32,
        red: Option<&'a [u8]>,
    ) -> impl Iterator<Item = Recovered> + use<'a> {
        let before = self.newest.filter(|(of, _, _)| *of == source);
        if before.is_none_or(|(_, newest, _)| ext_seq > newest) {
            self.newest = Some((source, ext_seq, timestamp));
        }
        let hole = before.and_then(|(_, newest, then)| {
            let steps = u32::try_from(ext_seq.checked_sub(newest)?).ok()?;
            let elapsed = timestamp.wrapping_sub(then);
            let step = elapsed.checked_div(steps)?;
            (steps > 1 && step > 0 && elapsed.is_multiple_of(steps)).then_some((steps, step))
        });
        let red = red.filter(|_| hole.is_some());
        let codec = red.and_then(primary).map(|block| block.payload_type);
        let blocks = red.into_iter().flat_map(redundant_blocks);
        blocks.filter(move |block| codec == Some(block.payload_type)).filter_map(move |block| {
            let (steps, step) = hole?;
            let offset = u32::from(block.timestamp_offset);
            let back = offset / step;
            (offset.is_multiple_of(step) && (1..steps).contains(&back)).then(|| Recovered {
                ext_seq: ext_seq - u64::from(back),
                timestamp: timestamp.wrapping_sub(offset),
                range: block.range,
            })
        })
    }
}

/// The block headers of a packet, checked against its length.
struct Headers {
    /// Number of redundant blocks.
    redundant: usize,
    /// Sum of their lengths; the payload is at least this long behind `data`.
    redundant_len: usize,
    primary_type: u8,
    /// Where block data starts.
    data: usize,
}

impl Headers {
    fn read(payload: &[u8]) -> Option<Self> {
        let (mut at, mut redundant_len) = (0, 0);
        for redundant in 0..MAX_BLOCKS {
            let rest = payload.get(at..)?;
            let first = *rest.first()?;
            if first & 0x80 == 0 {
                let data = at + 1;
                return (data + redundant_len <= payload.len()).then_some(Self {
                    redundant,
                    redundant_len,
                    primary_type: first,
                    data,
                });
            }
            redundant_len += redundant_header(*rest.first_chunk()?).2;
            at += 4;
        }
        None
    }
}

/// Payload type, timestamp offset and length: `F(1) PT(7) offset(14) length(10)`.
fn redundant_header(header: [u8; 4]) -> (u8, u16, usize) {
    let word = u32::from_be_bytes(header);
    ((word >> 24) as u8 & 0x7f, (word >> 10) as u16 & 0x3fff, (word & 0x3ff) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks as (offset, data), oldest first, the primary last.
    fn encode(redundant: &[(u16, Vec<u8>)], primary: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        for (offset, data) in redundant {
            let word = 0x80 << 24 | 111 << 24 | u32::from(*offset) << 10 | data.len() as u32;
            out.extend(word.to_be_bytes());
        }
        out.push(111);
        redundant.iter().for_each(|(_, data)| out.extend(data));
        out.extend(primary);
        out
    }

    #[test]
    fn a_packet_of_chromium_is_taken_apart() {
        let packet = encode(&[(1920, vec![1; 40]), (960, vec![2; 50])], &[3; 60]);
        let primary = primary(&packet).unwrap();
        assert_eq!((primary.payload_type, &packet[primary.range]), (111, &[3; 60][..]));
        let blocks: Vec<_> = redundant_blocks(&packet).collect();
        assert_eq!(blocks.iter().map(|b| b.timestamp_offset).collect::<Vec<_>>(), [1920, 960]);
        assert_eq!(packet[blocks[0].range.clone()], [1; 40]);
        assert_eq!(packet[blocks[1].range.clone()], [2; 50]);
    }

    #[test]
    fn malformed_packets_give_nothing() {
        let mut packet = encode(&[(960, vec![2; 50])], &[]);
        assert_eq!(primary(&packet), None, "no primary encoding");
        packet.pop();
        assert_eq!(redundant_blocks(&packet).count(), 0, "a block longer than the packet");
        assert_eq!(primary(&[0x80; 400]), None, "headers without end");
        assert_eq!(primary(&[]), None);
    }

    /// Packet `n` of a source that sends 20 ms each and repeats the two before, as Chromium.
    fn packet(n: u64) -> Vec<u8> {
        let redundant: Vec<(u16, Vec<u8>)> =
            (1..=n.min(2)).rev().map(|back| (back as u16 * 960, sound(n - back))).collect();
        encode(&redundant, &sound(n))
    }

    fn sound(n: u64) -> Vec<u8> {
        vec![n as u8 + 1; 20 + n as usize]
    }

    /// The numbers that come out of packets that arrive in this order, with what was recovered.
    fn play(arrivals: &[u64]) -> Vec<u64> {
        let (mut recovery, mut got) = (Recovery::default(), vec![]);
        for &n in arrivals {
            // The clock wraps on the way.
            let (payload, timestamp) = (packet(n), (n as u32 * 960).wrapping_sub(4_000));
            for found in recovery.take(7, n, timestamp, Some(&payload)) {
                assert_eq!(payload[found.range], sound(found.ext_seq));
                assert_eq!(found.timestamp, (found.ext_seq as u32 * 960).wrapping_sub(4_000));
                got.push(found.ext_seq);
            }
            got.push(n);
        }
        got
    }

    #[test]
    fn two_lost_in_a_row_are_found_and_of_three_the_last_two() {
        assert_eq!(play(&[0, 1, 2, 5, 6]), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(play(&[0, 1, 5, 6]), [0, 1, 3, 4, 5, 6]);
        assert_eq!(play(&[3, 4, 6]), [3, 4, 5, 6], "nothing from before the first packet");
    }

    #[test]
    fn what_cannot_be_placed_is_not_guessed() {
        let taken = |of: u64, timestamp: u32, payload: Option<&[u8]>| {
            let mut recovery = Recovery::default();
            recovery.take(7, 10, 0, None).for_each(drop);
            recovery.take(of, 12, timestamp, payload).count()
        };
        let payload = encode(&[(960, vec![1])], &[2]);
        assert_eq!(taken(7, 1920, Some(&payload)), 1);
        assert_eq!(taken(7, 1920, None), 0, "plain Opus");
        assert_eq!(taken(8, 1920, Some(&payload)), 0, "another source");
        assert_eq!(taken(7, 48_000, Some(&payload)), 0, "the sender paused");
        assert_eq!(taken(7, 1921, Some(&payload)), 0);
        assert_eq!(taken(7, 1920, Some(&encode(&[(1920, vec![1])], &[2]))), 0, "was received");
    }

    proptest! {
        /// Whatever is lost and however late the rest comes, nothing is recovered twice.
        #[test]
        fn each_is_recovered_once(
            fates in prop::collection::vec((prop::bool::weighted(0.6), 0u64..4), 1..150)
        ) {
            let mut arrivals: Vec<(u64, u64)> = (0u64..).zip(&fates)
                .filter(|(_, (came, _))| *came)
                .map(|(n, (_, late))| (n + late, n))
                .collect();
            arrivals.sort_unstable();
            let arrivals: Vec<u64> = arrivals.into_iter().map(|(_, n)| n).collect();
            let got = play(&arrivals);
            let mut recovered: Vec<u64> = vec![];
            let mut came = arrivals.iter();
            let mut next = came.next();
            for n in got {
                if Some(&n) == next {
                    next = came.next();
                } else {
                    prop_assert!(!recovered.contains(&n));
                    recovered.push(n);
                }
            }
            prop_assert_eq!(next, None);
        }

        #[test]
        fn any_bytes_are_read_within_bounds(payload in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(block) = primary(&payload) {
                prop_assert!(block.range.end <= payload.len() && !block.range.is_empty());
            }
            for block in redundant_blocks(&payload) {
                prop_assert!(block.range.end <= payload.len() && !block.range.is_empty());
            }
        }

        #[test]
        fn what_was_encoded_is_found(
            redundant in prop::collection::vec(
                (1u16..1 << 14, prop::collection::vec(any::<u8>(), 1..100)), 0..MAX_BLOCKS),
            last in prop::collection::vec(any::<u8>(), 1..100),
        ) {
            let packet = encode(&redundant, &last);
            prop_assert_eq!(&packet[primary(&packet).unwrap().range], &last[..]);
            let found: Vec<_> = redundant_blocks(&packet)
                .map(|b| (b.timestamp_offset, packet[b.range].to_vec()))
                .collect();
            prop_assert_eq!(found, redundant);
        }
    }
}
