//! The sockets of many clients in one thread: whose turn it is, and when.

use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use vbranch_domain::{Clock, Mono, SystemClock};

use super::{agent::Agent, socket::Buffers};

/// Events taken at once; others come with the next turn.
const EVENTS: usize = 1_024;

/// Who has something to read. Clients are numbered by their owner.
pub struct Crowd {
    /// What all of them measure by.
    pub clock: SystemClock,
    poll: Poll,
    events: Events,
    buffers: Buffers,
    /// Those who have, as far as is known.
    ready: Vec<usize>,
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system has no poller.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            clock: SystemClock::start(),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffers: Buffers::default(),
            ready: vec![],
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// One more client.
    ///
    /// # Errors
    /// When the system refuses to watch its socket.
    pub fn add(&self, index: usize, agent: &mut Agent) -> anyhow::Result<()> {
        let source = agent.socket.source();
        Ok(self.poll.registry().register(source, Token(index), Interest::READABLE)?)
    }

    /// Waits at most so long until there is something to read, and lets each who has it `read`,
    /// which says whether there may be more.
    ///
    /// # Errors
    /// When the poller fails.
    pub fn turn(
        &mut self,
        wait: Duration,
        mut read: impl FnMut(Mono, usize, &mut Buffers) -> bool,
    ) -> anyhow::Result<()> {
        let wait = if self.ready.is_empty() { wait } else { Duration::ZERO };
        self.poll.poll(&mut self.events, Some(wait))?;
        for index in self.events.iter().map(|event| event.token().0) {
            if !self.ready.contains(&index) {
                self.ready.push(index);
            }
        }
        let (now, buffers) = (self.clock.mono(), &mut self.buffers);
        self.ready.retain(|index| read(now, *index, buffers));
        Ok(())
    }
}
