//! AEAD_AES_128_GCM (RFC 7714).

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use ring::error::Unspecified;

use super::{E_FLAG, KEY_LEN, KeyingError, RTCP_CLEAR_LEN, RtpIndex, TRAILER_LEN};

pub(super) const TAG_LEN: usize = 16;
const SALT_LEN: usize = 12;

/// Session key and salt.
pub(super) struct Gcm {
    /// "Less safe" because nonces are ours to keep apart: they are made of SSRC and index, which
    /// the protocol never repeats for different packets.
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
}

impl Gcm {
    pub(super) fn new(key: &[u8; KEY_LEN], salt: &[u8; SALT_LEN]) -> Result<Self, KeyingError> {
        let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| KeyingError::Unusable)?;
        Ok(Self { key: LessSafeKey::new(key), salt: *salt })
    }

    /// `packet` is header, payload, room for the tag.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: RtpIndex,
    ) -> Result<(), Unspecified> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Unspecified)?;
        let (header, payload) = body.split_at_mut_checked(header_len).ok_or(Unspecified)?;
        let nonce = self.nonce(ssrc, index.get());
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(())
    }

    /// `packet` is header, ciphertext, tag.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: RtpIndex,
    ) -> Result<(), Unspecified> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Unspecified)?;
        let (header, payload) = body.split_at_mut_checked(header_len).ok_or(Unspecified)?;
        let nonce = self.nonce(ssrc, index.get());
        self.key
            .open_in_place_separate_tag(nonce, Aad::from(&*header), Tag::from(*tag), payload, 0..)
            .map(|_| ())
    }

    /// `packet` is an RTCP packet and room for tag and trailer.
    pub(super) fn seal_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<(), Unspecified> {
        let parts = Rtcp::split(packet)?;
        *parts.trailer = (E_FLAG | index).to_be_bytes();
        let nonce = self.nonce(ssrc, index.into());
        let sealed = self.key.seal_in_place_separate_tag(nonce, parts.aad(), parts.payload)?;
        parts.tag.copy_from_slice(sealed.as_ref());
        Ok(())
    }

    /// `packet` is an encrypted RTCP packet with tag and trailer.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<(), Unspecified> {
        let parts = Rtcp::split(packet)?;
        let nonce = self.nonce(ssrc, index.into());
        self.key
            .open_in_place_separate_tag(
                nonce,
                parts.aad(),
                Tag::from(*parts.tag),
                parts.payload,
                0..,
            )
            .map(|_| ())
    }

    /// SSRC and index under the salt: RFC 7714, 8.1 for RTP and 9.1 for RTCP, whose 16 zero bits
    /// and 31-bit index are the same 48 bits.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let counted = (u128::from(ssrc) << 48) | u128::from(index);
        let mut nonce = self.salt;
        for (byte, with) in nonce.iter_mut().rev().zip(counted.to_le_bytes()) {
            *byte ^= with;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The parts of an SRTCP packet: unlike other profiles, the tag comes before the trailer
/// (RFC 7714, 9.2).
struct Rtcp<'p> {
    header: &'p mut [u8; RTCP_CLEAR_LEN],
    payload: &'p mut [u8],
    tag: &'p mut [u8; TAG_LEN],
    trailer: &'p mut [u8; TRAILER_LEN],
}

impl<'p> Rtcp<'p> {
    fn split(packet: &'p mut [u8]) -> Result<Self, Unspecified> {
        let (rest, trailer) = packet.split_last_chunk_mut().ok_or(Unspecified)?;
        let (rest, tag) = rest.split_last_chunk_mut().ok_or(Unspecified)?;
        let (header, payload) = rest.split_first_chunk_mut().ok_or(Unspecified)?;
        Ok(Self { header, payload, tag, trailer })
    }

    /// What is authenticated but not encrypted: header and trailer.
    fn aad(&self) -> Aad<[u8; RTCP_CLEAR_LEN + TRAILER_LEN]> {
        let mut aad = [0; RTCP_CLEAR_LEN + TRAILER_LEN];
        for (to, from) in aad.iter_mut().zip(self.header.iter().chain(self.trailer.iter())) {
            *to = *from;
        }
        Aad::from(aad)
    }
}
