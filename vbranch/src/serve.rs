//! Starting every part, wiring them together, and stopping them in order.

use std::{
    future::IntoFuture, io::Write, net::SocketAddr, os::unix::fs::DirBuilderExt, sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::AbortHandle,
};
use vbranch_domain::SystemClock;
use vbranch_kyc::{KycConfig, KycEngine, LivenessPolicy};
use vbranch_recorder::Recorder;
use vbranch_sfu::{Sfu, SfuConfig};
use vbranch_signaling::{DEMO_ACCOUNTS, Parts, Signaling, SignalingConfig};

use crate::{
    adapters::{
        EVENTS, Events, KycAdapter, MediaAdapter, RecorderAdapter, VaultAdapter, reconcile_daily,
    },
    config::Config,
    observe::{self, Probes},
    web,
};

/// How long open connections may finish after the branch has shut down.
const DRAIN: Duration = Duration::from_secs(5);

/// Pages that a demo account can sign in to today.
const PAGES: [&str; 3] = ["/staff", "/supervisor", "/audit"];

/// Everything that runs.
struct Running {
    signaling: Arc<Signaling>,
    recorder: Recorder,
    sfu: Sfu,
    reconciling: AbortHandle,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// When a part cannot start; the message names the part and what to do about it.
pub async fn serve(config: Config, demo: bool) -> anyhow::Result<()> {
    observe::start_logs(&config.log)?;
    let metrics = observe::start_metrics()?;
    // The port first: a second server must not touch the first one's data.
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.http.listen))?;
    let address = listener.local_addr()?;
    let (running, probes) = start(&config, demo).await?;
    let app = web::with_client(running.signaling.router().merge(observe::router(probes, metrics)));
    announce(address, &config, demo)?;
    tracing::info!(%address, "ready");
    let outcome = run(listener, app, &running).await;
    stop(running).await;
    outcome
}

async fn start(config: &Config, demo: bool) -> anyhow::Result<(Running, Probes)> {
    let clock = SystemClock::start();
    // The database holds staff names and password hashes: for the server's user only.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data.dir)
        .with_context(|| format!("cannot make the data folder {}", config.data.dir.display()))?;
    let (sender, port_events) = mpsc::channel(EVENTS);
    let events = Events::new(sender);

    let recorder = start_recorder(config, clock, events.clone()).await.context("recorder")?;
    let sfu = Sfu::start(&sfu_config(config), clock, MediaAdapter::event_sink(events.clone()))
        .context("media plane")?;
    let kyc = start_kyc(config, clock)?;
    let vault =
        VaultAdapter::start(&config.kyc, &config.recorder.keys_dir, clock).context("face vault")?;

    let recorder_port =
        Arc::new(RecorderAdapter::new(recorder.clone(), sfu.handle(), clock, events.clone()));
    let parts = Parts {
        media: Arc::new(MediaAdapter::new(sfu.handle())),
        recorder: recorder_port,
        kyc: Arc::new(KycAdapter::new(kyc, sfu.handle(), events)),
        vault: Arc::new(vault),
    };
    let signaling =
        Signaling::start(signaling_config(config, demo), parts, Arc::new(clock), port_events)
            .await
            .context("branch")?;
    let signaling = Arc::new(signaling);
    let reconciling =
        tokio::spawn(reconcile_daily(config.clone(), recorder.clone(), clock)).abort_handle();
    let probes = Probes { signaling: signaling.clone(), recorder: recorder.clone() };
    Ok((Running { signaling, recorder, sfu, reconciling }, probes))
}

/// Sealing what a crash left open may take as long as the stores do.
async fn start_recorder(
    config: &Config,
    clock: SystemClock,
    events: Events,
) -> anyhow::Result<Recorder> {
    let (settings, data) = (config.recorder.clone(), config.data.dir.clone());
    let starting = tokio::task::spawn_blocking(move || {
        RecorderAdapter::start(&settings, &data, clock, events)
    });
    Ok(starting.await??)
}

