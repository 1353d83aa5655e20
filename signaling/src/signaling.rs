//! Starting and stopping the branch.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::Router;
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::{MissedTickBehavior, interval},
};
use vbranch_domain::{Clock, Redacted, UserId};

use crate::{
    api::{self, App},
    auth::{Passwords, Sessions, Throttle},
    branch::{self, BranchTasks, Ports},
    config::SignalingConfig,
    content::{Content, ContentError},
    ports::{FaceVault, KycPort, MediaPlane, PortEvent, RecorderPort},
    store::{Account, Role, Store, StoreError},
};

/// How long somebody who is signed out still sees the customer, at most.
const SESSION_LOOK: Duration = Duration::from_secs(1);
/// How often checks that count no longer are forgotten.
const CHECKS_LOOK: Duration = Duration::from_hours(1);

/// An account that exists with `demo` only. Its password is public: it stands in this source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoAccount {
    /// Sign-in name.
    pub username: &'static str,
    /// Public password.
    pub password: &'static str,
    /// The page it is for.
    pub page: &'static str,
    /// What it may do.
    pub role: Role,
    /// Name, position and staff number shown.
    pub shown: (&'static str, &'static str, &'static str),
}

/// One account per role.
pub const DEMO_ACCOUNTS: &[DemoAccount] = &[
    DemoAccount {
        username: "staff",
        password: "staff-demo",
        page: "/staff",
        role: Role::Staff,
        shown: ("李明 Li Ming", "客户经理 Customer manager", "VB1001"),
    },
    DemoAccount {
        username: "supervisor",
        password: "supervisor-demo",
        page: "/supervisor",
        role: Role::Supervisor,
        shown: ("王芳 Wang Fang", "运营主管 Supervisor", "VB1002"),
    },
    DemoAccount {
        username: "auditor",
        password: "auditor-demo",
        page: "/audit",
        role: Role::Auditor,
        shown: ("张伟 Zhang Wei", "审计员 Auditor", "VB1003"),
    },
    DemoAccount {
        username: "admin",
        password: "admin-demo",
        page: "/admin",
        role: Role::Admin,
        shown: ("陈静 Chen Jing", "管理员 Administrator", "VB1004"),
    },
];

