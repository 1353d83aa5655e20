//! AES_CM_128_HMAC_SHA1_80 (RFC 3711), and the counter mode key derivation shares with it.

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use hmac::{Hmac, Mac};
use ring::error::Unspecified;
use sha1::Sha1;

use super::{E_FLAG, KEY_LEN, KeyingError, RTCP_CLEAR_LEN, RtpIndex, TRAILER_LEN};

pub(super) const TAG_LEN: usize = 10;
const SALT_LEN: usize = 14;
const MAC_KEY_LEN: usize = 20;
const BLOCK_LEN: usize = 16;
/// Blocks of keystream made at once. More gains nothing; fewer leaves AES units idle.
const RUN: usize = 32;

/// Session keys and salt.
pub(super) struct Cm {
    cipher: Aes128Enc,
    /// The MAC with its key already taken in; cloned per packet. RustCrypto's rather than `ring`'s
    /// because it uses the processor's SHA instructions, and the MAC is most of this profile's cost.
    mac: Hmac<Sha1>,
    /// The salt times 2^16: the upper 14 bytes of a counter block.
    salt: u128,
}

impl Cm {
    pub(super) fn new(
        key: &[u8; KEY_LEN],
        salt: &[u8; SALT_LEN],
        mac_key: &[u8; MAC_KEY_LEN],
    ) -> Result<Self, KeyingError> {
        let mut block = [0; 16];
        for (to, from) in block.iter_mut().zip(salt) {
            *to = *from;
        }
        Ok(Self {
            cipher: Aes128Enc::new(key.into()),
            mac: <Hmac<Sha1> as Mac>::new_from_slice(mac_key).map_err(|_| KeyingError::Unusable)?,
            salt: u128::from_be_bytes(block),
        })
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
        let payload = body.get_mut(header_len..).ok_or(Unspecified)?;
        apply_keystream(&self.cipher, self.start(ssrc, index.get()), payload);
        write_tag(self.rtp_mac(body, index), tag);
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
        self.rtp_mac(body, index).verify_truncated_left(tag).map_err(|_| Unspecified)?;
        let payload = body.get_mut(header_len..).ok_or(Unspecified)?;
        apply_keystream(&self.cipher, self.start(ssrc, index.get()), payload);
        Ok(())
    }

    /// `packet` is an RTCP packet and room for trailer and tag.
    pub(super) fn seal_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<(), Unspecified> {
        let (authenticated, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Unspecified)?;
        let (body, trailer) =
            authenticated.split_last_chunk_mut::<TRAILER_LEN>().ok_or(Unspecified)?;
        let payload = body.get_mut(RTCP_CLEAR_LEN..).ok_or(Unspecified)?;
        *trailer = (E_FLAG | index).to_be_bytes();
        apply_keystream(&self.cipher, self.start(ssrc, index.into()), payload);
        write_tag(self.mac.clone().chain_update(authenticated), tag);
        Ok(())
    }

    /// `packet` is an encrypted RTCP packet with trailer and tag.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<(), Unspecified> {
        let (authenticated, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Unspecified)?;
        let mac = self.mac.clone().chain_update(&*authenticated);
        mac.verify_truncated_left(tag).map_err(|_| Unspecified)?;
        let (body, _) = authenticated.split_last_chunk_mut::<TRAILER_LEN>().ok_or(Unspecified)?;
        let payload = body.get_mut(RTCP_CLEAR_LEN..).ok_or(Unspecified)?;
        apply_keystream(&self.cipher, self.start(ssrc, index.into()), payload);
        Ok(())
    }

    /// The packet and its rollover counter, which is not sent (RFC 3711, 4.2).
    fn rtp_mac(&self, body: &[u8], index: RtpIndex) -> Hmac<Sha1> {
        self.mac.clone().chain_update(body).chain_update(index.roc().to_be_bytes())
    }

    /// A packet's first counter block (RFC 3711, 4.1.1).
    fn start(&self, ssrc: u32, index: u64) -> u128 {
        self.salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16)
    }
}

/// XORs `data` with AES of `start`, `start` + 1 and so on (RFC 3711, 4.1.1).
///
/// Written out because crate `ctr` takes two and a half times as long: blocks are made for a run
/// of the packet at once, so that the processor's AES units work on many side by side.
pub(super) fn apply_keystream(cipher: &Aes128Enc, start: u128, data: &mut [u8]) {
    let mut counter = start;
    for run in data.chunks_mut(RUN * BLOCK_LEN) {
        let mut blocks = [Block::default(); RUN];
        let keystream = blocks.get_mut(..run.len().div_ceil(BLOCK_LEN)).unwrap_or_default();
        for block in &mut *keystream {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(keystream);
        xor(run, keystream);
    }
}

fn xor(data: &mut [u8], keystream: &[Block]) {
    let (whole, rest) = data.as_chunks_mut::<BLOCK_LEN>();
    for (data, key) in whole.iter_mut().zip(keystream) {
        *data = (u128::from_ne_bytes(*data) ^ u128::from_ne_bytes((*key).into())).to_ne_bytes();
    }
    for (data, key) in rest.iter_mut().zip(keystream.last().into_iter().flatten()) {
        *data ^= key;
    }
}

fn write_tag(mac: Hmac<Sha1>, tag: &mut [u8; TAG_LEN]) {
    for (to, from) in tag.iter_mut().zip(mac.finalize().into_bytes()) {
        *to = from;
    }
}
