//! Sessions. The database keeps them; this process's cache is what counts for those in use, so
//! that a lost database does not sign anyone out, and ending one is felt at once everywhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use vbranch_domain::{Clock, UnixMillis, UserId};

use super::{Token, TokenHash};
use crate::store::{Account, Store, StoreError};

/// Sessions in use.
pub struct Sessions {
    store: Store,
    clock: Arc<dyn Clock>,
    idle: Duration,
    absolute: Duration,
    cache: Mutex<HashMap<TokenHash, Cached>>,
}

struct Cached {
    session: Session,
    last_seen: UnixMillis,
    /// What the database knows of `last_seen`.
    written: UnixMillis,
    /// Dropped to tell open sockets that it is over.
    alive: watch::Sender<()>,
}

/// A valid session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Names it; never leaves the server.
    pub token: TokenHash,
    /// Whose it is.
    pub account: Account,
    /// When it began.
    pub created: UnixMillis,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Unknown, expired or ended.
    #[error("no such session")]
    Invalid,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no randomness to give.
    #[error("no randomness")]
    NoRandomness,
}

/// How stale the database's idea of the last use may be.
const WRITE_EVERY_MS: i64 = 60_000;
/// Above this, sessions that are over are looked for and dropped before another one is added.
const CACHE_SWEEP: usize = 10_000;

impl Sessions {
    /// No session is in use yet.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, idle: Duration, absolute: Duration) -> Self {
        Self { store, clock, idle, absolute, cache: Mutex::new(HashMap::new()) }
    }

    /// Forgets sessions that are over.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn purge(&self) -> Result<(), StoreError> {
        let now = self.clock.wall().0;
        let before = |d: Duration| UnixMillis(now.saturating_sub(millis(d)));
        self.store.purge_sessions(before(self.absolute), before(self.idle)).await
    }

    /// Begins a session.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn begin(&self, account: Account) -> Result<Token, SessionError> {
        let token = Token::random().ok_or(SessionError::NoRandomness)?;
        let now = self.clock.wall();
        let session = Session { token: token.hash(), account, created: now };
        if let Err(error) = self.purge().await {
            tracing::warn!(%error, "sessions that are over were not removed");
        }
        self.store.add_session(&session.token, session.account.id, now).await?;
        self.remember(session, now);
        Ok(token)
    }

    /// The session of a token, which counts as a use of it.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] where there is none any more.
    pub async fn authenticate(&self, token: &TokenHash) -> Result<Session, SessionError> {
        let now = self.clock.wall();
        let cached = self.use_cached(token, now)?;
        let session = match cached {
            Some(session) => session,
            None => self.load(token, now).await?,
        };
        self.write_last_use(token, now).await;
        Ok(session)
    }

    /// Resolves when the session ends before its time. Expiry is noticed by asking again.
    #[must_use]
    pub fn ended(&self, token: &TokenHash) -> Option<watch::Receiver<()>> {
        self.lock().get(token).map(|c| c.alive.subscribe())
    }

    /// Ends a session: sockets close, the next request is refused.
    ///
    /// # Errors
    /// When the database does not take it; this process refuses it all the same.
    pub async fn end(&self, token: &TokenHash) -> Result<(), StoreError> {
        self.lock().remove(token);
        let removed = self.store.remove_session(token).await;
        // A request under way may have read it back from the database in between.
        self.lock().remove(token);
        removed
    }

    /// Whether this person is signed in anywhere, as far as this process has seen.
    #[must_use]
    pub fn signed_in(&self, user: UserId) -> bool {
        let now = self.clock.wall();
        let cache = self.lock();
        let mut theirs = cache.values().filter(|c| c.session.account.id == user);
        theirs.any(|c| self.valid(c.session.created, c.last_seen, now))
    }

    fn use_cached(
        &self,
        token: &TokenHash,
        now: UnixMillis,
    ) -> Result<Option<Session>, SessionError> {
        let mut cache = self.lock();
        let Some(cached) = cache.get_mut(token) else { return Ok(None) };
        if !self.valid(cached.session.created, cached.last_seen, now) {
            cache.remove(token);
            return Err(SessionError::Invalid);
        }
        cached.last_seen = now;
        Ok(Some(cached.session.clone()))
    }

    async fn load(&self, token: &TokenHash, now: UnixMillis) -> Result<Session, SessionError> {
        let row = self.store.session(token).await?.ok_or(SessionError::Invalid)?;
        if !self.valid(row.created, row.last_seen, now) {
            return Err(SessionError::Invalid);
        }
        let session = Session { token: *token, account: row.account, created: row.created };
        self.remember(session.clone(), row.last_seen);
        Ok(session)
    }

    fn remember(&self, session: Session, written: UnixMillis) {
        let now = self.clock.wall();
        let mut cache = self.lock();
        if cache.len() >= CACHE_SWEEP {
            cache.retain(|_, c| self.valid(c.session.created, c.last_seen, now));
        }
        let (alive, _) = watch::channel(());
        let token = session.token;
        cache.entry(token).or_insert(Cached { session, last_seen: now, written, alive });
    }

    /// Losing the database costs nothing here but a session that looks idle after a restart.
    async fn write_last_use(&self, token: &TokenHash, now: UnixMillis) {
        let due = {
            let mut cache = self.lock();
            let cached = cache.get_mut(token);
            cached.is_some_and(|c| {
                let due = now.0.saturating_sub(c.written.0) >= WRITE_EVERY_MS;
                if due {
                    c.written = now;
                }
                due
            })
        };
        if due && let Err(error) = self.store.touch_session(token, now).await {
            tracing::warn!(%error, "the last use of a session was not written");
        }
    }

    fn valid(&self, created: UnixMillis, last_seen: UnixMillis, now: UnixMillis) -> bool {
        now.0.saturating_sub(created.0) < millis(self.absolute)
            && now.0.saturating_sub(last_seen.0) < millis(self.idle)
    }

    /// Nothing here panics while holding it; if something did, the map is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenHash, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
