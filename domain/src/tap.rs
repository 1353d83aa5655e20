//! Taps: how the recorder and KYC listen to a call without being able to delay it.
//!
//! The media plane calls [`Tap::push`] from a reassembly thread, never from a shard. A tap puts
//! the item into its own bounded queue and returns; what happens when that queue is full is the
//! tap's policy (KYC drops, the recorder declares a gap) and is never waiting.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Mono,
    id::ParticipantId,
    media::{EncodedFrame, Leg, RtpTime, TrackId},
};

/// One thing that happened on a call's media, in the order the server saw it (per track).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapItem {
    /// A participant's connection is up; frames of this leg follow.
    LegStarted {
        /// Who connected.
        participant: ParticipantId,
        /// Which of their connections.
        leg: Leg,
        /// When.
        at: Mono,
    },
    /// A complete frame.
    Frame(EncodedFrame),
    /// An RTCP sender report (RFC 3550 section 6.4.1): ties the RTP clock to the sender's clock.
    SenderReport(SenderReport),
    /// Packets were lost and retransmission did not bring them in time. For video, frames up to
    /// the next key frame may be undecodable and a key frame has been asked for.
    Lost {
        /// Which stream.
        track: TrackId,
        /// Which connection.
        leg: Leg,
        /// How many RTP packets are missing.
        packets: u32,
        /// When the server gave up waiting.
        at: Mono,
    },
    /// The participant's connection is gone (left, reloaded or timed out).
    LegEnded {
        /// Who left.
        participant: ParticipantId,
        /// Which of their connections.
        leg: Leg,
        /// When.
        at: Mono,
    },
    /// The queue between the shard and the reassembly thread overflowed: media of unknown tracks
    /// is missing here.
    Overflow {
        /// How many packets were dropped.
        packets: u64,
        /// When it was noticed.
        at: Mono,
    },
}

/// One RTCP sender report, with the server time of its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// Which stream it speaks of.
    pub track: TrackId,
    /// Which connection.
    pub leg: Leg,
    /// The sender's wall clock as a 32.32 fixed-point NTP timestamp.
    pub ntp: NtpTime,
    /// The same instant on the stream's RTP clock, extended like the frames' timestamps.
    pub rtp_time: RtpTime,
    /// When the report reached this server.
    pub arrived: Mono,
}

/// A 64-bit NTP timestamp: seconds since 1900 in the upper half, fraction in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NtpTime(pub u64);

/// A listener on a call's media.
pub trait Tap: Send {
    /// Takes one item. Must not block and must not fail: overflow is the tap's own affair.
    fn push(&mut self, item: TapItem);
}
