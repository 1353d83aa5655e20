//! Reading H.264 payloads (RFC 6184) in place: where a key frame begins, and what an aggregate holds.

use std::ops::Range;

use super::Malformed;

pub(crate) const IDR: u8 = 5;
const SPS: u8 = 7;
pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;

/// Whether a decoder can begin with this packet: it holds a sequence parameter set, which browsers
/// send in front of every IDR picture, or the first slice of an IDR picture.
pub(crate) fn starts_keyframe(payload: &[u8]) -> Result<bool, Malformed> {
    let (&header, rest) = payload.split_first().ok_or(Malformed::Short)?;
    match header & 0x1f {
        kind @ 1..=23 => Ok(starts(kind, rest.first())),
        STAP_A => aggregated(payload).try_fold(false, |found, nal| {
            let nal = payload.get(nal?).unwrap_or_default();
            let (&header, body) = nal.split_first().ok_or(Malformed::Short)?;
            Ok(found | starts(header & 0x1f, body.first()))
        }),
        FU_A => {
            let (&fu_header, body) = rest.split_first().ok_or(Malformed::Short)?;
            let first_fragment = fu_header & 0x80 != 0;
            Ok(first_fragment && starts(fu_header & 0x1f, body.first()))
        }
        other => Err(Malformed::Type(other)),
    }
}

/// Where the NAL units of a STAP-A payload lie (RFC 6184 section 5.7.1: each behind its 16-bit
/// size). None is empty; ends with the first that does not fit.
pub(crate) fn aggregated(payload: &[u8]) -> impl Iterator<Item = Result<Range<usize>, Malformed>> {
    let mut at = 1;
    std::iter::from_fn(move || {
        let rest = payload.get(at..).filter(|rest| !rest.is_empty())?;
        let size = rest.first_chunk().map_or(0, |size| usize::from(u16::from_be_bytes(*size)));
        let nal = at + 2..at + 2 + size;
        if size == 0 || nal.end > payload.len() {
            at = payload.len();
            return Some(Err(Malformed::Short));
        }
        at = nal.end;
        Some(Ok(nal))
    })
}

/// `first` is the byte behind the NAL unit's header: a slice begins with `first_mb_in_slice`,
/// whose value 0 is coded as a single 1 bit (H.264 sections 7.3.3 and 9.1).
fn starts(kind: u8, first: Option<&u8>) -> bool {
    kind == SPS || (kind == IDR && first.is_some_and(|byte| byte & 0x80 != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_frame_is_seen_however_it_is_packed() {
        for (payload, is) in [
            (&[0x65, 0x88, 1][..], true),               // IDR in one packet
            (&[0x65, 0x08, 1], false),                  // its second slice
            (&[0x67, 0x42], true),                      // SPS by itself
            (&[0x68, 0xce], false),                     // PPS by itself
            (&[0x41, 0x9a], false),                     // a picture that needs others
            (&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true), // SPS and PPS aggregated
            (&[0x78, 0, 1, 0x06, 0, 2, 0x41, 0x9a], false),
            (&[0x7c, 0x85, 0x88], true),  // IDR, first fragment
            (&[0x7c, 0x05, 0x88], false), // IDR, a later fragment
            (&[0x7c, 0x81, 0x9a], false),
        ] {
            assert_eq!(starts_keyframe(payload), Ok(is), "{payload:x?}");
        }
    }

    #[test]
    fn what_breaks_the_rfc_is_refused() {
        assert_eq!(starts_keyframe(&[]), Err(Malformed::Short));
        assert_eq!(starts_keyframe(&[0x78, 0]), Err(Malformed::Short));
        assert_eq!(starts_keyframe(&[0x78, 0, 9, 0x67]), Err(Malformed::Short));
        assert_eq!(starts_keyframe(&[0x78, 0, 0]), Err(Malformed::Short));
        assert_eq!(starts_keyframe(&[0x7c]), Err(Malformed::Short));
        assert_eq!(starts_keyframe(&[0x7d, 0x85]), Err(Malformed::Type(29)));
    }

    proptest! {
        #[test]
        fn no_payload_breaks_it(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = starts_keyframe(&payload);
        }
    }
}
