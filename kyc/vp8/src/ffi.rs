//! The five functions of libvpx and the structures they take, as `vpx/vpx_decoder.h`,
//! `vpx/vpx_codec.h` and `vpx/vpx_image.h` declare them for interface version [`ABI_VERSION`]. A
//! library of any other version is not used.

use std::ffi::{c_int, c_long, c_uint, c_void};

use libloading::Library;

/// `VPX_DECODER_ABI_VERSION`: 3 plus that of the codec (4) plus that of the image (5).
pub(crate) const ABI_VERSION: c_int = 12;
/// `VPX_IMG_FMT_I420`.
pub(crate) const I420: c_uint = 0x102;

/// Names under which distributions install it, newest first: the number changes with the encoder's
/// interface, the decoder's has stayed the same.
const NAMES: [&str; 6] =
    ["libvpx.so.12", "libvpx.so.11", "libvpx.so.9", "libvpx.so.8", "libvpx.so.7", "libvpx.so.6"];

/// `vpx_codec_ctx_t` is seven words; the rest is room.
#[repr(C, align(16))]
pub(crate) struct Context([usize; 16]);

impl Context {
    pub(crate) const fn zeroed() -> Self {
        Self([0; 16])
    }
}

/// `vpx_codec_dec_cfg_t`.
#[repr(C)]
pub(crate) struct Config {
    pub(crate) threads: c_uint,
    pub(crate) width: c_uint,
    pub(crate) height: c_uint,
}

/// `vpx_image_t` as far as it is read here.
#[repr(C)]
pub(crate) struct Image {
    pub(crate) format: c_uint,
    colour_space: c_uint,
    range: c_uint,
    stored_width: c_uint,
    stored_height: c_uint,
    pub(crate) bit_depth: c_uint,
    pub(crate) display_width: c_uint,
    pub(crate) display_height: c_uint,
    render_width: c_uint,
    render_height: c_uint,
    pub(crate) x_chroma_shift: c_uint,
    pub(crate) y_chroma_shift: c_uint,
    pub(crate) planes: [*const u8; 4],
    pub(crate) strides: [c_int; 4],
}

type Init =
    unsafe extern "C" fn(*mut Context, *const c_void, *const Config, c_long, c_int) -> c_int;
type Decode = unsafe extern "C" fn(*mut Context, *const u8, c_uint, *mut c_void, c_long) -> c_int;
type GetFrame = unsafe extern "C" fn(*mut Context, *mut *const c_void) -> *const Image;

/// The functions, and the library that holds them.
pub(crate) struct Api {
    pub(crate) vp8: unsafe extern "C" fn() -> *const c_void,
    pub(crate) init: Init,
    pub(crate) decode: Decode,
    pub(crate) frame: GetFrame,
    pub(crate) destroy: unsafe extern "C" fn(*mut Context) -> c_int,
    _library: Library,
}

impl Api {
    /// Loads libvpx by the names it is installed under.
    pub(crate) fn load() -> Result<Self, String> {
        let mut why = String::new();
        for name in NAMES {
            // SAFETY: loading runs the library's initialisers; libvpx has none with effects
            // outside it. The name has no path, so it is the system's library that is found.
            match unsafe { Library::new(name) } {
                Ok(library) => {
                    let api = Self::of(library).map_err(|e| format!("{name}: {e}"))?;
                    api.check().map_err(|e| format!("{name}: {e}"))?;
                    return Ok(api);
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    /// Whether the library's structures are those declared here: it must take a caller of this
    /// version and refuse one of the next. (It takes callers of every version up to its own, so
    /// one that is newer would fill in structures that are not these.)
    fn check(&self) -> Result<(), &'static str> {
        let config = Config { threads: 1, width: 0, height: 0 };
        let starts = |version| {
            let mut context = Box::new(Context::zeroed());
            // SAFETY: `context` is zeroed and larger than the library's own, and destroyed before
            // it goes if it was initialised. No picture is looked at.
            unsafe {
                let interface = (self.vp8)();
                let code = (self.init)(&raw mut *context, interface, &raw const config, 0, version);
                if code == 0 {
                    (self.destroy)(&raw mut *context);
                }
                code == 0
            }
        };
        match (starts(ABI_VERSION), starts(ABI_VERSION + 1)) {
            (true, false) => Ok(()),
            (false, _) => Err("its interface is older"),
            (true, true) => Err("its interface is newer"),
        }
    }

    fn of(library: Library) -> Result<Self, libloading::Error> {
        // SAFETY: these are libvpx's declarations of these names. The pointers stay valid as long
        // as the library is loaded, which is as long as `Api` is there.
        unsafe {
            Ok(Self {
                vp8: *library.get(b"vpx_codec_vp8_dx\0")?,
                init: *library.get(b"vpx_codec_dec_init_ver\0")?,
                decode: *library.get(b"vpx_codec_decode\0")?,
                frame: *library.get(b"vpx_codec_get_frame\0")?,
                destroy: *library.get(b"vpx_codec_destroy\0")?,
                _library: library,
            })
        }
    }
}
