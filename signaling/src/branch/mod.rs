//! All live visits, the queue and who serves whom, owned by one task ([`actor`]).
//!
//! Commands reach it through a bounded queue with a reply each; what it never does is wait: events
//! go to the database through [`journal`], calls to other parts through a [`worker`] per visit.
//! What must be waited for (opening a recording, joining a call, sealing a picture) is waited for
//! by the request that asked for it ([`join`], [`steps`]).

mod actor;
mod guests;
mod join;
mod journal;
mod kyc;
mod registry;
mod steps;
mod worker;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use vbranch_domain::{CallId, Clock, ParticipantId, UnixMillis, UserId, VisitId};

pub use guests::GuestKey;
pub use join::{Answer, JoinError};
pub use kyc::{CheckError, PortraitError};
pub use steps::{StepDone, StepError};
pub(crate) use worker::Ports;

use crate::{
    auth::{Token, TokenHash},
    config::Limits,
    content::Content,
    person::{CustomerRef, Person},
    ports::PortEvent,
    store::{Store, StoreError},
    visit::{
        Actor, Command, GuestPlan, KycEvidence, MediaPlan, Refusal,
        view::{CustomerView, QueueEntry, StaffView, SupervisorView},
    },
};

/// Commands waiting for the actor, which takes microseconds for each. Full: the sender waits, and
/// so does its client.
const COMMANDS: usize = 1_024;
/// How long an answer waits for the database before it goes out all the same: a call must go on
/// when the database is lost.
const DURABLE_WAIT: Duration = Duration::from_secs(2);
/// How long stopping waits for recordings to be sealed, and then for the database.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// A handle to the branch; cheap to clone.
#[derive(Clone)]
pub struct Branch {
    tx: mpsc::Sender<Message>,
    queue: watch::Receiver<Arc<Vec<QueueRow>>>,
    durable: journal::Durable,
    ports: Ports,
    store: Store,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

/// A link to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// e.g. `demo-loan`.
    pub product: String,
    /// How long it can be used to begin the visit.
    pub lifetime: Duration,
    /// Who makes it; nobody for a demo.
    pub by: Option<UserId>,
    /// Who the customer is to the bank, where it says so.
    pub customer: Option<CustomerRef>,
}

/// The branch's tasks, to be waited for.
pub struct BranchTasks {
    actor: JoinHandle<()>,
    journal: JoinHandle<()>,
}

/// What both sides see of a visit, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Views {
    /// For the customer.
    pub customer: Arc<CustomerView>,
    /// For the staff member who accepted.
    pub staff: Arc<StaffView>,
    /// Who that is.
    pub owner: Option<UserId>,
    /// For each supervisor who attends.
    pub supervisors: Vec<(UserId, Arc<SupervisorView>)>,
}

impl Views {
    /// What this supervisor sees.
    ///
    /// # Errors
    /// They do not attend.
    pub fn supervisor(&self, who: UserId) -> Result<Arc<SupervisorView>, Refusal> {
        let found = self.supervisors.iter().find(|(id, _)| *id == who);
        found.map(|(_, view)| Arc::clone(view)).ok_or(Refusal::NotSupervising)
    }

    /// Who this is in the call.
    fn participant(&self, by: Actor) -> Result<ParticipantId, Refusal> {
        match by {
            Actor::Customer => Ok(self.customer.call.me),
            Actor::Staff(id) if self.owner == Some(id) => Ok(self.staff.call.me),
            // Signed in, and not the one who serves: perhaps one who attends.
            Actor::Staff(id) | Actor::Supervisor(id) => Ok(self.supervisor(id)?.call.me),
        }
    }
}

/// A line of the queue and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// The line, for nobody in particular.
    pub entry: QueueEntry,
    /// Who has accepted it.
    pub owner: Option<UserId>,
    /// Who attends it.
    pub supervisors: Vec<UserId>,
}

/// A link that was made.
#[derive(Debug)]
pub struct NewLink {
    /// The visit it leads to.
    pub visit: VisitId,
    /// What the customer shows.
    pub token: Token,
    /// Until when it can be used.
    pub expires: UnixMillis,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A visit.
    Valid(VisitId),
    /// A visit that it no longer opens.
    Expired,
    /// No live visit; an old one may be in the database.
    Unknown,
}

/// Why the branch did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BranchError {
    /// No such live visit.
    #[error("no such visit")]
    Unknown,
    /// The visit refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The staff member is in another visit.
    #[error("in another visit already")]
    Busy,
    /// Nothing of that name is sold.
    #[error("no such product")]
    NoProduct,
    /// No live call has this id.
    #[error("no such call")]
    NoCall,
    /// The call knows no such token.
    #[error("no such token")]
    NotInvited,
    /// This party has joined too often in a short time.
    #[error("too many joins in a short time")]
    TooManyJoins,
    /// As many visits as fit.
    #[error("too many visits at one time")]
    Full,
    /// The database is gone, or the branch is stopping.
    #[error("the branch takes no commands now")]
    Unavailable,
}

enum Message {
    Create { wanted: Wanted, reply: Reply<Made> },
    Do { visit: VisitId, command: Command, reply: Reply<Done> },
    Plan { visit: VisitId, by: Actor, reply: Reply<MediaPlan> },
    Guest { key: GuestKey, joins: bool, reply: Reply<GuestPlan> },
    Look { visit: VisitId, reply: oneshot::Sender<Option<Seen>> },
    Evidence { visit: VisitId, reply: oneshot::Sender<Option<KycEvidence>> },
    Dismiss { who: UserId },
    Resolve { link: TokenHash, reply: oneshot::Sender<Link> },
    Stop { reply: oneshot::Sender<()> },
}

