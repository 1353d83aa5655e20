//! Sealing: C2SP chunked encryption, instantiation Cobblestone-256
//! (<https://c2sp.org/chunked-encryption>), over `ring`.
//!
//! A sealed message is `salt (24) || commitment (32) || chunks`. Each chunk is 16 KiB of plaintext
//! under AES-256-GCM, the last one shorter (possibly empty), so a cut anywhere shows. Key, base
//! nonce and commitment come from the sealing key, the salt and the context: a message opens only
//! under the key *and* in the place it was sealed for.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const SALT: usize = 24;
const COMMITMENT: usize = 32;
const HEADER: usize = SALT + COMMITMENT;
const CHUNK: usize = 16 * 1024;
const TAG: usize = 16;
const SEALED_CHUNK: usize = CHUNK + TAG;
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00";

/// The longest plaintext sealed here. A segment is 2 s of media (25 MB at 100 Mbit/s); opening
/// one takes this much memory, so a hostile file may not claim more.
pub const MAX_PLAINTEXT: usize = 64 * 1024 * 1024;

/// Why a message could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key, another place, or a changed header.
    #[error("sealed with another key or for another place")]
    Commitment,
    /// The message ends early.
    #[error("sealed message is cut short")]
    Truncated,
    /// A chunk does not authenticate.
    #[error("chunk {0} of the sealed message was changed")]
    Chunk(u64),
    /// More than [`MAX_PLAINTEXT`].
    #[error("message is longer than allowed")]
    TooLong,
    /// The range asked for is outside the message.
    #[error("range is outside the message")]
    Range,
    /// The operating system gave no random bytes, or AES failed.
    #[error("cryptographic operation failed")]
    Crypto,
}

/// A 256-bit sealing key. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey(pub(crate) [u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

/// Length of the sealed form of `plaintext` bytes.
#[must_use]
pub const fn sealed_len(plaintext: u64) -> u64 {
    HEADER as u64 + plaintext + (plaintext / CHUNK as u64 + 1) * TAG as u64
}

/// Seals `plaintext` for the place named by `context`, under a fresh random salt.
pub fn seal(key: &SealKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    if plaintext.len() > MAX_PLAINTEXT {
        return Err(SealError::TooLong);
    }
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_| SealError::Crypto)?;
    let message = MessageKey::derive(key, &salt, context)?;
    let mut out =
        Vec::with_capacity(plaintext.len() + HEADER + (plaintext.len() / CHUNK + 1) * TAG);
    out.extend_from_slice(&salt);
    out.extend_from_slice(&message.commitment);
    let (full, rest) = plaintext.as_chunks::<CHUNK>();
    let chunks = full.iter().map(<[u8; CHUNK]>::as_slice).chain([rest]);
    for (index, chunk) in (0u64..).zip(chunks) {
        let mut sealed = chunk.to_vec();
        message
            .key
            .seal_in_place_append_tag(message.nonce(index), Aad::empty(), &mut sealed)
            .map_err(|_| SealError::Crypto)?;
        out.append(&mut sealed);
    }
    Ok(out)
}

/// Opens a whole message.
pub fn open(key: &SealKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let message = Message::new(key, context, sealed)?;
    message.read(0, message.len())
}

/// A message whose key, place and length have been checked; ranges of it can be opened.
pub struct Message<'a> {
    key: MessageKey,
    body: &'a [u8],
    len: usize,
}

impl<'a> Message<'a> {
    /// Checks the commitment and, by opening the last chunk, the length.
    pub fn new(key: &SealKey, context: &[u8], sealed: &'a [u8]) -> Result<Self, SealError> {
        let (salt, rest) = sealed.split_first_chunk::<SALT>().ok_or(SealError::Truncated)?;
        let (commitment, body) =
            rest.split_first_chunk::<COMMITMENT>().ok_or(SealError::Truncated)?;
        let key = MessageKey::derive(key, salt, context)?;
        // The commitment is no secret; equality need not take constant time.
        if &key.commitment != commitment {
            return Err(SealError::Commitment);
        }
        let chunks = body.len() / SEALED_CHUNK + 1;
        if body.len() % SEALED_CHUNK < TAG {
            return Err(SealError::Truncated);
        }
        let len = body.len() - chunks * TAG;
        if len > MAX_PLAINTEXT {
            return Err(SealError::TooLong);
        }
        let message = Self { key, body, len };
        message.chunk((chunks - 1) as u64)?;
        Ok(message)
    }

