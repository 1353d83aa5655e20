//! The branch's own records of its calls, for reconciliation, and its daily run.

use std::time::Duration;

use tokio::task::spawn_blocking;
use vbranch_domain::{Clock, SystemClock};
use vbranch_recorder::{Day, ExpectedCall, Reconciliation, Recorder};
use vbranch_signaling::{StoreError, held_calls};

use crate::config::Config;

/// How often the clock is looked at. The run starts that much late at most.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The calls that ended on a day.
pub async fn calls_of(database: &str, day: Day) -> Result<Vec<ExpectedCall>, StoreError> {
    let calls = held_calls(database, day.begins(), day.ends()).await?;
    let expected = |call: vbranch_signaling::HeldCall| ExpectedCall {
        visit: call.visit,
        recording: call.recording,
        began: call.began,
        ended: call.ended,
    };
    Ok(calls.into_iter().map(expected).collect())
}

/// Reconciles each day once it is over, at the hour set, until the task is dropped. A server that
/// was down at that hour does it when it is up again that day.
pub async fn reconcile_daily(config: Config, recorder: Recorder, clock: SystemClock) {
    let hour_ms = i64::from(config.recorder.reconcile_hour) * 3_600_000;
    let mut done: Option<Day> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = clock.wall();
        let (today, day) = (Day::of(now), Day::of(now).before());
        if done == Some(day) || now.0 < today.begins().0.saturating_add(hour_ms) {
            continue;
        }
        match reconcile(&config, &recorder, day).await {
            Ok(found) => {
                publish(&found, clock);
                done = Some(day);
            }
            // The next look tries again.
            Err(error) => tracing::error!(%day, error, "recordings were not reconciled"),
        }
    }
}

async fn reconcile(
    config: &Config,
    recorder: &Recorder,
    day: Day,
) -> Result<Reconciliation, String> {
    let calls = calls_of(&config.data.database_url, day).await.map_err(|e| e.to_string())?;
    let (recorder, tolerance) = (recorder.clone(), config.recorder.reconcile_tolerance);
    spawn_blocking(move || recorder.reconcile(day, &calls, tolerance))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn publish(found: &Reconciliation, clock: SystemClock) {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    metrics::gauge!("vbranch_reconcile_calls").set(count(found.calls));
    metrics::gauge!("vbranch_reconcile_missing").set(count(found.missing.len()));
    metrics::gauge!("vbranch_reconcile_short").set(count(found.short.len()));
    // Seconds since 1970 fit into a double.
    let at = (clock.wall().0 / 1000) as f64;
    metrics::gauge!("vbranch_reconcile_last_run_timestamp_seconds").set(at);
    let (calls, missing, short) = (found.calls, found.missing.len(), found.short.len());
    tracing::info!(day = found.day, calls, missing, short, "recordings reconciled");
}
