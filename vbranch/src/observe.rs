//! Logs, metrics and health for the people who operate the server.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use vbranch_recorder::Recorder;
use vbranch_signaling::Signaling;

use crate::config;

/// How often histograms are folded; longer costs memory, shorter CPU.
const UPKEEP: Duration = Duration::from_secs(5);

/// Sets up structured logs on standard error.
pub fn start_logs(log: &config::Log) -> anyhow::Result<()> {
    let filter: EnvFilter = log.level.parse().context("log level")?;
    // The WebRTC stack reports every oddity of the network; its warnings are our debug.
    let quiet = ["rtc=error", "rtc_dtls=error", "rtc_ice=error", "rtc_srtp=error", "tract=warn"];
    let filter = quiet
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = if log.json {
        subscriber.json().flatten_event(true).try_init()
    } else {
        subscriber.with_ansi(false).try_init()
    };
    installed.map_err(|e| anyhow::anyhow!("cannot start logging: {e}"))
}

/// Installs the metrics recorder; every crate then reports through the `metrics` facade.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("cannot start metrics")?;
    metrics::gauge!("vbranch_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(UPKEEP);
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// What `/readyz` asks.
#[derive(Clone)]
pub struct Probes {
    /// The branch: is the database there?
    pub signaling: Arc<Signaling>,
    /// The recorder: does at least one store take writes?
    pub recorder: Recorder,
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router(probes: Probes, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || ready(probes)))
        .route(
            "/metrics",
            get(move || async move {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
            }),
        )
}

async fn ready(probes: Probes) -> Response {
    let database = probes.signaling.ready().await.is_ok();
    let health = probes.recorder.health();
    let ready = database && health.is_ready();
    let [a, b] = health.stores.map(|store| store.trouble);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |ok: bool| if ok { "ok" } else { "failing" };
    let body = json!({
        "ready": ready,
        "database": word(database),
        "store_a": word(a.is_none()),
        "store_a_trouble": a,
        "store_b": word(b.is_none()),
        "store_b_trouble": b,
    });
    (status, Json(body)).into_response()
}