    /// Length of the plaintext.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the plaintext is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Opens `len` bytes from `offset`; only the chunks they lie in are decrypted.
    pub fn read(&self, offset: usize, len: usize) -> Result<Vec<u8>, SealError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len).ok_or(SealError::Range)?;
        let mut out = Vec::with_capacity(len);
        let mut at = offset;
        while at < end {
            let chunk = self.chunk((at / CHUNK) as u64)?;
            let from = at % CHUNK;
            let piece =
                chunk.get(from..chunk.len().min(from + end - at)).ok_or(SealError::Range)?;
            if piece.is_empty() {
                return Err(SealError::Range);
            }
            out.extend_from_slice(piece);
            at += piece.len();
        }
        Ok(out)
    }

    fn chunk(&self, index: u64) -> Result<Vec<u8>, SealError> {
        let bad = SealError::Chunk(index);
        let from = usize::try_from(index).map_err(|_| bad)?.checked_mul(SEALED_CHUNK).ok_or(bad)?;
        let to = self.body.len().min(from.saturating_add(SEALED_CHUNK));
        let mut chunk = self.body.get(from..to).ok_or(bad)?.to_vec();
        let len = self
            .key
            .key
            .open_in_place(self.key.nonce(index), Aad::empty(), &mut chunk)
            .map_err(|_| bad)?
            .len();
        chunk.truncate(len);
        Ok(chunk)
    }
}

/// What one message is sealed with.
struct MessageKey {
    key: LessSafeKey,
    base_nonce: [u8; 12],
    commitment: [u8; COMMITMENT],
}

impl MessageKey {
    /// `key || base nonce || commitment = HKDF-Expand-SHA-512(sealing key, INFO || salt || context)`
    /// (RFC 5869 section 2.3), of which 76 bytes are two blocks.
    fn derive(key: &SealKey, salt: &[u8; SALT], context: &[u8]) -> Result<Self, SealError> {
        let prk = hmac::Key::new(hmac::HMAC_SHA512, &key.0);
        let mut okm = Zeroizing::new(Vec::with_capacity(128));
        for counter in [1u8, 2] {
            let mut mac = hmac::Context::with_key(&prk);
            mac.update(&okm);
            for part in [INFO, salt, context, &[counter]] {
                mac.update(part);
            }
            okm.extend_from_slice(mac.sign().as_ref());
        }
        let (aead, rest) = okm.split_first_chunk::<32>().ok_or(SealError::Crypto)?;
        let (base_nonce, rest) = rest.split_first_chunk::<12>().ok_or(SealError::Crypto)?;
        let commitment = rest.first_chunk::<COMMITMENT>().ok_or(SealError::Crypto)?;
        let aead = UnboundKey::new(&AES_256_GCM, aead).map_err(|_| SealError::Crypto)?;
        Ok(Self { key: LessSafeKey::new(aead), base_nonce: *base_nonce, commitment: *commitment })
    }

    /// The base nonce with the chunk's index XORed into its last five bytes, big endian.
    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        let counter = index.to_be_bytes();
        nonce.iter_mut().rev().zip(counter.iter().rev().take(5)).for_each(|(n, c)| *n ^= c);
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZES: [usize; 8] =
        [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 16, 5 * CHUNK + 77];

    fn key(fill: u8) -> SealKey {
        SealKey([fill; 32])
    }

    fn message(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn another_implementation_opens_what_we_seal_and_we_open_what_it_seals() {
        let theirs = cobblestone::Key256::from_bytes(&[7; 32]);
        for len in SIZES {
            let plain = message(len);
            let sealed = seal(&key(7), b"place", &plain).unwrap();
            assert_eq!(sealed.len() as u64, sealed_len(len as u64));
            assert_eq!(cobblestone::decrypt(&theirs, b"place", &sealed).unwrap(), plain);
            let sealed = cobblestone::encrypt(&theirs, b"place", &plain).unwrap();
            assert_eq!(open(&key(7), b"place", &sealed).unwrap(), plain);
        }
    }

    #[test]
    fn a_message_opens_only_with_its_key_and_in_its_place() {
        let sealed = seal(&key(1), b"here", b"secret").unwrap();
        assert_eq!(open(&key(2), b"here", &sealed), Err(SealError::Commitment));
        assert_eq!(open(&key(1), b"there", &sealed), Err(SealError::Commitment));
    }

    #[test]
    fn every_cut_and_extension_shows() {
        for len in SIZES {
            let mut sealed = seal(&key(1), b"", &message(len)).unwrap();
            for cut in [0, 10, HEADER - 1, HEADER, sealed.len() - SEALED_CHUNK.min(sealed.len())]
                .into_iter()
                .chain(sealed.len().saturating_sub(40)..sealed.len())
            {
                assert!(open(&key(1), b"", &sealed[..cut]).is_err(), "{len} cut at {cut}");
            }
            sealed.push(0);
            assert!(open(&key(1), b"", &sealed).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_changed_bit_shows(len in 0usize..40_000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut sealed = seal(&key(9), b"c", &message(len)).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(open(&key(9), b"c", &sealed).is_err());
        }

        #[test]
        fn a_range_is_what_the_whole_has_there(len in 0usize..60_000, a in 0usize..60_000, b in 0usize..60_000) {
            let plain = message(len);
            let sealed = seal(&key(9), b"c", &plain).unwrap();
            let opened = Message::new(&key(9), b"c", &sealed).unwrap();
            let expected = plain.get(a..a + b).map(<[u8]>::to_vec).ok_or(SealError::Range);
            prop_assert_eq!(opened.read(a, b), expected);
        }
    }
}
