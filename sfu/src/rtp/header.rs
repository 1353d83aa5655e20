//! The RTP header (RFC 3550 section 5.1).

use std::time::Duration;

use super::extension::{Extensions, HeaderExtensions, ONE_BYTE_PROFILE};

/// Length of a header without CSRCs and extensions.
pub(crate) const FIXED: usize = 12;
const VERSION_2: u8 = 0x80;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;

/// A packet that breaks RFC 3550.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the packet is too short")]
    Short,
    #[error("not version 2")]
    Version,
}

/// A parsed header. It is sent in the clear, so it can be read before the packet is opened, but
/// nothing in it may be acted on before the packet's authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) padding: bool,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Length of the whole header: fixed part, CSRCs, extension.
    pub(crate) len: usize,
    /// Where the extension's elements begin, and its profile; they end at `len`.
    extension: Option<(usize, u16)>,
}

impl RtpHeader {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3], rest) =
            packet.split_first_chunk::<FIXED>().ok_or(Malformed::Short)?;
        if first & 0xc0 != VERSION_2 {
            return Err(Malformed::Version);
        }
        let csrcs = usize::from(first & 0x0f) * 4;
        let (mut len, mut extension) = (FIXED + csrcs, None);
        if first & EXTENSION != 0 {
            let rest = rest.get(csrcs..).ok_or(Malformed::Short)?;
            let (&[p0, p1, l0, l1], _) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            extension = Some((len + 4, u16::from_be_bytes([p0, p1])));
            len += 4 + usize::from(u16::from_be_bytes([l0, l1])) * 4;
        }
        if packet.len() < len {
            return Err(Malformed::Short);
        }
        Ok(Self {
            padding: first & PADDING != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            len,
            extension,
        })
    }

    /// The header extensions of the packet that this header was parsed from.
    pub(crate) fn extensions<'a>(
        &self,
        packet: &'a [u8],
        ids: &HeaderExtensions,
    ) -> Extensions<'a> {
        self.extension
            .and_then(|(at, profile)| Some((packet.get(at..self.len)?, profile)))
            .map(|(elements, profile)| Extensions::parse(elements, profile, ids))
            .unwrap_or_default()
    }
}

/// A decrypted payload without its padding, whose last byte says how long it is (RFC 3550 section
/// 5.1). `None` where that claims more than there is.
pub(crate) fn strip_padding(payload: &[u8], padding: bool) -> Option<&[u8]> {
    if !padding {
        return Some(payload);
    }
    let count = usize::from(*payload.last()?);
    if count == 0 {
        return None;
    }
    payload.get(..payload.len().checked_sub(count)?)
}

/// Room for the extensions we send: MID of up to 16 bytes, transport-wide number, audio level or
/// playout delay, their ids, the profile, padding to a word.
const TEMPLATE: usize = FIXED + 4 + 1 + 16 + 3 + 4 + 3;
/// Longest playout delay that a receiver may choose: far beyond what anyone would, so that only
/// the least one matters. In steps of 10 ms.
const LONGEST_PLAYOUT: u32 = 1000;

/// A header ready to be written for every packet of one outgoing stream: what never changes is
/// laid out once, what changes is patched in.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: [u8; TEMPLATE],
    len: usize,
    /// Where the transport-wide sequence number goes.
    transport_sequence: Option<usize>,
    /// Where the audio level goes (RFC 6464).
    audio_level: Option<usize>,
    /// Where the playout delay goes.
    playout_delay: Option<usize>,
}

/// What differs from packet to packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) transport_sequence: u16,
    pub(crate) audio_level: Option<u8>,
}

