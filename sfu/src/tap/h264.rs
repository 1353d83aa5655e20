//! H.264 depacketizer (RFC 6184): single NAL units, STAP-A and FU-A, which is all that
//! packetization mode 1 without interleaving allows.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{
    self,
    h264::{FU_A, IDR, STAP_A, aggregated},
};

/// Largest access unit. A larger one is an attack: a 1080p key frame at the highest sensible
/// quality is well below 1 MiB.
pub(super) const MAX_UNIT: usize = 2 << 20;
/// Most NAL units in one access unit; encoders send fewer than 20.
const MAX_NALS: usize = 256;

/// Payloads that make no picture by RFC 6184, or RFC 7741.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error(transparent)]
    Payload(#[from] codec::Malformed),
    #[error("fragment without a start")]
    Orphan,
    #[error("NAL unit or access unit is too large")]
    TooLarge,
}

/// Collects the NAL units of one access unit.
#[derive(Debug, Default)]
pub(crate) struct AccessUnit {
    nals: Vec<Bytes>,
    fragment: Option<BytesMut>,
    /// Bytes collected, fragments included.
    size: usize,
}

impl AccessUnit {
    /// Takes the payload of the next packet in order.
    pub(crate) fn push(&mut self, payload: &Bytes) -> Result<(), Malformed> {
        let kind = payload.first().ok_or(codec::Malformed::Short)? & 0x1f;
        self.size += payload.len();
        if self.size > MAX_UNIT {
            return Err(Malformed::TooLarge);
        }
        match kind {
            1..=23 => self.add(payload.clone()),
            STAP_A => aggregated(payload).try_for_each(|nal| self.add(payload.slice(nal?))),
            FU_A => self.push_fu_a(payload),
            other => Err(codec::Malformed::Type(other).into()),
        }
    }

    /// Whether nothing has been collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.nals.is_empty() && self.fragment.is_none()
    }

    /// The collected NAL units, and whether an IDR slice is among them. `None` when a fragment
    /// never saw its end or there is nothing.
    pub(crate) fn finish(self) -> Option<(Vec<Bytes>, bool)> {
        if self.fragment.is_some() || self.nals.is_empty() {
            return None;
        }
        let idr = self.nals.iter().any(|nal| nal.first().is_some_and(|b| b & 0x1f == IDR));
        Some((self.nals, idr))
    }

    fn add(&mut self, nal: Bytes) -> Result<(), Malformed> {
        if self.nals.len() >= MAX_NALS {
            return Err(Malformed::TooLarge);
        }
        self.nals.push(nal);
        Ok(())
    }

    /// RFC 6184 section 5.8: indicator (F, NRI), header (S, E, type), then a piece of the NAL.
    fn push_fu_a(&mut self, payload: &Bytes) -> Result<(), Malformed> {
        let ([indicator, header], piece) =
            payload.split_first_chunk::<2>().ok_or(codec::Malformed::Short)?;
        let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
        if start {
            let mut nal = BytesMut::with_capacity(8 * 1200);
            nal.put_u8((indicator & 0xe0) | (header & 0x1f));
            self.fragment = Some(nal);
        }
        let fragment = self.fragment.as_mut().ok_or(Malformed::Orphan)?;
        fragment.extend_from_slice(piece);
        if end && let Some(nal) = self.fragment.take() {
            self.add(nal.freeze())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHORT: Malformed = Malformed::Payload(codec::Malformed::Short);

    fn unit(packets: &[&[u8]]) -> Result<Option<(Vec<Bytes>, bool)>, Malformed> {
        let mut unit = AccessUnit::default();
        for packet in packets {
            unit.push(&Bytes::copy_from_slice(packet))?;
        }
        Ok(unit.finish())
    }

    #[test]
    fn parameter_sets_in_a_stap_a_and_a_fragmented_idr_make_one_key_frame() {
        let got = unit(&[
            &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68],
            &[0x7c, 0x85, 1, 2],
            &[0x7c, 0x05, 3],
            &[0x7c, 0x45, 4],
        ]);
        let nals: Vec<Bytes> = vec![
            Bytes::from_static(&[0x67, 1]),
            Bytes::from_static(&[0x68]),
            Bytes::from_static(&[0x65, 1, 2, 3, 4]),
        ];
        assert_eq!(got, Ok(Some((nals, true))));
    }

    #[test]
    fn what_breaks_the_rfc_is_refused() {
        assert_eq!(unit(&[&[]]), Err(SHORT));
        assert_eq!(unit(&[&[0x78, 0, 9, 0x67]]), Err(SHORT));
        assert_eq!(unit(&[&[0x78, 0, 0]]), Err(SHORT));
        assert_eq!(unit(&[&[0x7c, 0x05, 3]]), Err(Malformed::Orphan));
        assert_eq!(unit(&[&[0x7d, 0x85, 3]]), Err(codec::Malformed::Type(29).into()));
        assert_eq!(unit(&[&[0x7c, 0x85, 3]]), Ok(None));
    }

    #[test]
    fn an_access_unit_cannot_grow_without_end() {
        let mut unit = AccessUnit::default();
        let packet = Bytes::from(vec![0x41; 1 << 10]);
        let refused = (0..4096).find(|_| unit.push(&packet) == Err(Malformed::TooLarge));
        assert!(refused.is_some_and(|n| n <= MAX_NALS));
        let mut start = vec![0x7c, 0x85];
        start.resize(1 << 10, 0);
        let (start, mut unit) = (Bytes::from(start), AccessUnit::default());
        let refused = (0..4096).find(|_| unit.push(&start) == Err(Malformed::TooLarge));
        assert_eq!(refused, Some(MAX_UNIT >> 10));
    }

    proptest! {
        #[test]
        fn no_payload_breaks_the_parser(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)
        ) {
            let mut unit = AccessUnit::default();
            for packet in packets {
                let _ = unit.push(&Bytes::from(packet));
            }
            let _ = unit.finish();
        }

        #[test]
        fn any_fragmentation_gives_the_nal_back(
            body in prop::collection::vec(any::<u8>(), 2..300), size in 1usize..50
        ) {
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            let mut unit = AccessUnit::default();
            for (i, piece) in pieces.iter().enumerate() {
                let s = if i == 0 { 0x80 } else { 0 };
                let e = if i + 1 == pieces.len() { 0x40 } else { 0 };
                let mut packet = vec![0x7c, s | e | 1];
                packet.extend_from_slice(piece);
                unit.push(&Bytes::from(packet)).unwrap();
            }
            let (nals, idr) = unit.finish().unwrap();
            prop_assert!(!idr);
            prop_assert_eq!(&nals[0][1..], &body[..]);
        }
    }
}
