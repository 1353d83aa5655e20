//! Public keys as PEM `PUBLIC KEY` (RFC 8410), so that other tools read them too.

use base64::{Engine as _, prelude::BASE64_STANDARD};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// DER of a SubjectPublicKeyInfo up to the key itself (RFC 8410 section 4): its algorithm.
pub(super) type Algorithm = [u8; 12];
pub(super) const ED25519: Algorithm = algorithm(0x70);
pub(super) const X25519: Algorithm = algorithm(0x6e);

const fn algorithm(last: u8) -> Algorithm {
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, last, 0x03, 0x21, 0]
}

pub(super) fn write(algorithm: Algorithm, key: &[u8; 32]) -> String {
    let der = [algorithm.as_slice(), key].concat();
    format!("{BEGIN}\n{}\n{END}\n", BASE64_STANDARD.encode(der))
}

pub(super) fn read(algorithm: Algorithm, text: &str) -> Option<[u8; 32]> {
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?.trim();
    let der = BASE64_STANDARD.decode(body).ok()?;
    der.strip_prefix(&algorithm)?.try_into().ok()
}
