//! Opaque random tokens: a customer's link, a session.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use vbranch_domain::Redacted;

/// 32 random bytes, shown once as base64url. Never kept: only its [`TokenHash`] is.
#[derive(Debug, Clone)]
pub struct Token(Redacted<[u8; 32]>);

/// SHA-256 of a token. Enough entropy went in that neither salt nor stretching is needed, and
/// looking one up tells an attacker nothing about its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl Token {
    /// A new one; `None` when the system has no randomness to give.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(Redacted::new(bytes)))
    }

    /// Reads one as a client shows it.
    #[must_use]
    pub fn parse(shown: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(shown).ok()?;
        Some(Self(Redacted::new(bytes.try_into().ok()?)))
    }

    /// As a client is to show it.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose())
    }

    /// What is kept.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.0.expose()).as_ref());
        TokenHash(bytes)
    }
}

impl TokenHash {
    /// As written to the database.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// As read from the database.
    #[must_use]
    pub fn from_hex(s: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(s, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_hides_itself() {
        let token = Token::random().expect("randomness");
        let shown = token.reveal();
        assert_eq!(shown.len(), 43);
        assert_eq!(Token::parse(&shown).expect("valid").hash(), token.hash());
        assert!(!format!("{token:?}").contains(&shown));
    }

    #[test]
    fn what_is_not_a_token_is_none() {
        for bad in ["", "short", &"A".repeat(44), &"A".repeat(42), &"!".repeat(43)] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
