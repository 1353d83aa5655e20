//! Copies of data keys for a second key holder: a notary, say, or another department. Their private
//! key is never on the server; with it and a bundle they open a recording without the bank's own
//! key-encryption key.
//!
//! HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM;
//! info = `vbranch/v1/escrow`, associated data = the recording's id.

use std::{path::Path, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, aead::AesGcm256,
    kdf::HkdfSha256, kem::X25519HkdfSha256,
};
use serde::{Deserialize, Serialize};
use vbranch_domain::RecordingId;
use zeroize::Zeroizing;

use super::{
    DataKey, KeyError, pem,
    secret_file::{create_secret, read_secret},
};
use crate::hash::Sha256;

const INFO: &[u8] = b"vbranch/v1/escrow";
/// An encapsulated key, then a data key and its tag.
const SEALED: usize = 32 + 32 + 16;

type Kem = X25519HkdfSha256;

/// A data key, sealed for a second holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowedKey {
    /// Whose key opens it: [`EscrowPublicKey::id`].
    pub holder: String,
    /// Encapsulated key (32 bytes), ciphertext (32), tag (16), in base64.
    pub sealed: String,
}

impl EscrowedKey {
    /// Whether it has the outward form.
    pub(super) fn is_well_formed(&self) -> bool {
        BASE64_STANDARD.decode(&self.sealed).is_ok_and(|bytes| bytes.len() == SEALED)
    }
}

/// What data keys are sealed with: a PEM `PUBLIC KEY` with an X25519 key (RFC 8410).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EscrowPublicKey([u8; 32]);

impl EscrowPublicKey {
    /// A name for it: `x25519-` and 16 hex digits of SHA-256 of the raw key.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::of(&self.0).to_string();
        hash.truncate(16);
        format!("x25519-{hash}")
    }

    /// The key as PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::write(pem::X25519, &self.0)
    }

    /// Seals a data key, bound to its recording.
    pub fn seal(&self, recording: RecordingId, key: &DataKey) -> Result<EscrowedKey, KeyError> {
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0);
        let public = public.map_err(|_| KeyError::Parse("X25519 public key"))?;
        let (encapped, sealed) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(
            &OpModeS::Base,
            &public,
            INFO,
            &key.0,
            recording.as_bytes(),
        )
        .map_err(|_| KeyError::Crypto)?;
        let sealed =
            BASE64_STANDARD.encode([encapped.to_bytes().as_slice(), sealed.as_slice()].concat());
        Ok(EscrowedKey { holder: self.id(), sealed })
    }
}

impl FromStr for EscrowPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        pem::read(pem::X25519, text).map(Self).ok_or(KeyError::Parse("PEM X25519 public key"))
    }
}

/// What the second holder opens data keys with; made and kept on a machine of theirs.
pub struct EscrowSecretKey(Zeroizing<[u8; 32]>);

impl EscrowSecretKey {
    /// Makes a new key in a file of mode 0600; one that is there is left alone.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        if path.try_exists().unwrap_or(true) {
            return Err(KeyError::Parse("path at which there is no file yet"));
        }
        create_secret(path)?;
        Self::open(path)
    }

    /// Reads the key's file.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        Ok(Self(read_secret(path)?))
    }

    /// The public half.
    pub fn public(&self) -> Result<EscrowPublicKey, KeyError> {
        let public = Kem::sk_to_pk(&self.key()?);
        let bytes: [u8; 32] =
            public.to_bytes().as_slice().try_into().map_err(|_| KeyError::Crypto)?;
        Ok(EscrowPublicKey(bytes))
    }

    /// Opens the copy of a data key.
    pub fn open_key(
        &self,
        recording: RecordingId,
        copy: &EscrowedKey,
    ) -> Result<DataKey, KeyError> {
        let sealed = BASE64_STANDARD.decode(&copy.sealed).map_err(|_| KeyError::Unwrap)?;
        let (encapped, sealed) = sealed.split_first_chunk::<32>().ok_or(KeyError::Unwrap)?;
        let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapped);
        let plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.key()?,
            &encapped.map_err(|_| KeyError::Unwrap)?,
            INFO,
            sealed,
            recording.as_bytes(),
        );
        let plain = Zeroizing::new(plain.map_err(|_| KeyError::Unwrap)?);
        Ok(DataKey(plain.as_slice().try_into().map_err(|_| KeyError::Unwrap)?))
    }

    fn key(&self) -> Result<<Kem as hpke::Kem>::PrivateKey, KeyError> {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&*self.0).map_err(|_| KeyError::Crypto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_holder_opens_their_copy_and_only_for_its_recording() {
        let dir = tempfile::tempdir().unwrap();
        let holder = EscrowSecretKey::create(&dir.path().join("holder.key")).unwrap();
        let stranger = EscrowSecretKey::create(&dir.path().join("stranger.key")).unwrap();
        assert!(EscrowSecretKey::create(&dir.path().join("holder.key")).is_err(), "not twice");
        let public: EscrowPublicKey = holder.public().unwrap().to_pem().parse().unwrap();
        let (recording, other) = (RecordingId::random(), RecordingId::random());
        let key = DataKey::random().unwrap();
        let copy = public.seal(recording, &key).unwrap();
        assert!(copy.is_well_formed());
        assert_eq!(copy.holder, holder.public().unwrap().id());
        assert_eq!(holder.open_key(recording, &copy).unwrap().0, key.0);
        assert!(holder.open_key(other, &copy).is_err(), "moved between recordings");
        assert!(stranger.open_key(recording, &copy).is_err());
    }
}
