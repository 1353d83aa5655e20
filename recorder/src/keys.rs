//! Keys: one data key per recording, wrapped by a key-encryption key, and the key that signs
//! evidence.
//!
//! ```text
//! key-encryption key --wraps--> data key --HKDF--> subkey per track --seals--> objects
//! ```
//! The data key never reaches a disk in clear. Destroying its wrapped form destroys the recording.

use std::{fmt, path::Path, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
    signature::{self, Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};
use vbranch_domain::{RecordingId, recording::TrackName};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{hash::Sha256, keyfile::read_or_create_secret, seal::SealKey};

pub use crate::keyfile::KeyFileError;

/// Why a key could not be made, wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file is missing, malformed or readable by others.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The wrapped key is not of this recording, or was changed, or another key wrapped it.
    #[error("the wrapped data key does not belong to this recording or key-encryption key")]
    Unwrap,
    /// The operating system gave no random bytes, or the primitive failed.
    #[error("cryptographic operation failed")]
    Crypto,
    /// Text that is not a key.
    #[error("not a {0}")]
    Parse(&'static str),
}

/// The secret all media of one recording are sealed under. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A new random key.
    pub fn random() -> Result<Self, KeyError> {
        let mut key = Self([0; 32]);
        SystemRandom::new().fill(&mut key.0).map_err(|_| KeyError::Crypto)?;
        Ok(key)
    }

    /// The key that seals one track's init sections and segments.
    pub fn track(&self, recording: RecordingId, track: TrackName) -> Result<SealKey, KeyError> {
        self.subkey(recording, &format!("track|{track}"))
    }

    /// The key that seals the tails of a track's open segments, on the local disk only.
    pub fn tail(&self, recording: RecordingId, track: TrackName) -> Result<SealKey, KeyError> {
        self.subkey(recording, &format!("tail|{track}"))
    }

    /// The key that seals stills, signatures and other artefacts.
    pub fn artifacts(&self, recording: RecordingId) -> Result<SealKey, KeyError> {
        self.subkey(recording, "artifacts")
    }

    /// The key that seals the reasons people gave for watching or exporting.
    pub fn access(&self, recording: RecordingId) -> Result<SealKey, KeyError> {
        self.subkey(recording, "access")
    }

    /// HKDF-SHA-256 (RFC 5869): salt = the recording's id, info = `vbranch/v1/` + purpose.
    fn subkey(&self, recording: RecordingId, purpose: &str) -> Result<SealKey, KeyError> {
        let info = format!("vbranch/v1/{purpose}");
        let mut key = SealKey([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, recording.as_bytes())
            .extract(&self.0)
            .expand(&[info.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key.0))
            .map_err(|_| KeyError::Crypto)?;
        Ok(key)
    }

    /// The key as hex, for an export whose receiver is to check the plaintext too.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
    }
}

impl FromStr for DataKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = Self([0; 32]);
        hex::decode_to_slice(text.trim(), &mut key.0)
            .map_err(|_| KeyError::Parse("data key (64 hex digits)"))?;
        Ok(key)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

/// A data key as it is stored: useless without the key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedKey {
    /// Whose data key this is. Part of what is authenticated, so it cannot be moved.
    pub recording: RecordingId,
    /// Which key-encryption key wrapped it.
    pub kek: String,
    /// Base64; what is inside is the key-encryption key's own affair.
    pub wrapped: String,
}

impl WrappedKey {
    /// The name the manifest knows it by: SHA-256 of the wrapped bytes' base64 text.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        Sha256::of(self.wrapped.as_bytes())
    }

    /// Whether it has the outward form of a wrapped key. Only the key-encryption key itself can
    /// tell whether it opens.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let is_long_enough =
            |bytes: Vec<u8>| !self.kek.starts_with(FILE_KEK) || bytes.len() == FILE_WRAPPED;
        BASE64_STANDARD.decode(&self.wrapped).is_ok_and(is_long_enough)
    }
}

/// How ids of key-encryption keys in files begin.
const FILE_KEK: &str = "file-";
/// Length of what such a key wraps: nonce, data key, tag.
const FILE_WRAPPED: usize = NONCE_LEN + 32 + 16;

/// Wraps data keys: a local file here, a KMS or HSM elsewhere.
pub trait KeyEncryptionKey: Send + Sync {
    /// A name that says which key this is and nothing about it.
    fn id(&self) -> &str;
    /// Wraps a data key, bound to the recording's id.
    fn wrap(&self, recording: RecordingId, key: &DataKey) -> Result<WrappedKey, KeyError>;
    /// Unwraps the data key of exactly this recording.
    fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<DataKey, KeyError>;
}

/// A key-encryption key in a local file: AES-256-GCM with a random nonce, associated data =
/// `vbranch/v1/wrap|` + the recording's id. Good for 2^32 recordings (NIST SP 800-38D, 8.3).
pub struct FileKek {
    id: String,
    key: LessSafeKey,
}

