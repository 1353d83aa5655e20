//! Visits and their events.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use vbranch_domain::{UnixMillis, VisitId};

use super::{Store, StoreError};
use crate::{
    auth::TokenHash,
    person::CustomerRef,
    visit::{Recorded, VisitEvent},
};

/// Something to be written, in order.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A visit begins to exist.
    Visit(NewVisit),
    /// Something happened in one.
    Event(VisitId, Recorded),
}

/// A visit's line.
#[derive(Debug, Clone)]
pub struct NewVisit {
    /// The visit.
    pub id: VisitId,
    /// Counts visits; the number spoken aloud is made of it.
    pub ordinal: i64,
    /// The number spoken aloud.
    pub number: String,
    /// SHA-256 of the link's token.
    pub token: TokenHash,
    /// `id@version`.
    pub journey: String,
    /// When the link was made.
    pub created: UnixMillis,
    /// Until when it can be used.
    pub expires: UnixMillis,
    /// Who the customer is to the bank, where it said so.
    pub customer: Option<CustomerRef>,
}

/// A visit as found in the database.
#[derive(Debug)]
pub struct StoredVisit {
    /// The visit.
    pub id: VisitId,
    /// SHA-256 of the link's token.
    pub token: TokenHash,
    /// `id@version`.
    pub journey: String,
    /// Who the customer is to the bank, where it said so.
    pub customer: Option<CustomerRef>,
    /// What happened in it.
    pub events: Vec<Recorded>,
}

/// How many ids one query asks for: SQLite takes at least 999 parameters.
const IDS_PER_QUERY: usize = 500;

impl Store {
    /// Writes everything or nothing. Writing the same entries again does nothing, so that a
    /// commit whose answer was lost can be repeated.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        for entry in entries {
            match entry {
                Entry::Visit(visit) => insert_visit(&mut tx, visit).await?,
                Entry::Event(visit, recorded) => insert_event(&mut tx, *visit, recorded).await?,
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Visits that are not closed. One that cannot be read is left out and logged: it must not
    /// keep the branch closed to everybody else.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_visits(&self) -> Result<Vec<StoredVisit>, StoreError> {
        let sql = "SELECT id, token_sha256, journey, customer_ref FROM visits \
                   WHERE closed = 0 ORDER BY ordinal";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        let mut visits = Vec::with_capacity(rows.len());
        for row in rows {
            match self.with_events(&row).await {
                Ok(visit) => visits.push(visit),
                Err(error) if error.is_unreadable() => {
                    let visit = row.try_get::<String, _>("id").unwrap_or_default();
                    tracing::error!(visit, %error, "a visit is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(visits)
    }

    /// The visit of a link.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub async fn visit_by_token(
        &self,
        token: &TokenHash,
    ) -> Result<Option<StoredVisit>, StoreError> {
        let sql = "SELECT id, token_sha256, journey, customer_ref FROM visits \
                   WHERE token_sha256 = $1";
        let row = sqlx::query(sql).bind(token.to_hex()).fetch_optional(&self.pool).await?;
        match row {
            Some(row) => Ok(Some(self.with_events(&row).await?)),
            None => Ok(None),
        }
    }

    /// A visit by its id.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub async fn visit(&self, id: VisitId) -> Result<Option<StoredVisit>, StoreError> {
        let sql = "SELECT id, token_sha256, journey, customer_ref FROM visits WHERE id = $1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&self.pool).await?;
        match row {
            Some(row) => Ok(Some(self.with_events(&row).await?)),
            None => Ok(None),
        }
    }

    /// The highest ordinal given so far.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_ordinal(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(ordinal), 0) AS last FROM visits")
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get("last")?)
    }

    /// The numbers of these visits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn numbers(&self, ids: &[VisitId]) -> Result<HashMap<VisitId, String>, StoreError> {
        let mut numbers = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(IDS_PER_QUERY) {
            let marks: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
            let sql = format!("SELECT id, number FROM visits WHERE id IN ({})", marks.join(", "));
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for id in ids {
                query = query.bind(id.to_string());
            }
            for row in query.fetch_all(&self.pool).await? {
                numbers.insert(id_of(&row)?, row.try_get("number")?);
            }
        }
        Ok(numbers)
    }

    async fn with_events(&self, row: &AnyRow) -> Result<StoredVisit, StoreError> {
        let id = id_of(row)?;
        let events = self.events_of(id).await?;
        let token: String = row.try_get("token_sha256")?;
        let token = TokenHash::from_hex(&token).ok_or(StoreError::Corrupt("token hash"))?;
        let customer: String = row.try_get("customer_ref")?;
        let named = !customer.is_empty();
        let parsed = CustomerRef::parse(customer);
        if named && parsed.is_none() {
            return Err(StoreError::Corrupt("customer reference"));
        }
        Ok(StoredVisit { id, token, journey: row.try_get("journey")?, customer: parsed, events })
    }

    /// What has happened in a visit, in order.
    ///
    /// # Errors
    /// When the database does not answer, or holds something unreadable.
    pub(super) async fn events_of(&self, visit: VisitId) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query("SELECT json FROM visit_events WHERE visit = $1 ORDER BY seq")
            .bind(visit.to_string())
            .fetch_all(&self.pool)
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let json: String = row.try_get("json")?;
            let event = serde_json::from_str(&json).map_err(|_| StoreError::Corrupt("event"))?;
            events.push(event);
        }
        Ok(events)
    }
}

type Tx<'a> = sqlx::Transaction<'a, sqlx::Any>;

async fn insert_visit(tx: &mut Tx<'_>, visit: &NewVisit) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO visits \
         (id, ordinal, number, token_sha256, journey, created, expires, customer_ref, closed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (id) DO NOTHING",
    )
    .bind(visit.id.to_string())
    .bind(visit.ordinal)
    .bind(visit.number.clone())
    .bind(visit.token.to_hex())
    .bind(visit.journey.clone())
    .bind(visit.created.0)
    .bind(visit.expires.0)
    .bind(visit.customer.as_ref().map_or("", CustomerRef::as_str).to_owned())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_event(
    tx: &mut Tx<'_>,
    visit: VisitId,
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let json = serde_json::to_string(recorded).map_err(|_| StoreError::Corrupt("event"))?;
    sqlx::query(
        "INSERT INTO visit_events (visit, seq, at, json) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (visit, seq) DO NOTHING",
    )
    .bind(visit.to_string())
    .bind(i64::try_from(recorded.seq).unwrap_or(i64::MAX))
    .bind(recorded.at.0)
    .bind(json)
    .execute(&mut **tx)
    .await?;
    if matches!(recorded.event, VisitEvent::Closed { .. }) {
        sqlx::query("UPDATE visits SET closed = $1 WHERE id = $2")
            .bind(recorded.at.0)
            .bind(visit.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(super) fn id_of(row: &AnyRow) -> Result<VisitId, StoreError> {
    let id: String = row.try_get("id")?;
    id.parse().map_err(|_| StoreError::Corrupt("visit id"))
}
