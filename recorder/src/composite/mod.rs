//! A film of a recording: everybody in one picture, with the server's time, who asked for it, and
//! the ledger's gaps as cards. Made on demand by decoding what was recorded and coding it anew.
//!
//! A film is a derived thing, for people to look at; it is never the evidence. What it is made from
//! is sealed and signed; its own hash goes on the evidence log, with the hash of that manifest.

mod file;
mod films;
mod layout;
mod make;
mod pane;
mod picture;
mod sealed;
mod sound;
mod source;
mod text;
mod words;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use vbranch_domain::{UnixMillis, recording::FilmLayout};

use crate::error::RecorderError;

pub use self::films::{Films, MAX_MAKING, composite};

/// What film somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmOrder {
    /// How the parties are arranged.
    pub layout: FilmLayout,
    /// Who asked for it, as the watermark says it.
    pub by: String,
    /// Who asked for it, as the evidence log has it: an account's id, or the name of whoever runs
    /// the command.
    pub user: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
    /// Names of people by their role. A recording itself names nobody.
    pub names: Vec<(String, String)>,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// It is not wanted any more.
    #[error("cancelled")]
    Cancelled,
    /// As many are being made as may be.
    #[error("too many films are being made")]
    Busy,
    /// The recording could not be read.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// A segment is not of our format.
    #[error("a segment cannot be read")]
    BadSegment,
    /// The font that is built in cannot be read.
    #[error("the font cannot be read")]
    Font,
    /// The picture coder gave nothing.
    #[error("the picture coder failed")]
    Coder,
    /// The picture coder or decoder refused.
    #[error("picture: {0}")]
    Picture(#[from] openh264::Error),
    /// The sound coder or decoder refused.
    #[error("sound: {0}")]
    Sound(#[from] opus::Error),
    /// The file could not be put together.
    #[error("file: {0}")]
    Mux(#[from] shiguredo_mp4::mux::MuxError),
    /// The file could not be put together.
    #[error("file: {0}")]
    Box(#[from] shiguredo_mp4::Error),
    /// It could not be written.
    #[error("writing the film: {0}")]
    Io(#[from] std::io::Error),
}

/// How far a film is, and whether it is still wanted. Shared between who makes it and who waits.
#[derive(Debug, Default)]
pub struct Watch {
    position_ms: AtomicU64,
    total_ms: AtomicU64,
    cancelled: AtomicBool,
}

impl Watch {
    /// Not wanted any more: whoever makes it stops within a picture or two.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Milliseconds of the recording that are in the film, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.position_ms.load(Ordering::Relaxed), self.total_ms.load(Ordering::Relaxed))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn set_total(&self, total: Duration) {
        self.total_ms.store(millis(total), Ordering::Relaxed);
    }

    fn reach(&self, at: Duration) {
        self.position_ms.store(millis(at), Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
