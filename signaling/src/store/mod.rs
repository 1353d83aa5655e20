//! The database: one SQL text for SQLite and PostgreSQL, migrations embedded.

mod accounts;
mod audit;
mod calls;
mod checks;
mod visits;

use std::{str::FromStr, time::Duration};

use sqlx::{
    AnyPool,
    any::{AnyConnectOptions, AnyPoolOptions},
};

pub use accounts::{Account, Role};
pub use audit::{AuditEntry, AuditRow};
pub use calls::{HeldCall, held_calls};
pub use visits::{Entry, NewVisit, StoredVisit};

/// The pool, and every query there is.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
}

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A migration.
    #[error(transparent)]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// What was read is not what was written.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
}

impl StoreError {
    /// Whether the database answers, with something that is not what was written.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::Corrupt(_)
                | Self::Database(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
        )
    }
}

/// SQLite has one writer at a time; PostgreSQL is kept modest, the branch asks little of it.
const CONNECTIONS: u32 = 8;
/// A request that waits longer for a connection fails; the queue of waiters must not grow.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

impl Store {
    /// Opens (and, for SQLite, makes) the database and brings its tables up to date.
    ///
    /// # Errors
    /// A wrong URL, a database that cannot be reached, a migration that fails.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let url = if sqlite && !url.contains("mode=") {
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}mode=rwc")
        } else {
            url.to_owned()
        };
        let options = AnyConnectOptions::from_str(&url)?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        // Readers do not wait for the writer; a commit survives a power cut.
                        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await?;
                        sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Opens a database that is there, to be read only: no table is made or changed.
    ///
    /// # Errors
    /// A wrong URL, a database that is not there or cannot be reached.
    async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let url = match url.strip_prefix("sqlite:") {
            Some(rest) => {
                let path = rest.split('?').next().unwrap_or_default();
                format!("sqlite:{path}?mode=ro")
            }
            None => url.to_owned(),
        };
        let options = AnyConnectOptions::from_str(&url)?;
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
