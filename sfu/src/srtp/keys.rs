//! From the DTLS exporter block to session keys (RFC 5764, 4.2; RFC 3711, 4.3; RFC 7714, 11).

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use zeroize::Zeroizing;

use super::cm::apply_keystream;
use super::{KEY_LEN, KeyingError, Profile};

/// The longest master salt of any profile; shorter ones are padded with zeros on the right.
pub(super) const MAX_SALT_LEN: usize = 14;

/// Key derivation labels of one packet type (RFC 3711, 4.3.1 and 4.3.2).
#[derive(Clone, Copy)]
pub(super) struct Labels {
    pub(super) encryption: u8,
    pub(super) authentication: u8,
    pub(super) salt: u8,
}

pub(super) const RTP: Labels = Labels { encryption: 0, authentication: 1, salt: 2 };
pub(super) const RTCP: Labels = Labels { encryption: 3, authentication: 4, salt: 5 };

/// The master key and salt of one direction; wiped when dropped.
pub(super) struct MasterKey {
    /// The key's round keys. They wipe themselves (feature `zeroize` of `aes`).
    cipher: Aes128Enc,
    /// The salt at the front of a counter block.
    salt: Zeroizing<[u8; 16]>,
}

impl MasterKey {
    /// `None` unless the key is 16 bytes and the salt at most 14.
    pub(super) fn new(key: &[u8], salt: &[u8]) -> Option<Self> {
        let mut block = Zeroizing::new([0; 16]);
        block.get_mut(..MAX_SALT_LEN)?.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(Self { cipher: Aes128Enc::new_from_slice(key).ok()?, salt: block })
    }

    /// The first `N` bytes derived for `label`, once for the whole association: DTLS-SRTP leaves
    /// the key derivation rate at zero.
    pub(super) fn derive<const N: usize>(&self, label: u8) -> Zeroizing<[u8; N]> {
        let start = Zeroizing::new(u128::from_be_bytes(*self.salt) ^ (u128::from(label) << 64));
        let mut out = Zeroizing::new([0; N]);
        apply_keystream(&self.cipher, *start, &mut *out);
        out
    }
}

/// Splits the exporter block into the client's and the server's master keys.
pub(super) fn split(
    profile: Profile,
    exported: &[u8],
) -> Result<(MasterKey, MasterKey), KeyingError> {
    let wrong = KeyingError::WrongLength { expected: profile.exported_len(), got: exported.len() };
    if exported.len() != profile.exported_len() {
        return Err(wrong);
    }
    let (keys, salts) = exported.split_at_checked(2 * KEY_LEN).ok_or(wrong)?;
    let (client_key, server_key) = keys.split_at_checked(KEY_LEN).ok_or(wrong)?;
    let (client_salt, server_salt) = salts.split_at_checked(profile.salt_len()).ok_or(wrong)?;
    MasterKey::new(client_key, client_salt)
        .zip(MasterKey::new(server_key, server_salt))
        .ok_or(KeyingError::Unusable)
}
