//! The key that signs evidence, and what others check signatures with.

use std::{path::Path, str::FromStr};

use ring::signature::{self, Ed25519KeyPair, KeyPair as _};

use super::{KeyError, pem, secret_file::read_or_create_secret};

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
        pem::write(pem::ED25519, &self.0)
    }
}

impl FromStr for EvidencePublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        pem::read(pem::ED25519, text).map(Self).ok_or(KeyError::Parse("PEM Ed25519 public key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
