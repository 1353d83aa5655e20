//! The sending half: seals packets of streams whose index the caller keeps.

use std::fmt;

use super::{
    Cipher, E_FLAG, Profile, RTCP_CLEAR_LEN, RTP_FIXED_HEADER_LEN, RtpIndex, TRAILER_LEN, read_rtp,
    read_u32,
};

/// Why a packet of ours was not sealed. Each is a fault of the caller's, except `Exhausted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The packet is shorter than its header.
    #[error("a packet is shorter than its header")]
    TooShort,
    /// The buffer has no room for tag and trailer behind the packet.
    #[error("no room behind a packet for its authentication tag")]
    NoRoom,
    /// The index given is not one of the header's sequence number.
    #[error("a packet's index contradicts its sequence number")]
    IndexMismatch,
    /// 2^31 RTCP packets were sealed: the key must not be used further (RFC 3711, 9.2).
    #[error("the SRTCP key is used up")]
    Exhausted,
    /// The cipher refused: the packet is too long for it.
    #[error("a packet is too long to seal")]
    TooLong,
}

/// Seals packets for one peer.
pub struct Outbound {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    /// Index of the next RTCP packet, one count for all our SSRCs.
    next_rtcp: u32,
}

impl Outbound {
    pub(super) fn new(profile: Profile, rtp: Cipher, rtcp: Cipher) -> Self {
        Self { profile, rtp, rtcp, next_rtcp: 1 }
    }

    /// Seals the RTP packet in the first `len` bytes of `buf` (header and payload together, of
    /// which the header, with CSRCs and extensions, takes `header_len`) and returns its new length:
    /// `len` and the profile's tag, at most [`MAX_RTP_OVERHEAD`](super::MAX_RTP_OVERHEAD) more.
    ///
    /// An index may be sealed again only for the very same bytes, header extensions included:
    /// under GCM two packets of one SSRC and index that differ anywhere give the authentication
    /// key away (RFC 7714, 8.4). Retransmit what was sealed, or by RTX (RFC 4588), which
    /// has indices of its own.
    pub fn protect_rtp(
        &self,
        buf: &mut [u8],
        header_len: usize,
        len: usize,
        index: RtpIndex,
    ) -> Result<usize, ProtectError> {
        if header_len < RTP_FIXED_HEADER_LEN || len < header_len {
            return Err(ProtectError::TooShort);
        }
        let sealed_len = len.saturating_add(self.profile.tag_len());
        let packet = buf.get_mut(..sealed_len).ok_or(ProtectError::NoRoom)?;
        let (sequence_number, ssrc) = read_rtp(packet).ok_or(ProtectError::TooShort)?;
        if sequence_number != index.sequence_number() {
            return Err(ProtectError::IndexMismatch);
        }
        self.rtp.seal_rtp(packet, header_len, ssrc, index).map_err(|_| ProtectError::TooLong)?;
        Ok(sealed_len)
    }

    /// Seals the RTCP packet, compound or reduced-size, in the first `len` bytes of `buf` and
    /// returns its new length, at most [`MAX_RTCP_OVERHEAD`](super::MAX_RTCP_OVERHEAD) more.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        if len < RTCP_CLEAR_LEN {
            return Err(ProtectError::TooShort);
        }
        if self.next_rtcp & E_FLAG != 0 {
            return Err(ProtectError::Exhausted);
        }
        let sealed_len = len.saturating_add(self.profile.tag_len() + TRAILER_LEN);
        let packet = buf.get_mut(..sealed_len).ok_or(ProtectError::NoRoom)?;
        let ssrc = read_u32(packet, 4).ok_or(ProtectError::TooShort)?;
        self.rtcp.seal_rtcp(packet, ssrc, self.next_rtcp).map_err(|_| ProtectError::TooLong)?;
        self.next_rtcp += 1;
        Ok(sealed_len)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Profile, Role, contexts};
    use super::*;

    #[test]
    fn the_last_rtcp_index_is_used_and_then_no_more() {
        for profile in Profile::PREFERENCE {
            let block = vec![7; profile.exported_len()];
            let (_, mut outbound) = contexts(profile, &block, Role::Server).unwrap();
            outbound.next_rtcp = E_FLAG - 1;
            let mut buf = [0; 64];
            assert!(outbound.protect_rtcp(&mut buf, 8).is_ok());
            assert_eq!(outbound.protect_rtcp(&mut buf, 8), Err(ProtectError::Exhausted));
        }
    }
}
