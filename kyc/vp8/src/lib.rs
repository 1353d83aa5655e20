//! VP8 decoding through the system's libvpx, loaded at run time where it is installed.
//!
//! The only crate of the workspace with `unsafe` code, and nothing else is in it: five functions
//! of libvpx (`vpx/vpx_decoder.h`) behind a safe [`Decoder`]. Why so: `docs/adr`, "VP8 through the
//! system's libvpx".

#![expect(unsafe_code, reason = "calls into a C library; this crate exists to hold them")]

mod ffi;

use std::{ffi::c_void, marker::PhantomData, ptr, slice, sync::OnceLock};

use ffi::{Api, Config, Context, Image};

/// Decodes one VP8 stream, in order. Frames are as RFC 6386 section 9 has them.
pub struct Decoder {
    api: &'static Api,
    /// Where it was initialised: the library may keep its address.
    context: Box<Context>,
}

/// A decoded picture: three planes of 8 bits, the second and third of half the width and height
/// (rounded up). Borrowed from the decoder until the next frame is decoded.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma, blue and red difference, each row by row.
    pub planes: [&'a [u8]; 3],
    /// Bytes from one row of each plane to its next.
    pub strides: [usize; 3],
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// libvpx is not installed, or of a version with another interface.
    #[error("no usable libvpx: {0}")]
    NoLibrary(String),
    /// libvpx could not start a decoder.
    #[error("libvpx cannot start a decoder (code {0})")]
    Start(i32),
    /// libvpx refused the frame.
    #[error("libvpx refused the frame (code {0})")]
    Refused(i32),
    /// What libvpx gave is not an 8-bit 4:2:0 picture that lies in memory as it must.
    #[error("libvpx gave a picture of another kind")]
    Picture,
}

/// Whether VP8 can be decoded here; says why not.
///
/// # Errors
/// When libvpx is missing or has another interface.
pub fn available() -> Result<(), Error> {
    Decoder::new().map(drop)
}

impl Decoder {
    /// Starts a decoder, with one thread and no post-processing.
    ///
    /// # Errors
    /// When libvpx is missing, has another interface, or cannot start one.
    pub fn new() -> Result<Self, Error> {
        static API: OnceLock<Result<Api, String>> = OnceLock::new();
        let api = API.get_or_init(Api::load).as_ref().map_err(|e| Error::NoLibrary(e.clone()))?;
        let mut context = Box::new(Context::zeroed());
        let config = Config { threads: 1, width: 0, height: 0 };
        // SAFETY: the functions are those of the loaded libvpx. `context` is zeroed, as large as the
        // library's own or larger, and stays where it is until `Drop` destroys it. That the
        // structures are the library's was checked when it was loaded.
        let code = unsafe {
            let interface = (api.vp8)();
            (api.init)(&raw mut *context, interface, &raw const config, 0, ffi::ABI_VERSION)
        };
        if code != 0 {
            return Err(Error::Start(code));
        }
        Ok(Self { api, context })
    }

    /// Decodes one frame. `None` for a frame that is not to be shown.
    ///
    /// # Errors
    /// When libvpx refuses it. Decoding goes on at the next key frame.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Option<Frame<'_>>, Error> {
        let Ok(length) = u32::try_from(frame.len()) else { return Err(Error::Refused(-1)) };
        if length == 0 {
            // To libvpx an empty frame means "flush", or "lost": neither is asked for here.
            return Err(Error::Refused(-1));
        }
        // SAFETY: `context` was initialised and not destroyed; `frame` is read only during the call
        // and only as far as `length`.
        let code = unsafe {
            (self.api.decode)(&raw mut *self.context, frame.as_ptr(), length, ptr::null_mut(), 0)
        };
        if code != 0 {
            return Err(Error::Refused(code));
        }
        let mut iterator: *const c_void = ptr::null();
        // SAFETY: as above. The picture belongs to the decoder and stays whole until the next call
        // to `decode` or `destroy`, which the borrow of `self` in the result rules out.
        let image = unsafe { (self.api.frame)(&raw mut *self.context, &raw mut iterator).as_ref() };
        image.map(|image| view(image, PhantomData)).transpose()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed only here.
        unsafe { (self.api.destroy)(&raw mut *self.context) };
    }
}

// SAFETY: a libvpx decoder has no ties to the thread that made it, and `&mut self` keeps two
// threads from using it at the same time.
unsafe impl Send for Decoder {}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder(vp8)")
    }
}

/// No side of a VP8 picture is longer (RFC 6386 section 9.1: 14 bits).
const MAX_SIDE: u32 = (1 << 14) - 1;

/// The picture's planes as slices, after checking what their lengths are computed from.
fn view<'a>(image: &'a Image, _: PhantomData<&'a mut Decoder>) -> Result<Frame<'a>, Error> {
    let (width, height) = (image.display_width, image.display_height);
    let sides_fit = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    let planar = image.format == ffi::I420
        && (image.x_chroma_shift, image.y_chroma_shift) == (1, 1)
        && image.bit_depth == 8;
    if !(sides_fit && planar) {
        return Err(Error::Picture);
    }
    let (width, height) = (width as usize, height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let [luma, blue, red, _] = image.planes;
    let [luma_stride, blue_stride, red_stride, _] = image.strides;
    let plane = |data: *const u8, stride: i32, width: usize, height: usize| {
        let stride = usize::try_from(stride).ok().filter(|s| *s >= width).ok_or(Error::Picture)?;
        if data.is_null() {
            return Err(Error::Picture);
        }
        // SAFETY: libvpx lays `height` rows of `width` bytes `stride` apart from `data` on; the
        // last row counts only as far as its pixels. They are not written while borrowed.
        let bytes = unsafe { slice::from_raw_parts(data, stride * (height - 1) + width) };
        Ok((bytes, stride))
    };
    let (y, y_stride) = plane(luma, luma_stride, width, height)?;
    let (u, u_stride) = plane(blue, blue_stride, half_width, half_height)?;
    let (v, v_stride) = plane(red, red_stride, half_width, half_height)?;
    Ok(Frame { width, height, planes: [y, u, v], strides: [y_stride, u_stride, v_stride] })
}
