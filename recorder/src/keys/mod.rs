//! Keys: one data key per recording, wrapped by a key-encryption key, and the key that signs
//! evidence.
//!
//! ```text
//! key-encryption key --wraps--> data key --HKDF--> subkey per track --seals--> objects
//! ```
//! The data key never reaches a disk in clear. Destroying its wrapped forms destroys the recording.
//! A second key holder, whose private key is never here, may have a copy of their own ([`EscrowPublicKey`]).

mod escrow;
mod evidence;
mod file;
mod pem;
mod secret_file;

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};
use vbranch_domain::{RecordingId, recording::TrackName};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{hash::Sha256, seal::SealKey};

use self::file::{FILE_KEK, FILE_WRAPPED};
pub(crate) use self::secret_file::read_or_create_secret;
pub use self::{
    escrow::{EscrowPublicKey, EscrowSecretKey, EscrowedKey},
    evidence::{EvidenceKey, EvidencePublicKey},
    file::{FileKeys, Turn},
    secret_file::KeyFileError,
};

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

    /// The name the manifest knows it by, whatever wraps it. Says nothing about the key.
    pub fn id(&self, recording: RecordingId) -> Result<Sha256, KeyError> {
        Ok(Sha256(self.subkey(recording, "key-id")?.0))
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
    /// Which data key is inside: [`DataKey::id`].
    pub id: Sha256,
    /// Whose data key this is. Part of what is authenticated, so it cannot be moved.
    pub recording: RecordingId,
    /// Which key-encryption key wrapped it.
    pub kek: String,
    /// Base64; what is inside is the key-encryption key's own affair.
    pub wrapped: String,
    /// Copies for second key holders.
    pub escrow: Vec<EscrowedKey>,
}

impl WrappedKey {
    /// Whether it has the outward form of a wrapped key. Only the key-encryption key itself can
    /// tell whether it opens.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let is_long_enough =
            |bytes: Vec<u8>| !self.kek.starts_with(FILE_KEK) || bytes.len() == FILE_WRAPPED;
        BASE64_STANDARD.decode(&self.wrapped).is_ok_and(is_long_enough)
            && self.escrow.iter().all(EscrowedKey::is_well_formed)
    }
}

/// Holds the key-encryption key and never gives it away: a local file here, a KMS or HSM elsewhere.
///
/// While a new key takes over from an old one, keys wrapped by either open.
pub trait KeyHolder: Send + Sync {
    /// A name that says which key wraps now, and nothing about it.
    fn current(&self) -> Result<String, KeyError>;
    /// Wraps a data key under the current key, bound to the recording's id.
    fn wrap(&self, recording: RecordingId, key: &DataKey) -> Result<WrappedKey, KeyError>;
    /// Unwraps the data key of exactly this recording.
    fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<DataKey, KeyError>;
}

/// Wraps a new data key, and seals it for the second key holder if there is one.
pub(crate) fn wrap_for_all(
    holder: &dyn KeyHolder,
    escrow: Option<&EscrowPublicKey>,
    recording: RecordingId,
    key: &DataKey,
) -> Result<WrappedKey, KeyError> {
    let mut wrapped = holder.wrap(recording, key)?;
    if let Some(escrow) = escrow {
        wrapped.escrow.push(escrow.seal(recording, key)?);
    }
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use vbranch_domain::ParticipantId;

    use super::*;

    #[test]
    fn tracks_do_not_share_a_key() {
        let key = DataKey::random().unwrap();
        let recording = RecordingId::random();
        let a = key.track(recording, TrackName::camera(ParticipantId::random())).unwrap();
        let b = key.track(recording, TrackName::camera(ParticipantId::random())).unwrap();
        assert_ne!(a.0, b.0);
        assert_ne!(a.0, key.artifacts(recording).unwrap().0);
        assert_ne!(a.0, key.id(recording).unwrap().0);
    }

    #[test]
    fn keys_are_never_printed() {
        let key = DataKey::random().unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode(key.0)));
    }
}
