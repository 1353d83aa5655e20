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
pub(crate) const HEADER: usize = SALT + COMMITMENT;
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

/// Whether a message begins as one that was sealed with this key for this place: tells whose it is
/// from its first [`HEADER`] bytes. Its content may be damaged all the same.
pub(crate) fn begins(key: &SealKey, context: &[u8], sealed: &[u8]) -> bool {
    let Some((salt, rest)) = sealed.split_first_chunk::<SALT>() else { return false };
    let message = MessageKey::derive(key, salt, context);
    message.is_ok_and(|message| rest.starts_with(&message.commitment))
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

/// The longest record of a [`StreamSealer`]: as much as one cut of media can hold, with room.
const MAX_RECORD: usize = 16 * 1024 * 1024;
const LENGTH: usize = 4;

/// Seals a file that grows: `salt (24) || commitment (32)`, then records, each
/// `length of the plaintext (32 bits, big endian) || ciphertext || tag (16)` under AES-256-GCM.
/// Key, base nonce and commitment are as for a message; record `i` has the nonce of chunk `i`, and
/// `i` (64 bits, big endian) and its length as associated data. So records can be neither
/// swapped nor changed, and those before a torn or missing end can be read.
pub struct StreamSealer {
    message: MessageKey,
    next: u64,
}

impl StreamSealer {
    /// A new stream for the place named by `context`, with what the file begins with.
    pub fn start(key: &SealKey, context: &[u8]) -> Result<(Self, Vec<u8>), SealError> {
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| SealError::Crypto)?;
        let message = MessageKey::derive(key, &salt, context)?;
        let header = [salt.as_slice(), &message.commitment].concat();
        Ok((Self { message, next: 0 }, header))
    }

    /// Seals the next record and puts it behind what is in `out`. The plaintext is the part of
    /// `out` from `from` on, behind [`Self::ROOM`] bytes for the length.
    pub fn seal(&mut self, out: &mut Vec<u8>, from: usize) -> Result<(), SealError> {
        let start = from.saturating_add(LENGTH);
        let len = out.len().checked_sub(start).filter(|len| *len <= MAX_RECORD);
        let len = len.and_then(|len| u32::try_from(len).ok()).ok_or(SealError::TooLong)?;
        let aad = record_aad(self.next, len);
        let nonce = self.message.nonce(self.next);
        // A number is never used twice, whatever becomes of the record.
        self.next = self.next.saturating_add(1);
        let body = out.get_mut(start..).ok_or(SealError::Range)?;
        let tag = self
            .message
            .key
            .seal_in_place_separate_tag(nonce, aad, body)
            .map_err(|_| SealError::Crypto)?;
        out.get_mut(from..start).ok_or(SealError::Range)?.copy_from_slice(&len.to_be_bytes());
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Bytes left free in front of a record's plaintext, for its length.
    pub const ROOM: [u8; LENGTH] = [0; LENGTH];
}

/// The records of a stream up to the first that is torn, missing or forged; none where the stream
/// was made with another key or for another place.
pub fn open_stream(key: &SealKey, context: &[u8], sealed: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let Some((salt, rest)) = sealed.split_first_chunk::<SALT>() else { return records };
    let Some((commitment, mut rest)) = rest.split_first_chunk::<COMMITMENT>() else {
        return records;
    };
    let Ok(message) = MessageKey::derive(key, salt, context) else { return records };
    if &message.commitment != commitment {
        return records;
    }
    for index in 0u64.. {
        let Some((length, body)) = rest.split_first_chunk::<LENGTH>() else { break };
        let length = u32::from_be_bytes(*length);
        let Some(end) = usize::try_from(length).ok().and_then(|len| len.checked_add(TAG)) else {
            break;
        };
        let Some((record, behind)) = body.split_at_checked(end) else { break };
        let mut record = record.to_vec();
        let (nonce, aad) = (message.nonce(index), record_aad(index, length));
        let Ok(plain) = message.key.open_in_place(nonce, aad, &mut record) else { break };
        let len = plain.len();
        record.truncate(len);
        records.push(record);
        rest = behind;
    }
    records
}

fn record_aad(index: u64, len: u32) -> Aad<[u8; 12]> {
    let mut aad = [0; 12];
    let parts = index.to_be_bytes().into_iter().chain(len.to_be_bytes());
    aad.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    Aad::from(aad)
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

    fn stream(records: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut sealer, mut file) = StreamSealer::start(&key(3), b"tail").unwrap();
        let mut starts = vec![file.len()];
        for record in records {
            let from = file.len();
            file.extend(StreamSealer::ROOM);
            file.extend_from_slice(record);
            sealer.seal(&mut file, from).unwrap();
            starts.push(file.len());
        }
        (file, starts)
    }

    #[test]
    fn a_stream_opens_only_with_its_key_and_in_its_place() {
        let (file, _) = stream(&[message(10)]);
        assert_eq!(open_stream(&key(3), b"tail", &file), [message(10)]);
        assert!(open_stream(&key(4), b"tail", &file).is_empty());
        assert!(open_stream(&key(3), b"other", &file).is_empty());
    }

    #[test]
    fn records_cannot_be_swapped_repeated_or_left_out() {
        let records = [message(40), message(40), message(40)];
        let (file, at) = stream(&records);
        let part = |n: usize| file[at[n]..at[n + 1]].to_vec();
        let header = file[..at[0]].to_vec();
        for (order, good) in [(vec![1, 0, 2], 0), (vec![0, 0, 1], 1), (vec![0, 2], 1)] {
            let parts: Vec<_> = order.iter().map(|n| part(*n)).collect();
            let forged = [header.clone(), parts.concat()].concat();
            assert_eq!(open_stream(&key(3), b"tail", &forged), records[..good], "{order:?}");
        }
    }

    proptest! {
        #[test]
        fn a_torn_stream_gives_the_records_before(lens in prop::collection::vec(0usize..300, 1..6), cut in any::<prop::sample::Index>()) {
            let records: Vec<_> = lens.iter().map(|len| message(*len)).collect();
            let (mut file, at) = stream(&records);
            let cut = cut.index(file.len());
            let whole = at.iter().skip(1).filter(|end| **end <= cut).count();
            prop_assert_eq!(open_stream(&key(3), b"tail", &file[..cut]), &records[..whole]);
            // Torn by a power cut: the right length, other bytes.
            let flipped = at.iter().skip(1).filter(|end| **end <= cut).count();
            file[cut] ^= 1;
            let good = if cut < at[0] { 0 } else { flipped };
            prop_assert_eq!(open_stream(&key(3), b"tail", &file), &records[..good]);
        }

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
