//! RTP header extensions (RFC 8285), of which we know six.

pub(crate) const ONE_BYTE_PROFILE: u16 = 0xbede;
/// Two-byte elements: the lower four bits are the application's (RFC 8285 section 4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;

const URI_MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const URI_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const URI_REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const URI_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const URI_TRANSPORT_SEQUENCE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const URI_PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// The ids one client gave to the extensions we use; ids are 1 to 14, so that they fit one-byte
/// elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeaderExtensions {
    /// Which media section a packet belongs to (RFC 9143).
    pub(crate) mid: Option<u8>,
    /// Which simulcast layer (RFC 8852).
    pub(crate) rid: Option<u8>,
    /// Which simulcast layer a retransmission repairs (RFC 8852).
    pub(crate) repaired_rid: Option<u8>,
    /// Transport-wide sequence number, for congestion control.
    pub(crate) transport_sequence: Option<u8>,
    /// Loudness (RFC 6464).
    pub(crate) audio_level: Option<u8>,
    /// How long a receiver of pictures should hold them back.
    pub(crate) playout_delay: Option<u8>,
}

impl HeaderExtensions {
    /// Takes one `a=extmap` line's id and URI; true where we use it.
    pub(crate) fn learn(&mut self, id: u8, uri: &str) -> bool {
        if !(1..=14).contains(&id) {
            return false;
        }
        let place = match uri {
            URI_MID => &mut self.mid,
            URI_RID => &mut self.rid,
            URI_REPAIRED_RID => &mut self.repaired_rid,
            URI_AUDIO_LEVEL => &mut self.audio_level,
            URI_TRANSPORT_SEQUENCE => &mut self.transport_sequence,
            URI_PLAYOUT_DELAY => &mut self.playout_delay,
            _ => return false,
        };
        *place = Some(id);
        true
    }
}

/// The extensions of one packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    pub(crate) mid: Option<&'a [u8]>,
    pub(crate) rid: Option<&'a [u8]>,
    pub(crate) repaired_rid: Option<&'a [u8]>,
    pub(crate) transport_sequence: Option<u16>,
    /// Voice activity flag and level as sent: `V | -dBov` (RFC 6464 section 3).
    pub(crate) audio_level: Option<u8>,
}

impl<'a> Extensions<'a> {
    /// Reads elements until the end or the first that does not fit. There are at most as many
    /// steps as bytes, so a header full of tiny elements costs no more than its length.
    pub(crate) fn parse(elements: &'a [u8], profile: u16, ids: &HeaderExtensions) -> Self {
        let mut found = Self::default();
        let two_byte = profile & 0xfff0 == TWO_BYTE_PROFILE;
        if profile != ONE_BYTE_PROFILE && !two_byte {
            return found;
        }
        let mut rest = elements;
        while let Some((&first, tail)) = rest.split_first() {
            if first == 0 {
                rest = tail;
                continue;
            }
            let (id, len, tail) = if two_byte {
                let Some((&len, tail)) = tail.split_first() else { break };
                (first, usize::from(len), tail)
            } else {
                // Id 15 ends the list (RFC 8285 section 4.2).
                if first >> 4 == 15 {
                    break;
                }
                (first >> 4, usize::from(first & 0x0f) + 1, tail)
            };
            let Some((value, tail)) = tail.split_at_checked(len) else { break };
            found.take(id, value, ids);
            rest = tail;
        }
        found
    }

    fn take(&mut self, id: u8, value: &'a [u8], ids: &HeaderExtensions) {
        let id = Some(id);
        if id == ids.transport_sequence {
            self.transport_sequence = value.first_chunk().map(|v| u16::from_be_bytes(*v));
        } else if id == ids.audio_level {
            self.audio_level = value.first().copied();
        } else if id == ids.mid {
            self.mid = Some(value);
        } else if id == ids.rid {
            self.rid = Some(value);
        } else if id == ids.repaired_rid {
            self.repaired_rid = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: HeaderExtensions = HeaderExtensions {
        mid: Some(4),
        rid: Some(10),
        repaired_rid: None,
        transport_sequence: Some(3),
        audio_level: Some(1),
        playout_delay: None,
    };

    #[test]
    fn both_forms_are_read_and_padding_skipped() {
        let one = [0x31, 0x12, 0x34, 0, 0xa0, b'h', 0x10, 0x42];
        let read = Extensions::parse(&one, ONE_BYTE_PROFILE, &IDS);
        assert_eq!(read.transport_sequence, Some(0x1234));
        assert_eq!(read.rid, Some(b"h".as_slice()));
        assert_eq!(read.audio_level, Some(0x42));
        let two = [3, 2, 0x12, 0x34, 0, 10, 1, b'h', 4, 0];
        let read = Extensions::parse(&two, 0x1005, &IDS);
        assert_eq!(read.transport_sequence, Some(0x1234));
        assert_eq!(read.rid, Some(b"h".as_slice()));
        assert_eq!(read.mid, Some([].as_slice()));
    }

    #[test]
    fn an_element_longer_than_the_header_ends_the_list() {
        let read = Extensions::parse(&[0x3f, 1, 2], ONE_BYTE_PROFILE, &IDS);
        assert_eq!(read, Extensions::default());
        let read = Extensions::parse(&[0xf0, 0, 0x31, 1, 1], ONE_BYTE_PROFILE, &IDS);
        assert_eq!(read, Extensions::default(), "id 15 ends the list");
    }

    #[test]
    fn ids_beyond_one_byte_elements_are_not_learnt() {
        let mut ids = HeaderExtensions::default();
        assert!(!ids.learn(0, URI_MID) && !ids.learn(15, URI_MID) && ids.learn(14, URI_MID));
        assert_eq!(ids.mid, Some(14));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..300), profile: u16) {
            let _ = Extensions::parse(&bytes, profile, &IDS);
            let _ = Extensions::parse(&bytes, ONE_BYTE_PROFILE, &IDS);
            let _ = Extensions::parse(&bytes, TWO_BYTE_PROFILE, &IDS);
        }
    }
}
