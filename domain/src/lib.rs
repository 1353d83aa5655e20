//! The vocabulary every part of vbranch shares: ids, units, time, encoded media, timeline events.
//!
//! Nothing here performs I/O or knows a runtime. Types that cross a boundary between crates live
//! here; what only one crate needs lives in that crate.

pub mod call;
pub mod clock;
pub mod id;
pub mod kyc;
pub mod media;
pub mod recording;
pub mod redact;
pub mod tap;
pub mod timeline;

pub use call::{Quality, QualityCause, Seat, Slot};
pub use clock::{Clock, Mono, SystemClock, UnixMillis};
pub use id::{CallId, FilmId, ParticipantId, RecordingId, ReplayId, UserId, VisitId};
pub use media::{EncodedFrame, Leg, MediaKind, Payload, RtpTime, TrackId, VideoCodec};
pub use redact::Redacted;
pub use tap::{Tap, TapItem};
