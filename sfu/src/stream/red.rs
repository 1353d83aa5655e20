//! Redundant audio (RFC 2198), read in place.
//!
//! Where both sides speak RED it is forwarded as it is; a receiver without it, and the recorder,
//! get the primary block. Redundant blocks are left to receivers: what a recording holds is what
//! was sent as itself, not what a sender says later that it had sent.

use std::ops::Range;

/// Blocks read from one packet, the primary included. Chromium sends two or three; more would
/// only let a hostile packet cost time.
const MAX_BLOCKS: usize = 8;

/// Where the primary encoding is: what the packet would carry without RED. `None` where the packet
/// is malformed or carries none.
pub(crate) fn primary(payload: &[u8]) -> Option<Range<usize>> {
    let (mut at, mut redundant_len) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let rest = payload.get(at..)?;
        // The last header is one byte, `F(1) PT(7)`, with F = 0.
        if *rest.first()? & 0x80 == 0 {
            let range = at + 1 + redundant_len..payload.len();
            return (!range.is_empty()).then_some(range);
        }
        // `F(1) PT(7) offset(14) length(10)`.
        redundant_len += u32::from_be_bytes(*rest.first_chunk()?) as usize & 0x3ff;
        at += 4;
    }
    None
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
    fn malformed_packets_give_nothing() {
        assert_eq!(primary(&encode(&[(960, vec![2; 50])], &[])), None, "no primary encoding");
        let mut packet = encode(&[(960, vec![2; 50])], &[]);
        packet.pop();
        assert_eq!(primary(&packet), None, "a block longer than the packet");
        assert_eq!(primary(&[0x80; 400]), None, "headers without end");
        assert_eq!(primary(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(payload in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(range) = primary(&payload) {
                prop_assert!(range.end <= payload.len() && !range.is_empty());
            }
        }

        #[test]
        fn what_was_encoded_is_found(
            redundant in prop::collection::vec(
                (1u16..1 << 14, prop::collection::vec(any::<u8>(), 1..100)), 0..MAX_BLOCKS),
            last in prop::collection::vec(any::<u8>(), 1..100),
        ) {
            let packet = encode(&redundant, &last);
            prop_assert_eq!(&packet[primary(&packet).unwrap()], &last[..]);
        }
    }
}
