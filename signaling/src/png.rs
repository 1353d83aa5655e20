//! Pictures from outside: read just far enough to know that they are PNG, whole, and of a sane
//! size. They are never decoded on the server.

/// Four thousand lines are more than any camera or signature pad sends; what decodes to more
/// would only serve to exhaust whoever looks at it later.
const MAX_SIDE: u32 = 4_096;

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PngError {
    /// Not PNG, or not all of it, or something behind it.
    #[error("not a whole PNG")]
    Malformed,
    /// Wider or higher than is sane, or empty.
    #[error("the picture's width and height must be 1 to 4096")]
    Dimensions,
}

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Checks a PNG (PNG specification, third edition, sections 5 and 11.2): signature, IHDR, the
/// chain of chunks with their checksums, at least one IDAT, IEND last and nothing behind it.
pub fn check(bytes: &[u8]) -> Result<(), PngError> {
    let mut rest = bytes.strip_prefix(SIGNATURE).ok_or(PngError::Malformed)?;
    let (first, body, after) = chunk(rest)?;
    if first != b"IHDR" {
        return Err(PngError::Malformed);
    }
    check_header(body)?;
    rest = after;
    let mut has_data = false;
    loop {
        let (kind, body, after) = chunk(rest)?;
        rest = after;
        match kind {
            b"IDAT" => has_data = true,
            b"IEND" if has_data && body.is_empty() && rest.is_empty() => return Ok(()),
            b"IEND" | b"IHDR" => return Err(PngError::Malformed),
            _ => {}
        }
    }
}

fn check_header(body: &[u8]) -> Result<(), PngError> {
    let (width, body) = number(body)?;
    let (height, body) = number(body)?;
    let [depth, colour, compression, filter, interlace] = body else {
        return Err(PngError::Malformed);
    };
    let depth_ok = match colour {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    if !depth_ok || *compression != 0 || *filter != 0 || *interlace > 1 {
        return Err(PngError::Malformed);
    }
    let sane = 1..=MAX_SIDE;
    if !sane.contains(&width) || !sane.contains(&height) {
        return Err(PngError::Dimensions);
    }
    Ok(())
}

/// Type, data, and what follows.
type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

/// Splits off one chunk.
fn chunk(bytes: &[u8]) -> Result<Chunk<'_>, PngError> {
    let (length, rest) = number(bytes)?;
    let length = usize::try_from(length).map_err(|_| PngError::Malformed)?;
    let checked_end = length.checked_add(4).ok_or(PngError::Malformed)?;
    let (checked, rest) = rest.split_at_checked(checked_end).ok_or(PngError::Malformed)?;
    let (sum, rest) = number(rest)?;
    if sum != crc32(checked) {
        return Err(PngError::Malformed);
    }
    let (kind, body) = checked.split_first_chunk().ok_or(PngError::Malformed)?;
    Ok((kind, body, rest))
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), PngError> {
    let (four, rest) = bytes.split_first_chunk().ok_or(PngError::Malformed)?;
    Ok((u32::from_be_bytes(*four), rest))
}

/// CRC-32 of ISO 3309, bit by bit: pictures are at most a megabyte, and a portrait of five is
/// checked where that holds nobody up.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = (crc & 1).wrapping_neg() & 0xedb8_8320;
            crc = (crc >> 1) ^ carry;
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A grey pixel, made by another encoder.
    const PIXEL: &str = "89504e470d0a1a0a0000000d4948445200000001000000010800000000\
                         3a7e9b550000000a4944415478da63f80f00010101001cb08c990000000049454e44ae426082";

    fn pixel() -> Vec<u8> {
        hex::decode(PIXEL).unwrap()
    }

    fn with_size(width: u32, height: u32) -> Vec<u8> {
        let mut png = pixel();
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        png
    }

    #[test]
    fn a_small_png_is_taken() {
        assert_eq!(check(&pixel()), Ok(()));
    }

    #[test]
    fn anything_missing_changed_or_added_is_refused() {
        let png = pixel();
        for end in 0..png.len() {
            assert_eq!(check(&png[..end]), Err(PngError::Malformed), "cut at {end}");
        }
        for at in 0..png.len() {
            let mut changed = png.clone();
            changed[at] ^= 1;
            assert!(check(&changed).is_err(), "changed at {at}");
        }
        let mut more = png;
        more.extend_from_slice(b"<script>");
        assert_eq!(check(&more), Err(PngError::Malformed));
    }

    #[test]
    fn an_enormous_picture_is_refused_by_its_header() {
        assert_eq!(check(&with_size(4_096, 4_096)), Ok(()));
        for (w, h) in [(4_097, 1), (1, u32::MAX), (0, 1), (1, 0)] {
            assert_eq!(check(&with_size(w, h)), Err(PngError::Dimensions), "{w}x{h}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_outside_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes);
            let mut png = SIGNATURE.to_vec();
            png.extend_from_slice(&bytes);
            let _ = check(&png);
        }
    }
}
