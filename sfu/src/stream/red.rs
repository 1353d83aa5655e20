//! Redundant audio (RFC 2198), read in place.
//!
//! Where both sides speak RED it is forwarded as it is; a receiver without it gets the primary
//! block, and the recorder fills holes from the redundant ones.

use std::ops::Range;

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

    proptest! {
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
