//! JPEG pictures from outside: read just far enough to know that they are JPEG and of a sane size.
//! They are decoded where nothing can be done with a picture but measure it.

/// More than any identity document or camera needs; what decodes to more would only serve to
/// exhaust whoever looks at it.
const MAX_SIDE: u16 = 4_096;

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// Not JPEG, or cut short.
    #[error("not a JPEG picture")]
    Malformed,
    /// Wider or higher than is sane, or empty.
    #[error("the picture's width and height must be 1 to 4096")]
    Dimensions,
}

/// How every JPEG begins: start of image, and the first byte of a marker.
const START: &[u8] = &[0xff, 0xd8, 0xff];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
const START_OF_SCAN: u8 = 0xda;

/// Checks a JPEG (ITU-T T.81, annex B): the chain of segments up to the first scan, one frame
/// header among them, and an end behind it.
pub fn check(bytes: &[u8]) -> Result<(), JpegError> {
    if !bytes.starts_with(START) {
        return Err(JpegError::Malformed);
    }
    let mut rest = bytes.get(2..).unwrap_or_default();
    let mut has_frame = false;
    loop {
        let (marker, body, after) = segment(rest)?;
        rest = after;
        match marker {
            // Baseline, extended and progressive Huffman: what decoders read.
            0xc0..=0xc2 if !has_frame => {
                check_frame(body)?;
                has_frame = true;
            }
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Err(JpegError::Malformed);
            }
            START_OF_SCAN if has_frame => break,
            // A scan without a frame, an end without a scan.
            START_OF_SCAN | 0xd0..=0xd9 | 0x00..=0x01 => return Err(JpegError::Malformed),
            _ => {}
        }
    }
    // Cameras write more behind the end, such as a second picture.
    let ends = rest.windows(2).any(|pair| pair == END_OF_IMAGE);
    if ends { Ok(()) } else { Err(JpegError::Malformed) }
}

/// Marker, content, and what follows.
fn segment(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), JpegError> {
    let rest = bytes.strip_prefix(&[0xff]).ok_or(JpegError::Malformed)?;
    // Any number of fill bytes may stand before a marker (B.1.1.2).
    let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
    let rest = rest.get(fill..).unwrap_or_default();
    let (marker, rest) = rest.split_first().ok_or(JpegError::Malformed)?;
    if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd9) {
        return Ok((*marker, &[], rest));
    }
    let (length, _) = rest.split_first_chunk().ok_or(JpegError::Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (body, rest) = rest.split_at_checked(length).ok_or(JpegError::Malformed)?;
    Ok((*marker, body.get(2..).ok_or(JpegError::Malformed)?, rest))
}

/// Precision, height, width, components (B.2.2).
fn check_frame(body: &[u8]) -> Result<(), JpegError> {
    let [8, h1, h0, w1, w0, components, ..] = body else { return Err(JpegError::Malformed) };
    if !matches!(components, 1 | 3 | 4) {
        return Err(JpegError::Malformed);
    }
    let sane = 1..=MAX_SIDE;
    let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
    if sane.contains(&height) && sane.contains(&width) {
        Ok(())
    } else {
        Err(JpegError::Dimensions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Start, an application segment, a frame header, a scan of some bytes, the end.
    fn jpeg(height: u16, width: u16) -> Vec<u8> {
        let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
        bytes.extend([0xff, 0xff, 0xc0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0]);
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0xff, 0x00, 0x34, 0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_jpeg_is_taken_also_with_something_behind_its_end() {
        let mut picture = jpeg(480, 640);
        assert_eq!(check(&picture), Ok(()));
        picture.extend_from_slice(b"a second picture");
        assert_eq!(check(&picture), Ok(()));
    }

    #[test]
    fn a_cut_one_and_something_else_are_refused() {
        let picture = jpeg(480, 640);
        for end in 0..picture.len() {
            assert_eq!(check(&picture[..end]), Err(JpegError::Malformed), "cut at {end}");
        }
        for other in [b"<svg onload=alert(1)>".as_slice(), b"\x89PNG\r\n\x1a\n", b"GIF89a"] {
            assert_eq!(check(other), Err(JpegError::Malformed));
        }
    }

    #[test]
    fn an_enormous_picture_is_refused_by_its_header() {
        assert_eq!(check(&jpeg(4_096, 4_096)), Ok(()));
        for (h, w) in [(4_097, 1), (1, u16::MAX), (0, 1), (1, 0)] {
            assert_eq!(check(&jpeg(h, w)), Err(JpegError::Dimensions), "{h}x{w}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_outside_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..40) {
            let _ = check(&bytes);
            let mut changed = jpeg(480, 640);
            changed.splice(at.min(changed.len()).., bytes);
            let _ = check(&changed);
        }
    }
}