type Reply<T> = oneshot::Sender<Result<T, BranchError>>;

struct Made {
    link: NewLink,
    position: u64,
}

struct Done {
    views: Views,
    /// Name for the picture of a step just reserved.
    picture: Option<String>,
    position: u64,
}

struct Seen {
    call: CallId,
    views: watch::Receiver<Views>,
    recording: Option<vbranch_domain::RecordingId>,
    /// Held while media is being set up, so that no visit gets two recordings.
    media: Arc<Mutex<()>>,
    created_by: Option<UserId>,
    person: Person,
    /// Whether a portrait may be kept.
    takes_portrait: Result<(), Refusal>,
}

/// Starts the branch with what a former run left in the database.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn start(
    store: Store,
    content: Arc<Content>,
    limits: Limits,
    ports: Ports,
    clock: Arc<dyn Clock>,
    events: mpsc::Receiver<PortEvent>,
) -> Result<(Branch, BranchTasks), StoreError> {
    let left = store.open_visits().await?;
    let last_ordinal = store.last_ordinal().await?;
    let (journal, durable, journal_task) = journal::start(store.clone());
    let (tx, rx) = mpsc::channel(COMMANDS);
    let (queue_tx, queue) = watch::channel(Arc::new(Vec::new()));
    let registry = registry::Registry::new(content, limits, last_ordinal, journal);
    let actor =
        actor::Branch::new(registry, ports.clone(), Arc::clone(&clock), queue_tx, durable.clone());
    let actor = tokio::spawn(actor.run(left, rx, events));
    let branch = Branch { tx, queue, durable, ports, store, limits, clock };
    Ok((branch, BranchTasks { actor, journal: journal_task }))
}

impl Branch {
    /// Makes a link. It is in the database before this returns.
    ///
    /// # Errors
    /// No such product, too many visits, no database.
    pub async fn create(&self, wanted: Wanted) -> Result<NewLink, BranchError> {
        let made = self.ask(|reply| Message::Create { wanted, reply }).await??;
        // A link that a restart would forget must not be handed out.
        if !self.durable.wait(made.position, DURABLE_WAIT).await {
            return Err(BranchError::Unavailable);
        }
        Ok(made.link)
    }

    /// Gives a command to a visit.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn command(&self, visit: VisitId, command: Command) -> Result<Views, BranchError> {
        let done = self.step_on(visit, command).await?;
        if !self.durable.wait(done.position, DURABLE_WAIT).await {
            tracing::warn!(%visit, "answering before the database has it");
        }
        Ok(done.views)
    }

    /// A command on the way to an answer, which does not wait for the database: only what a person
    /// is told has been done need be kept, and a rejoin must be quick without the database too.
    async fn step_on(&self, visit: VisitId, command: Command) -> Result<Done, BranchError> {
        self.ask(|reply| Message::Do { visit, command, reply }).await?
    }

    /// What both sides see of a live visit now, and whenever it changes.
    ///
    /// # Errors
    /// When the branch is stopping.
    pub async fn watch(
        &self,
        visit: VisitId,
    ) -> Result<Option<watch::Receiver<Views>>, BranchError> {
        Ok(self.look(visit).await?.map(|seen| seen.views))
    }

    /// What a link leads to.
    ///
    /// # Errors
    /// When the branch is stopping.
    pub async fn resolve(&self, link: TokenHash) -> Result<Link, BranchError> {
        self.ask(|reply| Message::Resolve { link, reply }).await
    }

    /// The queue and the calls, now and whenever they change.
    #[must_use]
    pub fn queue(&self) -> watch::Receiver<Arc<Vec<QueueRow>>> {
        self.queue.clone()
    }

    /// Cuts the lines of somebody who is no longer signed in: who may not see the visit must not
    /// see the customer either. Their own visit goes on as after any lost line; one they attend,
    /// without them.
    ///
    /// # Errors
    /// When the branch is stopping.
    pub(crate) async fn dismiss(&self, who: UserId) -> Result<(), BranchError> {
        self.tx.send(Message::Dismiss { who }).await.map_err(|_| BranchError::Unavailable)
    }

    /// Closes live visits as interrupted and waits until that is done and kept.
    pub(crate) async fn stop(&self, tasks: BranchTasks) {
        if timeout(STOP_WAIT, self.ask(|reply| Message::Stop { reply })).await.is_err() {
            tracing::error!("recordings were not closed in time; the next start seals them");
        }
        tasks.actor.abort();
        if timeout(STOP_WAIT, tasks.journal).await.is_err() {
            tracing::error!("the database did not take the last events");
        }
    }

    /// Somebody's client says whether its own machine limits what it sends. Not a command: it
    /// changes nothing of the visit, and must not queue behind what does.
    ///
    /// # Errors
    /// Who has no place in the call, or when the branch is stopping.
    pub async fn cpu_limited(
        &self,
        visit: VisitId,
        by: Actor,
        limited: bool,
    ) -> Result<(), BranchError> {
        let seen = self.look(visit).await?.ok_or(BranchError::Unknown)?;
        let participant = seen.views.borrow().participant(by)?;
        self.ports.media.cpu_limited(seen.call, participant, limited).await;
        Ok(())
    }

    async fn look(&self, visit: VisitId) -> Result<Option<Seen>, BranchError> {
        self.ask(|reply| Message::Look { visit, reply }).await
    }

    async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, BranchError> {
        let (reply, answer) = oneshot::channel();
        self.tx.send(make(reply)).await.map_err(|_| BranchError::Unavailable)?;
        answer.await.map_err(|_| BranchError::Unavailable)
    }
}
