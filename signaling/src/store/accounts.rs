//! Accounts and sessions.

use std::fmt;

use serde::Serialize;
use sqlx::{Row, any::AnyRow};
use utoipa::ToSchema;
use vbranch_domain::{Redacted, UnixMillis, UserId};

use super::{Store, StoreError};
use crate::auth::TokenHash;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves customers.
    Staff,
    /// Serves customers and looks after staff.
    Supervisor,
    /// Replays recordings.
    Auditor,
    /// Keeps accounts and settings.
    Admin,
}

impl Role {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Staff, Self::Supervisor, Self::Auditor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

/// An account.
#[derive(Clone)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// Sign-in name.
    pub username: String,
    /// Argon2id, PHC string.
    pub password_hash: Redacted<String>,
    /// The person's name.
    pub display_name: String,
    /// Position.
    pub title: String,
    /// Staff number.
    pub staff_no: String,
    /// What it may do.
    pub role: Role,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, {:?})", self.id, self.role)
    }
}

/// A session as kept.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Whose.
    pub account: Account,
    /// When it began.
    pub created: UnixMillis,
    /// When it was last used, to the minute.
    pub last_seen: UnixMillis,
}

impl Store {
    /// The account of a sign-in name.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE username = $1")
            .bind(username.to_owned())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(account_of).transpose()
    }

    /// The account of an id.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(account_of).transpose()
    }

    /// Makes an account unless the sign-in name is taken.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn add_account(&self, account: &Account, now: UnixMillis) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO users \
             (id, username, password_hash, display_name, title, staff_no, role, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (username) DO NOTHING",
        )
        .bind(account.id.to_string())
        .bind(account.username.clone())
        .bind(account.password_hash.expose().clone())
        .bind(account.display_name.clone())
        .bind(account.title.clone())
        .bind(account.staff_no.clone())
        .bind(account.role.as_str())
        .bind(now.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes accounts and ends their sessions.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn remove_account(&self, username: &str) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE username = $1)",
        )
        .bind(username.to_owned())
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM users WHERE username = $1")
            .bind(username.to_owned())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Keeps a new session.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn add_session(
        &self,
        token: &TokenHash,
        user: UserId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (token_sha256, user_id, created, last_seen) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(token.to_hex())
        .bind(user.to_string())
        .bind(now.0)
        .bind(now.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The session of a token.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub async fn session(&self, token: &TokenHash) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(
            "SELECT u.*, s.created AS session_created, s.last_seen AS session_last_seen \
             FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_sha256 = $1",
        )
        .bind(token.to_hex())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SessionRow {
            account: account_of(&row)?,
            created: UnixMillis(row.try_get("session_created")?),
            last_seen: UnixMillis(row.try_get("session_last_seen")?),
        }))
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn touch_session(
        &self,
        token: &TokenHash,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET last_seen = $1 WHERE token_sha256 = $2")
            .bind(now.0)
            .bind(token.to_hex())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn remove_session(&self, token: &TokenHash) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1")
            .bind(token.to_hex())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets sessions begun before `created` or unused since `last_seen`.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn purge_sessions(
        &self,
        created: UnixMillis,
        last_seen: UnixMillis,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE created < $1 OR last_seen < $2")
            .bind(created.0)
            .bind(last_seen.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn account_of(row: &AnyRow) -> Result<Account, StoreError> {
    let id: String = row.try_get("id")?;
    let role: String = row.try_get("role")?;
    Ok(Account {
        id: id.parse().map_err(|_| StoreError::Corrupt("user id"))?,
        username: row.try_get("username")?,
        password_hash: Redacted::new(row.try_get("password_hash")?),
        display_name: row.try_get("display_name")?,
        title: row.try_get("title")?,
        staff_no: row.try_get("staff_no")?,
        role: Role::parse(&role).ok_or(StoreError::Corrupt("role"))?,
    })
}