impl FileKek {
    /// Reads the file, or makes it on the first start.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let secret = read_or_create_secret(path)?;
        let key = UnboundKey::new(&AES_256_GCM, &*secret).map_err(|_| KeyError::Crypto)?;
        let name = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*secret), b"vbranch/v1/kek-id");
        let id = name.as_ref().get(..8).unwrap_or_default();
        Ok(Self { id: format!("{FILE_KEK}{}", hex::encode(id)), key: LessSafeKey::new(key) })
    }

    fn aad(recording: RecordingId) -> Aad<Vec<u8>> {
        Aad::from([b"vbranch/v1/wrap|", recording.as_bytes().as_slice()].concat())
    }
}

impl KeyEncryptionKey for FileKek {
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, recording: RecordingId, key: &DataKey) -> Result<WrappedKey, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeyError::Crypto)?;
        let mut sealed = key.0;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Self::aad(recording),
                &mut sealed,
            )
            .map_err(|_| {
                sealed.zeroize();
                KeyError::Crypto
            })?;
        let wrapped = [nonce.as_slice(), &sealed, tag.as_ref()].concat();
        Ok(WrappedKey { recording, kek: self.id.clone(), wrapped: BASE64_STANDARD.encode(wrapped) })
    }

    fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<DataKey, KeyError> {
        let bytes = BASE64_STANDARD.decode(&wrapped.wrapped).map_err(|_| KeyError::Unwrap)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Unwrap)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Self::aad(recording),
                sealed.as_mut_slice(),
            )
            .map_err(|_| KeyError::Unwrap)?;
        Ok(DataKey((&*plain).try_into().map_err(|_| KeyError::Unwrap)?))
    }
}

/// The key this branch signs manifests, checkpoints and exports with (Ed25519, RFC 8032).
pub struct EvidenceKey(Ed25519KeyPair);

impl EvidenceKey {
    /// Reads the file, or makes it on the first start.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let secret = read_or_create_secret(path)?;
        Ed25519KeyPair::from_seed_unchecked(&*secret).map(Self).map_err(|_| KeyError::Crypto)
    }

    /// Signs some bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        let signature = self.0.sign(message);
        out.iter_mut().zip(signature.as_ref()).for_each(|(to, from)| *to = *from);
        out
    }

    /// What others check signatures with.
    #[must_use]
    pub fn public(&self) -> EvidencePublicKey {
        let mut out = [0; 32];
        let public = self.0.public_key();
        out.iter_mut().zip(public.as_ref()).for_each(|(to, from)| *to = *from);
        EvidencePublicKey(out)
    }
}

/// The public half of [`EvidenceKey`]. As text: a PEM `PUBLIC KEY` (RFC 8410), so that
/// `openssl pkeyutl -verify -rawin` reads it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidencePublicKey([u8; 32]);

/// DER of a SubjectPublicKeyInfo for Ed25519, up to the key itself (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

impl EvidencePublicKey {
    /// The raw key (RFC 8032 section 5.1.5).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signature::UnparsedPublicKey::new(&signature::ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }

    /// The key as PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [SPKI_PREFIX.as_slice(), &self.0].concat();
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", BASE64_STANDARD.encode(der))
    }
}

impl FromStr for EvidencePublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parse = || {
            let body = text.trim().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?.trim();
            let der = BASE64_STANDARD.decode(body).ok()?;
            der.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(Self)
        };
        parse().ok_or(KeyError::Parse("PEM Ed25519 public key"))
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::ParticipantId;

    use super::*;

    fn kek(dir: &Path, name: &str) -> FileKek {
        FileKek::open(&dir.join(name)).unwrap()
    }

    #[test]
    fn a_wrapped_key_opens_for_its_own_recording_and_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let (kek, other_kek) = (kek(dir.path(), "a"), kek(dir.path(), "b"));
        let (mine, other) = (RecordingId::random(), RecordingId::random());
        let key = DataKey::random().unwrap();
        let wrapped = kek.wrap(mine, &key).unwrap();
        assert_eq!(kek.unwrap(mine, &wrapped).unwrap().0, key.0);
        assert!(kek.unwrap(other, &wrapped).is_err(), "moved between recordings");
        assert!(other_kek.unwrap(mine, &wrapped).is_err());
        assert!(!wrapped.wrapped.contains(&BASE64_STANDARD.encode(key.0)));
    }

    #[test]
    fn tracks_do_not_share_a_key() {
        let key = DataKey::random().unwrap();
        let recording = RecordingId::random();
        let a = key.track(recording, TrackName::camera(ParticipantId::random())).unwrap();
        let b = key.track(recording, TrackName::camera(ParticipantId::random())).unwrap();
        assert_ne!(a.0, b.0);
        assert_ne!(a.0, key.artifacts(recording).unwrap().0);
    }

    #[test]
    fn the_public_key_reads_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let key = EvidenceKey::open(&dir.path().join("sign")).unwrap();
        let public: EvidencePublicKey = key.public().to_pem().parse().unwrap();
        assert_eq!(public, key.public());
        assert!(public.verifies(b"m", &key.sign(b"m")));
        assert!(!public.verifies(b"n", &key.sign(b"m")));
        assert!("-----BEGIN PUBLIC KEY-----".parse::<EvidencePublicKey>().is_err());
    }

    #[test]
    fn keys_are_never_printed() {
        let key = DataKey::random().unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode(key.0)));
    }
}
