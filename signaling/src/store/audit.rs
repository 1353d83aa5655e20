//! Who did what: sign-ins, replays and what was read in them, films.

use sqlx::Row;
use utoipa::ToSchema;
use uuid::Uuid;
use vbranch_domain::{RecordingId, UnixMillis};

use super::{Store, StoreError};

/// Something to be noted.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMillis,
    /// Sign-in name of who did it.
    pub actor: String,
    /// `sign_in`, `sign_in_failed`, `sign_out`, `replay`, `replay_read`, `snapshot`, `film`,
    /// `film_approved`, `film_fetched`, `film_discarded`.
    pub action: &'static str,
    /// Which recording, where one is concerned.
    pub recording: Option<RecordingId>,
    /// The reason given.
    pub reason: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct AuditRow {
    /// When.
    pub at: UnixMillis,
    /// Sign-in name of who did it.
    pub actor: String,
    /// `sign_in`, `sign_in_failed`, `sign_out`, `replay`, `replay_read`, `snapshot`, `film`,
    /// `film_approved`, `film_fetched`, `film_discarded`.
    pub action: String,
    /// Which recording, where one is concerned.
    pub recording: Option<RecordingId>,
    /// The reason given.
    pub reason: Option<String>,
}

/// The page shows the newest; older ones stay in the database.
const SHOWN: i64 = 500;

impl Store {
    /// Notes it; durable when this returns.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.note_as(Uuid::now_v7(), entry).await
    }

    /// Notes it under an id, or says more of what is noted under that id already: its reason is
    /// replaced. Durable when this returns.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn note_as(&self, id: Uuid, entry: &AuditEntry) -> Result<(), StoreError> {
        let recording = entry.recording.map(|r| r.to_string()).unwrap_or_default();
        sqlx::query(
            "INSERT INTO audit_log (id, at, actor, action, recording, reason) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET reason = excluded.reason",
        )
        .bind(id.to_string())
        .bind(entry.at.0)
        .bind(entry.actor.clone())
        .bind(entry.action)
        .bind(recording)
        .bind(entry.reason.clone())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_log(&self) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, actor, action, recording, reason FROM audit_log \
             ORDER BY at DESC, id DESC LIMIT $1",
        )
        .bind(SHOWN)
        .fetch_all(&self.pool)
        .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let recording: String = row.try_get("recording")?;
            let reason: String = row.try_get("reason")?;
            entries.push(AuditRow {
                at: UnixMillis(row.try_get("at")?),
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                recording: recording.parse().ok(),
                reason: (!reason.is_empty()).then_some(reason),
            });
        }
        Ok(entries)
    }
}
