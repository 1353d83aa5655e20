//! The receiving half: opens packets, and remembers of each stream how far it is and what came.

use std::fmt;

use super::replay::Streams;
use super::{
    Cipher, E_FLAG, Profile, RTCP_CLEAR_LEN, RTP_FIXED_HEADER_LEN, RtpIndex, TRAILER_LEN, cm,
    read_rtp, read_u32,
};

/// How many SSRCs of RTP, and as many of RTCP, one peer may send from. A browser with audio, three
/// layers of camera and of screen and their RTX uses thirteen. Packets of further SSRCs are refused
/// for as long as the DTLS association lasts: to forget one in their favour would let its packets
/// be replayed. More costs memory that only an authenticated peer can claim; less would refuse
/// peers that renegotiate often.
pub const MAX_STREAMS: usize = 32;

/// An opened RTP packet, in the buffer it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Length of the plaintext that follows the header, bytes.
    pub payload_len: usize,
    /// Where the packet stands in its stream.
    pub index: RtpIndex,
}

/// Why a packet is to be dropped. Its buffer's content is then unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It cannot hold a header and a tag.
    #[error("shorter than header and authentication tag")]
    TooShort,
    /// It was not sealed with this key, or has changed since.
    #[error("not authentic")]
    AuthFailed,
    /// It came before, or is older than the replay window reaches.
    #[error("came before or too late")]
    Replayed,
    /// The peer already sends from [`MAX_STREAMS`] other SSRCs.
    #[error("one SSRC too many")]
    TooManyStreams,
    /// An RTCP packet without the E flag, which a WebRTC peer never sends (RFC 8827, 6.5).
    #[error("not encrypted")]
    NotEncrypted,
}

/// Opens packets of one peer.
pub struct Inbound {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl Inbound {
    pub(super) fn new(profile: Profile, rtp: Cipher, rtcp: Cipher) -> Self {
        Self {
            profile,
            rtp,
            rtcp,
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
        }
    }

    /// Opens the RTP packet that fills `buf`, whose header with CSRCs and extensions takes
    /// `header_len` bytes.
    ///
    /// The first packet of an SSRC is taken to be before its sequence number's first rollover, as
    /// a stream's counter starts at zero (RFC 3711, 3.3.1).
    pub fn unprotect_rtp(&mut self, buf: &mut [u8], header_len: usize) -> Result<Opened, Rejected> {
        let overhead = header_len.saturating_add(self.profile.tag_len());
        let payload_len = buf.len().checked_sub(overhead).ok_or(Rejected::TooShort)?;
        if header_len < RTP_FIXED_HEADER_LEN {
            return Err(Rejected::TooShort);
        }
        let (sequence_number, ssrc) = read_rtp(buf).ok_or(Rejected::TooShort)?;
        let place = self.rtp_streams.place(ssrc)?;
        let index = self.rtp_streams.index_of(place, sequence_number);
        self.rtp_streams.check(place, index)?;
        let index = RtpIndex::new(index).ok_or(Rejected::Replayed)?;
        self.rtp.open_rtp(buf, header_len, ssrc, index).map_err(|_| Rejected::AuthFailed)?;
        self.rtp_streams.record(place, ssrc, index.get());
        Ok(Opened { payload_len, index })
    }

    /// Opens the RTCP packet that fills `buf` and returns the length of the plaintext packet at
    /// its front.
    pub fn unprotect_rtcp(&mut self, buf: &mut [u8]) -> Result<usize, Rejected> {
        let overhead = self.profile.tag_len() + TRAILER_LEN;
        let len = buf.len().checked_sub(overhead).ok_or(Rejected::TooShort)?;
        if len < RTCP_CLEAR_LEN {
            return Err(Rejected::TooShort);
        }
        let trailer_at = match self.profile {
            Profile::AeadAes128Gcm => buf.len() - TRAILER_LEN,
            Profile::AesCm128HmacSha1_80 => buf.len() - TRAILER_LEN - cm::TAG_LEN,
        };
        let trailer = read_u32(buf, trailer_at).ok_or(Rejected::TooShort)?;
        let ssrc = read_u32(buf, 4).ok_or(Rejected::TooShort)?;
        if trailer & E_FLAG == 0 {
            return Err(Rejected::NotEncrypted);
        }
        let index = trailer & !E_FLAG;
        let place = self.rtcp_streams.place(ssrc)?;
        self.rtcp_streams.check(place, index.into())?;
        self.rtcp.open_rtcp(buf, ssrc, index).map_err(|_| Rejected::AuthFailed)?;
        self.rtcp_streams.record(place, ssrc, index.into());
        Ok(len)
    }

    /// How many SSRCs have sent authentic RTP.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.rtp_streams.len()
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("profile", &self.profile)
            .field("streams", &self.streams())
            .finish_non_exhaustive()
    }
}
