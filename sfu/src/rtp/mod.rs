//! RTP and RTCP on the wire (RFC 3550), read in place and written into the caller's buffer.
//!
//! Nothing here copies a payload or allocates: a packet is parsed where it was received and
//! written where it will be sent from.

mod extension;
mod header;
pub(crate) mod rtcp;
pub(crate) mod rtcp_write;

pub(crate) use extension::{Extensions, HeaderExtensions};
pub(crate) use header::{Fields, RtpHeader, Template, strip_padding};

/// Whether a datagram of class media is RTCP: its packet type, where RTP has marker and payload
/// type, is between 192 and 223 (RFC 5761 section 4).
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..224).contains(kind))
}

/// The SSRC of an RTP packet, which stands in the clear.
pub(crate) fn ssrc_of(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(8..)?.first_chunk()?))
}