fn sfu_config(config: &Config) -> SfuConfig {
    SfuConfig {
        shards: config.media.shards,
        ..SfuConfig::new(config.media.listen, config.media.advertise.clone())
    }
}

fn start_kyc(config: &Config, clock: SystemClock) -> anyhow::Result<KycEngine> {
    let policy = match &config.kyc.policy_file {
        None => LivenessPolicy::default(),
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the KYC policy {name}"))?;
            LivenessPolicy::from_toml(&text).with_context(|| format!("KYC policy {name}"))?
        }
    };
    let kyc = KycConfig {
        models_dir: config.kyc.models_dir.clone(),
        threads: config.kyc.threads,
        policy,
    };
    KycEngine::start(kyc, Arc::new(clock)).context("liveness checks")
}

fn signaling_config(config: &Config, demo: bool) -> SignalingConfig {
    let mut signaling = SignalingConfig::new(config.data.database_url.clone());
    signaling.demo = demo;
    signaling.cookie_secure = config.http.cookie_secure;
    signaling.public_origins.clone_from(&config.http.origins);
    signaling.version = env!("CARGO_PKG_VERSION").to_owned();
    signaling.limits.link_lifetime = config.branch.link_lifetime;
    let limits = &mut signaling.limits;
    limits.liveness_attempts = config.branch.liveness_attempts;
    limits.liveness_checks_per_day = config.kyc.checks_per_day;
    limits.portrait_lifetime = config.kyc.portrait_ttl;
    limits.watch_customer = config.kyc.watch_customer;
    limits.watch_staff = config.kyc.watch_staff;
    signaling.second_person = config.branch.second_person;
    signaling
}

/// Tells the person at the terminal where to go.
fn announce(address: SocketAddr, config: &Config, demo: bool) -> anyhow::Result<()> {
    let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nvbranch is running.\n")?;
    if demo {
        writeln!(out, "  Customer   http://{host}/")?;
        for account in DEMO_ACCOUNTS.iter().filter(|a| PAGES.contains(&a.page)) {
            let (name, page) = (account.username, account.page);
            writeln!(
                out,
                "  {name:<10} http://{host}{page:<12} sign in as {name} / {}",
                account.password
            )?;
        }
        writeln!(
            out,
            "\n  Demo accounts have public passwords: never run --demo for real customers."
        )?;
    } else {
        writeln!(out, "  Pages      http://{host}{}", PAGES.join(", "))?;
    }
    writeln!(out, "  Metrics    http://{host}/metrics   API  http://{host}/api/docs")?;
    writeln!(
        out,
        "  Data       {}   (Ctrl-C stops and seals open recordings)\n",
        config.data.dir.display()
    )?;
    Ok(out.flush()?)
}

/// Serves until a signal comes, then shuts the branch down while connections drain.
async fn run(listener: TcpListener, app: Router, running: &Running) -> anyhow::Result<()> {
    let (stop, mut stopped) = watch::channel(false);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        // An error means the sender is gone, which is also the end.
        let _ = stopped.changed().await;
    });
    let mut server = tokio::spawn(server.into_future());
    let (mut terminate, mut interrupt, mut hangup) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    );
    tokio::select! {
        // A closed terminal must not cost the open recordings their end.
        _ = hangup.recv() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut server => return Ok(ended??),
    }
    tracing::info!("stopping: open visits are closed and their recordings sealed");
    running.signaling.shutdown().await;
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN, &mut server).await.is_err() {
        server.abort();
    }
    Ok(())
}

/// Media first, so that taps get their last items; then the recorder seals what is open.
async fn stop(running: Running) {
    let Running { signaling, recorder, sfu, reconciling } = running;
    reconciling.abort();
    drop(signaling);
    let stopping = tokio::task::spawn_blocking(move || {
        sfu.stop();
        if let Err(error) = recorder.close_all() {
            tracing::error!(%error, "open recordings will be sealed at the next start");
        }
    });
    if stopping.await.is_err() {
        tracing::error!("stopping failed");
    }
    tracing::info!("stopped");
}
