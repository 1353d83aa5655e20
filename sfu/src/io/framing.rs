//! RFC 4571 framing: over TCP every packet stands behind its 16-bit length.

use super::MAX_PACKET;

/// Cuts a TCP stream into packets. Sans-IO, and never holds more than one packet.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    held: Vec<u8>,
}

/// A frame longer than any packet of ours: the stream is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes")]
pub(crate) struct TooLong(pub(crate) usize);

impl Deframer {
    /// Takes bytes as they came and calls `each` for every packet that is complete. Empty frames
    /// keep a connection alive and are skipped.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&mut [u8]),
    ) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            let missing = match self.held.first_chunk::<2>() {
                None => 2 - self.held.len(),
                Some(len) => {
                    let len = usize::from(u16::from_be_bytes(*len));
                    if len > MAX_PACKET {
                        return Err(TooLong(len));
                    }
                    2 + len - self.held.len()
                }
            };
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = rest;
            self.give(&mut each)?;
        }
        Ok(())
    }

    fn give(&mut self, each: &mut impl FnMut(&mut [u8])) -> Result<(), TooLong> {
        let Some(len) = self.held.first_chunk::<2>() else { return Ok(()) };
        let len = usize::from(u16::from_be_bytes(*len));
        if len > MAX_PACKET {
            return Err(TooLong(len));
        }
        if self.held.len() == 2 + len {
            if let Some(packet) = self.held.get_mut(2..).filter(|packet| !packet.is_empty()) {
                each(packet);
            }
            self.held.clear();
        }
        Ok(())
    }
}

/// The length that goes in front of a packet; `None` for what is no packet of ours.
pub(crate) fn frame_header(packet: &[u8]) -> Option<[u8; 2]> {
    u16::try_from(packet.len()).ok().filter(|_| packet.len() <= MAX_PACKET).map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_longer_than_a_packet_ends_the_stream() {
        let mut deframer = Deframer::default();
        assert_eq!(deframer.push(&[0xff, 0xff, 1], |_| ()), Err(TooLong(65_535)));
    }

    proptest! {
        /// However TCP cuts the stream, the packets come out as they went in.
        #[test]
        fn packets_survive_any_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let mut stream = vec![];
            for packet in &packets {
                stream.extend(frame_header(packet).unwrap());
                stream.extend(packet);
                stream.extend([0, 0]);
            }
            let (mut deframer, mut out, mut rest) = (Deframer::default(), vec![], stream.as_slice());
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (now, tail) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                deframer.push(now, |packet| out.push(packet.to_vec())).unwrap();
                rest = tail;
            }
            prop_assert_eq!(out, packets);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
            let mut deframer = Deframer::default();
            let _ = deframer.push(&bytes, |packet| assert!(packet.len() <= MAX_PACKET));
            prop_assert!(deframer.held.len() <= MAX_PACKET + 2);
        }
    }
}
