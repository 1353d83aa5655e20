//! Pictures of a person from outside: an identity document's portrait as JPEG or PNG in, a frame
//! kept for the record as JPEG out.

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits,
    codecs::jpeg::JpegEncoder, error::LimitErrorKind,
};
use zeroize::Zeroize as _;

use super::{
    detect::{Detection, Detector},
    network::InferenceError,
    picture::Picture,
};

/// A portrait with the one face in it.
#[derive(Debug, Clone)]
pub struct PortraitFace {
    /// The picture, upright.
    pub picture: Picture,
    /// The face in it.
    pub face: Detection,
}

/// Why a portrait cannot be used. The words are for whoever sent it.
#[derive(Debug, thiserror::Error)]
pub enum PortraitError {
    /// Not a JPEG or PNG, or a broken one.
    #[error("this is not a JPEG or PNG picture that can be read")]
    NotAPicture,
    /// The file or the picture is larger than any portrait.
    #[error(
        "the picture is too large: at most {} MiB and {MAX_SIDE} pixels a side",
        MAX_BYTES >> 20
    )]
    TooLarge,
    /// No face was found.
    #[error("no face is in the picture")]
    NoFace,
    /// More than one face was found.
    #[error("{0} faces are in the picture; exactly one is needed")]
    SeveralFaces(usize),
    /// The face has too few pixels to be compared.
    #[error("the face is too small: {0} pixels wide, at least {MIN_FACE} are needed")]
    FaceTooSmall(u32),
    /// A model failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// The largest file that is read. The branch takes no more either.
pub const MAX_BYTES: usize = 5 << 20;
/// The longest side that is read. A phone's camera takes 4000 by 3000 pixels, some 6000 by 4000.
const MAX_SIDE: u32 = 6_000;
/// What the decoded picture may take: 24 million pixels with an alpha channel. A small file can
/// claim to be a huge picture; the claim is held against this before any memory is taken.
const MAX_ALLOC: u64 = 96 << 20;
/// Portraits are scaled down to this longer side: a face model's input is 112 pixels.
const WORKING_SIDE: usize = 1_280;
/// A face narrower than this tells people apart badly: it would be blown up to the model's input.
const MIN_FACE: u32 = 48;
/// Of several faces, those smaller than this share of the largest one's area do not count: many
/// documents carry the portrait a second time, small and faint.
const GHOST: f32 = 0.25;

impl PortraitFace {
    /// Reads a portrait and finds the one face in it.
    ///
    /// # Errors
    /// When it is no picture, too large, or does not show exactly one face of sufficient size.
    pub fn read(detector: &Detector, file: &[u8]) -> Result<Self, PortraitError> {
        let picture = decode(file)?;
        let found = detector.detect(&picture)?;
        let largest = found.iter().max_by(|a, b| a.face.area().total_cmp(&b.face.area()));
        let face = *largest.ok_or(PortraitError::NoFace)?;
        let limit = face.face.area() * GHOST;
        match found.iter().filter(|d| d.face.area() >= limit).count() {
            0 | 1 => {}
            several => return Err(PortraitError::SeveralFaces(several)),
        }
        if face.face.w < MIN_FACE as f32 {
            return Err(PortraitError::FaceTooSmall(face.face.w as u32));
        }
        Ok(Self { picture, face })
    }
}

/// Reads a JPEG or PNG as an upright picture of at most 1280 pixels a side.
///
/// # Errors
/// When it is neither, broken, or too large.
pub fn decode(file: &[u8]) -> Result<Picture, PortraitError> {
    if file.len() > MAX_BYTES {
        return Err(PortraitError::TooLarge);
    }
    let format = image::guess_format(file).map_err(|_| PortraitError::NotAPicture)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
        return Err(PortraitError::NotAPicture);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    limits.reserve(decoder.total_bytes()).map_err(refused)?;
    // Phones write the picture as the sensor saw it and say beside it which way is up.
    let orientation = decoder.orientation().map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let picture = Picture::from_rgb(width, height, image.into_rgb8().into_raw())
        .map_err(|_| PortraitError::NotAPicture)?;
    Ok(working_size(picture))
}

/// Writes a picture as JPEG (quality 90), for the record of a check.
///
/// # Errors
/// When it has more than 65535 pixels a side.
pub fn encode_jpeg(picture: &Picture) -> Result<Vec<u8>, PortraitError> {
    let side = |n: usize| u32::try_from(n).map_err(|_| PortraitError::TooLarge);
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 90)
        .encode(picture.rgb(), width, height, ColorType::Rgb8.into())
        .map_err(|_| PortraitError::TooLarge)?;
    Ok(jpeg)
}

fn working_size(picture: Picture) -> Picture {
    let longer = picture.width().max(picture.height());
    if longer <= WORKING_SIDE {
        return picture;
    }
    let fit = |n: usize| (n * WORKING_SIDE).div_ceil(longer);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let mut small = picture.shrink(width, height);
    let rgb = small.as_flattened().iter().map(|v| v.round() as u8).collect();
    small.zeroize();
    // As many pixels as were asked for, so this is always the small one.
    Picture::from_rgb(width, height, rgb).unwrap_or(picture)
}

fn refused(error: ImageError) -> PortraitError {
    match error {
        ImageError::Limits(limit)
            if matches!(
                limit.kind(),
                LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory
            ) =>
        {
            PortraitError::TooLarge
        }
        _ => PortraitError::NotAPicture,
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
    use proptest::prelude::*;

    use super::*;

    fn picture() -> Picture {
        Picture::from_rgb(40, 20, (0..40 * 20 * 3).map(|i| (i % 200) as u8).collect()).unwrap()
    }

    fn png(picture: &Picture) -> Vec<u8> {
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8)
            .unwrap();
        png
    }

    #[test]
    fn a_jpeg_and_a_png_are_read() {
        let jpeg = decode(&encode_jpeg(&picture()).unwrap()).unwrap();
        assert_eq!((jpeg.width(), jpeg.height()), (40, 20));
        assert_eq!(decode(&png(&picture())).unwrap().rgb(), picture().rgb());
    }

    #[test]
    fn large_pictures_are_scaled_down() {
        let large = Picture::from_rgb(2_560, 100, vec![77; 2_560 * 100 * 3]).unwrap();
        let read = decode(&png(&large)).unwrap();
        assert_eq!((read.width(), read.height(), read.rgb()[1_000]), (1_280, 50, 77));
    }

    #[test]
    fn what_is_no_picture_or_claims_to_be_a_huge_one_is_refused() {
        for not in [&b""[..], b"GIF89a\x01\0\x01\0\0\0\0", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP"]
        {
            assert!(matches!(decode(not), Err(PortraitError::NotAPicture)), "{not:?}");
        }
        assert!(matches!(decode(&vec![0xff; MAX_BYTES + 1]), Err(PortraitError::TooLarge)));
        // A PNG of 40x20 whose header claims 50000x50000.
        let mut bomb = png(&picture());
        bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(decode(&bomb), Err(PortraitError::TooLarge)));
    }

    /// The checksum of PNG (ISO 3309), bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    proptest! {
        #[test]
        fn damaged_pictures_never_panic(
            jpeg in any::<bool>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut file = if jpeg { encode_jpeg(&picture()).unwrap() } else { png(&picture()) };
            for (at, value) in damage {
                let at = at.index(file.len());
                file[at] = value;
            }
            file.truncate(cut.index(file.len()) + 1);
            let _ = decode(&file);
        }
    }
}
