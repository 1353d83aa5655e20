//! Retransmissions in a stream of their own (RFC 4588).

/// Octets of the original sequence number in front of the payload (RFC 4588 section 4).
pub(crate) const OSN_LEN: usize = 2;

/// What an RTX packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rtx {
    /// Nothing: padding sent to probe the path (no original sequence number fits in).
    Padding,
    /// The media packet `original_seq`, whose payload starts [`OSN_LEN`] behind the RTX payload's
    /// start. An empty payload is a packet of padding only in the media stream.
    Packet {
        /// Sequence number in the media stream.
        original_seq: u16,
    },
}

/// Reads the payload of an RTX packet: what is left after header, extensions and padding.
/// Timestamp, marker and header extensions are the media packet's; SSRC and payload type are the
/// caller's to map back (`a=ssrc-group:FID`, `apt=`, or the repaired-rid extension of RFC 8852).
pub(crate) fn unwrap(payload: &[u8]) -> Rtx {
    match payload.first_chunk::<OSN_LEN>() {
        Some(osn) => Rtx::Packet { original_seq: u16::from_be_bytes(*osn) },
        None => Rtx::Padding,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_is_told_from_packets() {
        assert_eq!(unwrap(&[]), Rtx::Padding);
        assert_eq!(unwrap(&[7]), Rtx::Padding);
        assert_eq!(unwrap(&[1, 2]), Rtx::Packet { original_seq: 0x0102 });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Rtx::Packet { original_seq } = unwrap(&payload) {
                prop_assert_eq!(&payload[..OSN_LEN], original_seq.to_be_bytes());
            }
        }
    }
}
