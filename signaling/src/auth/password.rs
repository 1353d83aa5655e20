//! Passwords: Argon2id with the parameters of RFC 9106's second recommendation scaled down as
//! OWASP advises (19 MiB, 2 passes), on threads of its own.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use vbranch_domain::Redacted;

/// Checks and hashes passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Each check takes a core for some 30 ms and 19 MiB: more at a time would starve calls and
    /// memory; fewer would make people queue to sign in.
    at_once: Arc<Semaphore>,
    /// Checked when there is no such account, so that both take the same time.
    decoy: Arc<str>,
}

const AT_ONCE: usize = 2;

/// Hashing failed: no randomness, no memory, or the program is stopping.
#[derive(Debug, thiserror::Error)]
#[error("password hashing is not available")]
pub struct PasswordError;

impl Passwords {
    /// Makes the decoy.
    ///
    /// # Errors
    /// When hashing does not work at all.
    pub fn new() -> Result<Self, PasswordError> {
        let decoy = hash_now("no account has this password")?;
        Ok(Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), decoy: decoy.into() })
    }

    /// Whether `password` is the one `hash` was made of. `None`: there is no account; takes as
    /// long, and is false.
    pub async fn verify(
        &self,
        password: Redacted<String>,
        hash: Option<&Redacted<String>>,
    ) -> bool {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| self.decoy.to_string(), |h| h.expose().clone());
        let Ok(_permit) = self.at_once.acquire().await else { return false };
        let matches = tokio::task::spawn_blocking(move || {
            let Ok(parsed) = PasswordHash::new(&hash) else { return false };
            Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok()
        });
        matches.await.unwrap_or(false) && known
    }

    /// Hashes a new password into a PHC string.
    ///
    /// # Errors
    /// When hashing does not work.
    pub async fn hash(
        &self,
        password: Redacted<String>,
    ) -> Result<Redacted<String>, PasswordError> {
        let _permit = self.at_once.acquire().await.map_err(|_| PasswordError)?;
        let hashed = tokio::task::spawn_blocking(move || hash_now(password.expose()));
        hashed.await.map_err(|_| PasswordError)?.map(Redacted::new)
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| PasswordError)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_passes_and_nothing_else_does() {
        let passwords = Passwords::new().expect("hashing");
        let right = || Redacted::new("correct horse".to_owned());
        let hash = passwords.hash(right()).await.expect("hashing");
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(right(), Some(&hash)).await);
        assert!(!passwords.verify(Redacted::new("wrong".to_owned()), Some(&hash)).await);
        assert!(!passwords.verify(right(), None).await);
        let garbage = Redacted::new("not a hash".to_owned());
        assert!(!passwords.verify(right(), Some(&garbage)).await);
    }
}
