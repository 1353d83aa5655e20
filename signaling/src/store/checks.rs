//! How often a person has been checked: a limit that holds across visits, processes and restarts.

use std::collections::HashSet;

use ring::digest::{SHA256, digest};
use sqlx::Row;
use vbranch_domain::{UnixMillis, kyc::PersonRef};

use super::{Store, StoreError};

/// A check counts for so long.
const DAY_MS: i64 = 24 * 3_600_000;

impl Store {
    /// Counts a check of a person, unless that were more than `limit` within 24 hours; says
    /// whether it was counted. However many ask at one time, no more are counted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_check(
        &self,
        person: &PersonRef,
        limit: u32,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let person = hex::encode(digest(&SHA256, person.0.as_bytes()));
        let over = now.0.saturating_sub(DAY_MS);
        let taken =
            sqlx::query("SELECT slot FROM liveness_checks WHERE person_sha256 = $1 AND at > $2")
                .bind(person.clone())
                .bind(over)
                .fetch_all(&self.pool)
                .await?;
        let taken = taken.iter().map(|row| row.try_get::<i64, _>("slot"));
        let taken: HashSet<i64> = taken.collect::<Result<_, _>>()?;
        let limit = i64::from(limit);
        // A limit that was lowered counts what was taken under the higher one too.
        if i64::try_from(taken.len()).is_ok_and(|n| n >= limit) {
            return Ok(false);
        }
        for slot in (0..limit).filter(|slot| !taken.contains(slot)) {
            if self.take_slot(&person, slot, now, over).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a slot that is free or whose check is long over; somebody else may be faster.
    async fn take_slot(
        &self,
        person: &str,
        slot: i64,
        now: UnixMillis,
        over: i64,
    ) -> Result<bool, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO liveness_checks (person_sha256, slot, at) VALUES ($1, $2, $3) \
             ON CONFLICT (person_sha256, slot) DO UPDATE SET at = excluded.at \
             WHERE liveness_checks.at <= $4",
        )
        .bind(person.to_owned())
        .bind(slot)
        .bind(now.0)
        .bind(over)
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Forgets checks that count no longer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_checks(&self, now: UnixMillis) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM liveness_checks WHERE at <= $1")
            .bind(now.0.saturating_sub(DAY_MS))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("b.sqlite").display());
        (Store::open(&url).await.unwrap(), dir)
    }

    fn person(name: &str) -> PersonRef {
        PersonRef(name.to_owned())
    }

    #[tokio::test]
    async fn a_check_counts_for_a_day_whenever_the_day_began() {
        let (store, _dir) = store().await;
        let at = |hours: i64| UnixMillis(1_000_000_000 + hours * 3_600_000);
        let count =
            async |hours, limit| store.count_check(&person("a"), limit, at(hours)).await.unwrap();
        assert!(count(0, 2).await && count(10, 2).await);
        assert!(!count(23, 2).await, "the third in 24 hours");
        assert!(count(24, 2).await, "the first is over");
        assert!(!count(25, 2).await);
        assert!(store.count_check(&person("b"), 2, at(25)).await.unwrap(), "somebody else");
        assert!(!count(26, 1).await, "a lower limit counts what a higher one let through");
        store.forget_checks(at(40)).await.unwrap();
        assert!(!count(40, 1).await, "what still counts is not forgotten");
        store.forget_checks(at(60)).await.unwrap();
        assert!(count(60, 1).await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_asks_at_the_same_time_no_more_are_counted() {
        let (store, _dir) = store().await;
        let ask = || {
            let store = store.clone();
            tokio::spawn(async move {
                store.count_check(&person("a"), 10, UnixMillis(1_000_000_000)).await.unwrap()
            })
        };
        let asked: Vec<_> = (0..40).map(|_| ask()).collect();
        let mut counted = 0;
        for answer in asked {
            counted += u32::from(answer.await.unwrap());
        }
        assert_eq!(counted, 10);
    }
}
