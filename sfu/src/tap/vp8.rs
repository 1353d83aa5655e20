//! VP8 depacketizer (RFC 7741): the packets of one frame, without their descriptors, are the frame.

use bytes::{Bytes, BytesMut};

use super::h264::{MAX_UNIT, Malformed};
use crate::codec::vp8::{Descriptor, is_keyframe};

/// Most packets in one frame: [`MAX_UNIT`] in packets of 512 bytes. More, and packets of nothing
/// but their descriptor cost far more memory than they bring; fewer, and a large key frame over a
/// path with small packets is refused.
const MAX_PACKETS: usize = 4096;

/// Collects the packets of one frame.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pieces: Vec<Bytes>,
    size: usize,
}

impl Frame {
    /// Takes the payload of the next packet in order.
    pub(crate) fn push(&mut self, payload: &Bytes) -> Result<(), Malformed> {
        let descriptor = Descriptor::parse(payload)?;
        if descriptor.starts_frame() != self.pieces.is_empty() {
            return Err(Malformed::Orphan);
        }
        self.size += payload.len();
        if self.size > MAX_UNIT || self.pieces.len() >= MAX_PACKETS {
            return Err(Malformed::TooLarge);
        }
        self.pieces.push(payload.slice(usize::from(descriptor.len).min(payload.len())..));
        Ok(())
    }

    /// Whether nothing has been collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The frame, and whether it is a key frame. `None` when there is nothing.
    pub(crate) fn finish(self) -> Option<(Bytes, bool)> {
        let frame = match <[Bytes; 1]>::try_from(self.pieces) {
            Ok([whole]) => whole,
            Err(pieces) => {
                let mut frame = BytesMut::with_capacity(self.size);
                pieces.iter().for_each(|piece| frame.extend_from_slice(piece));
                frame.freeze()
            }
        };
        let keyframe = is_keyframe(&frame)?;
        Some((frame, keyframe))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec;

    #[test]
    fn packets_of_several_partitions_make_one_frame() {
        let mut frame = Frame::default();
        for packet in [&[0x90, 0x80, 0x07, 0x00, 1][..], &[0x00, 2], &[0x11, 3], &[0x01, 4]] {
            frame.push(&Bytes::copy_from_slice(packet)).unwrap();
        }
        assert_eq!(frame.finish(), Some((Bytes::from_static(&[0, 1, 2, 3, 4]), true)));
    }

    #[test]
    fn what_breaks_the_rfc_is_refused() {
        let push = |packets: &[&'static [u8]]| {
            let mut frame = Frame::default();
            packets.iter().try_for_each(|packet| frame.push(&Bytes::from_static(packet)))
        };
        assert_eq!(push(&[&[]]), Err(Malformed::Payload(codec::Malformed::Short)));
        assert_eq!(push(&[&[0x80]]), Err(Malformed::Payload(codec::Malformed::Short)));
        assert_eq!(push(&[&[0x00, 1]]), Err(Malformed::Orphan), "the start is missing");
        assert_eq!(push(&[&[0x10, 1], &[0x10, 1]]), Err(Malformed::Orphan), "two in one");
        assert_eq!(Frame::default().finish(), None);
    }

    #[test]
    fn a_frame_cannot_grow_without_end() {
        for (len, most) in [(1, MAX_PACKETS), (1 << 10, MAX_UNIT >> 10)] {
            let mut frame = Frame::default();
            frame.push(&Bytes::from_static(&[0x10])).unwrap();
            let more = Bytes::from(vec![0; len]);
            let refused = (1..).find(|_| frame.push(&more) == Err(Malformed::TooLarge));
            assert_eq!(refused, Some(most), "packets of {len} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_packetization_gives_the_frame_back(
            body in prop::collection::vec(any::<u8>(), 1..300), size in 1usize..50
        ) {
            let mut frame = Frame::default();
            for (n, piece) in body.chunks(size).enumerate() {
                let descriptor: &[u8] = if n == 0 { &[0x90, 0x80, 0x80, 0x05] } else { &[0x00] };
                frame.push(&Bytes::from([descriptor, piece].concat())).unwrap();
            }
            let (whole, keyframe) = frame.finish().unwrap();
            prop_assert_eq!(&whole[..], &body[..]);
            prop_assert_eq!(keyframe, body[0] & 1 == 0);
        }

        #[test]
        fn no_payload_breaks_it(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)
        ) {
            let mut frame = Frame::default();
            for packet in packets {
                let _ = frame.push(&Bytes::from(packet));
            }
            let _ = frame.finish();
        }
    }
}
