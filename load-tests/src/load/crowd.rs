//! The sockets of many clients in one thread: whose turn it is, and when.

use std::{collections::VecDeque, time::Duration};

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
    /// Those who have, as far as is known; the next first.
    ready: VecDeque<usize>,
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
            ready: VecDeque::new(),
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

    /// Waits at most so long until there is something to read, and lets up to `at_most` of those who
    /// have it `read`, which says whether there may be more; the others come first the next time.
    ///
    /// # Errors
    /// When the poller fails.
    pub fn turn(
        &mut self,
        wait: Duration,
        at_most: usize,
        mut read: impl FnMut(Mono, usize, &mut Buffers) -> bool,
    ) -> anyhow::Result<()> {
        let wait = if self.ready.is_empty() { wait } else { Duration::ZERO };
        self.poll.poll(&mut self.events, Some(wait))?;
        for index in self.events.iter().map(|event| event.token().0) {
            if !self.ready.contains(&index) {
                self.ready.push_back(index);
            }
        }
        let now = self.clock.mono();
        for _ in 0..at_most.min(self.ready.len()) {
            let Some(index) = self.ready.pop_front() else { break };
            if read(now, index, &mut self.buffers) {
                self.ready.push_back(index);
            }
        }
        Ok(())
    }
}