/// Why the branch did not start, or is not ready.
#[derive(Debug, thiserror::Error)]
pub enum SignalingError {
    /// An embedded text is wrong.
    #[error("journeys and texts: {0}")]
    Content(#[from] ContentError),
    /// The database cannot be opened, brought up to date, or reached.
    #[error("database: {0}")]
    Database(#[from] StoreError),
    /// Passwords cannot be hashed.
    #[error("passwords: {0}")]
    Passwords(#[from] crate::auth::PasswordError),
}

/// The other parts of the program, as the branch uses them.
pub struct Parts {
    /// Calls and their peers.
    pub media: Arc<dyn MediaPlane>,
    /// The recorder.
    pub recorder: Arc<dyn RecorderPort>,
    /// Liveness checks and the watch over faces.
    pub kyc: Arc<dyn KycPort>,
    /// Portraits.
    pub vault: Arc<dyn FaceVault>,
}

/// A running branch.
pub struct Signaling {
    app: Arc<App>,
    /// Taken by the first shutdown.
    tasks: Mutex<Option<BranchTasks>>,
}

impl Signaling {
    /// Opens the database, closes visits a former run left open as interrupted, and starts.
    ///
    /// # Errors
    /// When the database cannot be opened or read.
    pub async fn start(
        config: SignalingConfig,
        parts: Parts,
        clock: Arc<dyn Clock>,
        events: mpsc::Receiver<PortEvent>,
    ) -> Result<Self, SignalingError> {
        let Parts { media, recorder, kyc, vault } = parts;
        let content = Arc::new(Content::load(&config.bank_name)?);
        let store = Store::open(config.database_url.expose()).await?;
        let passwords = Passwords::new()?;
        let limits = config.limits;
        seed_demo(&config, &store, &passwords, clock.as_ref()).await?;
        let ports =
            Ports { media, recorder: Arc::clone(&recorder), kyc, vault: Arc::clone(&vault) };
        let (branch, tasks) = branch::start(
            store.clone(),
            Arc::clone(&content),
            limits,
            ports,
            Arc::clone(&clock),
            events,
        )
        .await?;
        let (idle, absolute) = (limits.session_idle, limits.session_absolute);
        let sessions = Sessions::new(store.clone(), Arc::clone(&clock), idle, absolute);
        sessions.purge().await?;
        let app = App {
            throttle: Throttle::new(limits.sign_in_failures, limits.sign_in_window),
            replays: api::Replays::new(limits.replay_lifetime),
            films: api::Films::default(),
            sockets: Arc::new(Semaphore::new(limits.websockets)),
            config,
            content,
            store,
            branch,
            sessions,
            passwords,
            recorder,
            vault,
            clock,
        };
        let app = Arc::new(app);
        tokio::spawn(cut_off_signed_out(Arc::downgrade(&app)));
        tokio::spawn(forget_old_checks(Arc::downgrade(&app)));
        Ok(Self { app, tasks: Mutex::new(Some(tasks)) })
    }

    /// Everything under `/api`. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()`: failed sign-ins are counted by
    /// address.
    pub fn router(&self) -> Router {
        api::router(Arc::clone(&self.app))
    }

    /// Whether requests can be served: the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ready(&self) -> Result<(), SignalingError> {
        Ok(self.app.store.ping().await?)
    }

    /// Closes live visits as interrupted, in order, and waits until their recordings are closed
    /// and everything is in the database. Call it once no new requests are taken, and before
    /// recorder and media plane are stopped.
    pub async fn shutdown(&self) {
        let Some(tasks) = self.tasks.lock().await.take() else { return };
        self.app.branch.stop(tasks).await;
        self.app.store.close().await;
    }
}

/// A session can end without its page asking anything again: signed out in another window, too
/// old, taken away. Its media would go on without it, so who is in a call is looked at as they are.
async fn cut_off_signed_out(app: Weak<App>) {
    let mut tick = interval(SESSION_LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        let in_calls: Vec<UserId> = {
            let rows = app.branch.queue();
            let rows = rows.borrow();
            rows.iter().flat_map(|r| r.owner.iter().chain(&r.supervisors).copied()).collect()
        };
        for who in in_calls.into_iter().filter(|who| !app.sessions.signed_in(*who)) {
            if app.branch.dismiss(who).await.is_err() {
                return;
            }
        }
    }
}

/// The first look is at once.
async fn forget_old_checks(app: Weak<App>) {
    let mut tick = interval(CHECKS_LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(app) = app.upgrade() else { return };
        if let Err(error) = app.store.forget_checks(app.clock.wall()).await {
            tracing::warn!(%error, "old checks are forgotten later");
        }
    }
}

/// Demo accounts exist exactly as long as the demo does: their passwords are public, so a server
/// started without `demo` on the same database must not have them.
async fn seed_demo(
    config: &SignalingConfig,
    store: &Store,
    passwords: &Passwords,
    clock: &dyn Clock,
) -> Result<(), SignalingError> {
    for demo in DEMO_ACCOUNTS {
        let existing = store.account(demo.username).await?;
        match (config.demo, existing) {
            (true, None) => {
                let password = Redacted::new(demo.password.to_owned());
                let hash = passwords.hash(password).await?;
                store.add_account(&demo.account(hash), clock.wall()).await?;
            }
            (false, Some(account)) if account.staff_no == demo.shown.2 => {
                store.remove_account(demo.username).await?;
                tracing::warn!(username = demo.username, "removed the demo account");
            }
            _ => {}
        }
    }
    Ok(())
}

impl DemoAccount {
    fn account(&self, password_hash: Redacted<String>) -> Account {
        let (display_name, title, staff_no) = self.shown;
        Account {
            id: UserId::random(),
            username: self.username.to_owned(),
            password_hash,
            display_name: display_name.to_owned(),
            title: title.to_owned(),
            staff_no: staff_no.to_owned(),
            role: self.role,
        }
    }
}
