//! Sequence parameter sets (H.264 section 7.3.2.1.1), as far as the picture's size: read before
//! the decoder sees them, because a decoder allocates what they ask for.

use crate::video::fits;

/// The size of the coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// Width in pixels before cropping.
    pub width: u32,
    /// Height in pixels before cropping.
    pub height: u32,
}

/// A parameter set that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// It ends early or a number in it is impossible.
    #[error("the sequence parameter set is malformed")]
    Malformed,
    /// The picture is larger than is decoded here.
    #[error("pictures of {width}x{height} are not decoded")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl Sps {
    /// Reads a NAL unit of type 7.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        read(nal).ok_or(SpsError::Malformed)
    }

    /// Whether pictures of this size are decoded here.
    ///
    /// # Errors
    /// When they are not.
    pub fn check(self) -> Result<Self, SpsError> {
        let Self { width, height } = self;
        if fits(width, height) { Ok(self) } else { Err(SpsError::TooLarge { width, height }) }
    }
}

/// Profiles whose parameter sets carry the chroma format and scaling lists.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

fn read(nal: &[u8]) -> Option<Sps> {
    let payload = without_emulation(nal.get(1..)?);
    let mut bits = Bits { bytes: &payload, at: 0 };
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags and level
    bits.unsigned()?; // id
    if HIGH_PROFILES.contains(&profile) {
        skip_high_profile(&mut bits)?;
    }
    bits.unsigned()?; // log2_max_frame_num
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.take(1)?;
            bits.unsigned()?; // signed values are as long as unsigned ones
            bits.unsigned()?;
            let cycle = bits.unsigned()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.unsigned()?;
            }
        }
        2 => {}
        _ => return None,
    }
    if bits.unsigned()? > 16 {
        return None; // reference frames
    }
    bits.take(1)?;
    let columns = bits.unsigned()?.checked_add(1)?;
    let rows = bits.unsigned()?.checked_add(1)?;
    let fields = 2 - bits.take(1)?;
    Some(Sps {
        width: columns.checked_mul(16)?,
        height: rows.checked_mul(16)?.checked_mul(fields)?,
    })
}

fn skip_high_profile(bits: &mut Bits<'_>) -> Option<()> {
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.take(1)?;
    }
    bits.unsigned()?;
    bits.unsigned()?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        let lists = if chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.take(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

/// H.264 section 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()? + 256).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Removes the emulation prevention bytes (section 7.4.1.1).
fn without_emulation(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |value, _| Some(value << 1 | self.bit()?))
    }

    /// An unsigned Exp-Golomb number (section 9.1).
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// A signed Exp-Golomb number (section 9.1.1).
    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes what a baseline encoder would.
    fn sps(columns: u32, rows: u32) -> Vec<u8> {
        let mut bits = String::new();
        let mut golomb = |n: u32| {
            let code = format!("{:b}", u64::from(n) + 1);
            bits.push_str(&"0".repeat(code.len() - 1));
            bits.push_str(&code);
        };
        // id, frame numbers, order type 2, one reference frame
        for n in [0, 0, 2, 1] {
            golomb(n);
        }
        let mut tail = String::from("0"); // no gaps
        std::mem::swap(&mut bits, &mut tail);
        let mut size = String::new();
        for n in [columns - 1, rows - 1] {
            let code = format!("{:b}", u64::from(n) + 1);
            size.push_str(&"0".repeat(code.len() - 1));
            size.push_str(&code);
        }
        let all = format!("{tail}{bits}{size}1{}", "1".repeat(16));
        let mut nal = vec![0x67, 66, 0xc0, 31];
        nal.extend(
            all.as_bytes()
                .chunks(8)
                .map(|byte| byte.iter().fold(0_u8, |v, b| v << 1 | (b - b'0')) << (8 - byte.len())),
        );
        nal
    }

    #[test]
    fn the_size_is_read() {
        assert_eq!(Sps::parse(&sps(40, 30)), Ok(Sps { width: 640, height: 480 }));
    }

    #[test]
    fn upright_and_wide_1080p_pass_and_more_does_not() {
        assert!(Sps { width: 1920, height: 1088 }.check().is_ok());
        assert!(Sps { width: 1088, height: 1920 }.check().is_ok());
        for (width, height) in [(1920, 1104), (3840, 2160), (4096, 16), (u32::MAX, u32::MAX)] {
            assert!(Sps { width, height }.check().is_err(), "{width}x{height}");
        }
        assert!(Sps::parse(&sps(4096, 4096)).unwrap().check().is_err());
    }

    #[test]
    fn a_cut_set_is_malformed() {
        let whole = sps(40, 30);
        for end in 0..whole.len() - 3 {
            assert_eq!(Sps::parse(&whole[..end]), Err(SpsError::Malformed), "{end} bytes");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Sps::parse(&bytes).and_then(Sps::check);
        }
    }
}