impl Template {
    /// A header with this SSRC and the extensions that the receiver negotiated.
    pub(crate) fn new(ssrc: u32, mid: &str, ids: &HeaderExtensions, audio: bool) -> Self {
        let mut template = Self {
            bytes: [0; TEMPLATE],
            len: FIXED,
            transport_sequence: None,
            audio_level: None,
            playout_delay: None,
        };
        template.put(0, &[VERSION_2]);
        template.put(8, &ssrc.to_be_bytes());
        template.len = FIXED + 4;
        if let (Some(id), 1..=16) = (ids.mid, mid.len()) {
            template.element(id, mid.as_bytes());
        }
        if let Some(id) = ids.transport_sequence {
            template.transport_sequence = Some(template.element(id, &[0, 0]));
        }
        if let (Some(id), true) = (ids.audio_level, audio) {
            template.audio_level = Some(template.element(id, &[0x7f]));
        }
        if let (Some(id), false) = (ids.playout_delay, audio) {
            template.playout_delay = Some(template.element(id, &[0; 3]));
            template.set_playout_delay(Duration::ZERO);
        }
        template.len = template.len.next_multiple_of(4);
        let words = (template.len - FIXED - 4) / 4;
        if words == 0 {
            template.len = FIXED;
        } else {
            template.put(0, &[VERSION_2 | EXTENSION]);
            template.put(FIXED, &ONE_BYTE_PROFILE.to_be_bytes());
            // At most 24 bytes of elements: the word count fits.
            template.put(FIXED + 2, &[0, words as u8]);
        }
        template
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn has_transport_sequence(&self) -> bool {
        self.transport_sequence.is_some()
    }

    /// How long the receiver is to hold pictures back at least, from now on: 12 bits each for the
    /// least and the longest delay, in steps of 10 ms.
    pub(crate) fn set_playout_delay(&mut self, least: Duration) {
        if let Some(at) = self.playout_delay {
            let least = u32::try_from(least.as_millis() / 10).unwrap_or(u32::MAX);
            let [_, bytes @ ..] =
                (least.min(LONGEST_PLAYOUT) << 12 | LONGEST_PLAYOUT).to_be_bytes();
            self.put(at, &bytes);
        }
    }

    /// Writes a header to the front of `out`, which must have room for [`Self::len`] bytes.
    pub(crate) fn write(&self, fields: &Fields, out: &mut [u8]) {
        let Some((out, template)) = out.get_mut(..self.len).zip(self.bytes.get(..self.len)) else {
            return;
        };
        out.copy_from_slice(template);
        let marker = if fields.marker { 0x80 } else { 0 };
        let [s0, s1] = fields.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = fields.timestamp.to_be_bytes();
        let changing = [marker | fields.payload_type, s0, s1, t0, t1, t2, t3];
        if let Some(part) = out.get_mut(1..8) {
            part.copy_from_slice(&changing);
        }
        if let Some(part) = self.transport_sequence.and_then(|at| out.get_mut(at..at + 2)) {
            part.copy_from_slice(&fields.transport_sequence.to_be_bytes());
        }
        if let Some((byte, level)) =
            self.audio_level.and_then(|at| out.get_mut(at)).zip(fields.audio_level)
        {
            *byte = level;
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(part) = self.bytes.get_mut(at..at + bytes.len()) {
            part.copy_from_slice(bytes);
        }
    }

    /// Adds an element (RFC 8285 section 4.2); gives the place of its value.
    fn element(&mut self, id: u8, value: &[u8]) -> usize {
        let at = self.len;
        self.put(at, &[(id << 4) | (value.len().saturating_sub(1) as u8 & 0x0f)]);
        self.put(at + 1, value);
        self.len = at + 1 + value.len();
        at + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: HeaderExtensions = HeaderExtensions {
        mid: Some(4),
        rid: Some(10),
        repaired_rid: Some(11),
        transport_sequence: Some(3),
        audio_level: Some(1),
        playout_delay: Some(6),
    };

    fn fields() -> Fields {
        Fields {
            marker: true,
            payload_type: 102,
            sequence: 0xfffe,
            timestamp: 0x0102_0304,
            transport_sequence: 777,
            audio_level: Some(0x85),
        }
    }

    #[test]
    fn another_stack_reads_the_header_we_write() {
        use rtc::shared::marshal::Unmarshal;
        let template = Template::new(0xdead_beef, "17", &IDS, true);
        let mut packet = vec![0u8; template.len() + 5];
        template.write(&fields(), &mut packet);
        let read = rtc::rtp::Packet::unmarshal(&mut packet.as_slice()).unwrap();
        assert_eq!(read.header.ssrc, 0xdead_beef);
        assert_eq!(read.header.sequence_number, 0xfffe);
        assert_eq!(read.header.timestamp, 0x0102_0304);
        assert!(read.header.marker);
        assert_eq!(read.header.payload_type, 102);
        assert_eq!(read.header.get_extension(4).unwrap().as_ref(), b"17");
        assert_eq!(read.header.get_extension(3).unwrap().as_ref(), 777u16.to_be_bytes());
        assert_eq!(read.header.get_extension(1).unwrap().as_ref(), [0x85]);
        assert_eq!(read.payload.len(), 5);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let template = Template::new(7, "video", &IDS, true);
        let mut packet = vec![0u8; template.len()];
        template.write(&fields(), &mut packet);
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!((header.ssrc, header.sequence, header.len), (7, 0xfffe, packet.len()));
        let extensions = header.extensions(&packet, &IDS);
        assert_eq!(extensions.mid, Some(b"video".as_slice()));
        assert_eq!(extensions.transport_sequence, Some(777));
        assert_eq!(extensions.audio_level, Some(0x85));
    }

    #[test]
    fn pictures_say_how_long_to_hold_them_back_and_sound_does_not() {
        let delay_of = |template: &Template| {
            use rtc::shared::marshal::Unmarshal;
            let mut packet = vec![0u8; template.len()];
            template.write(&fields(), &mut packet);
            let read = rtc::rtp::Packet::unmarshal(&mut packet.as_slice()).unwrap();
            read.header.get_extension(6).map(|bytes| bytes.to_vec())
        };
        let mut picture = Template::new(7, "0123456789abcdef", &IDS, false);
        assert_eq!(delay_of(&picture), Some(vec![0, 0x03, 0xe8]));
        picture.set_playout_delay(Duration::from_millis(290));
        assert_eq!(delay_of(&picture), Some(vec![0x01, 0xd3, 0xe8]));
        assert_eq!(delay_of(&Template::new(7, "0", &IDS, true)), None);
    }

    #[test]
    fn a_receiver_without_extensions_gets_a_plain_header() {
        let template = Template::new(7, "0", &HeaderExtensions::default(), false);
        assert_eq!(template.len(), FIXED);
        let mut packet = vec![0u8; FIXED];
        template.write(&fields(), &mut packet);
        assert_eq!(RtpHeader::parse(&packet).unwrap().len, FIXED);
    }

    #[test]
    fn padding_that_claims_more_than_there_is_is_refused() {
        assert_eq!(strip_padding(&[1, 2, 0, 2], true), Some([1u8, 2].as_slice()));
        assert_eq!(strip_padding(&[1, 2, 9], true), None);
        assert_eq!(strip_padding(&[1, 0], true), None);
        assert_eq!(strip_padding(&[], true), None);
        assert_eq!(strip_padding(&[3], false), Some([3u8].as_slice()));
    }

    proptest! {
        #[test]
        fn no_packet_breaks_the_parser(mut bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(first) = bytes.first_mut() {
                *first = (*first & 0x3f) | VERSION_2;
            }
            if let Ok(header) = RtpHeader::parse(&bytes) {
                prop_assert!(header.len <= bytes.len());
                let _ = header.extensions(&bytes, &IDS);
            }
        }
    }
}
