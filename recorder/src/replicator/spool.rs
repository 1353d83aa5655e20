//! What waits in the working folder while neither store takes it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use vbranch_domain::Mono;

use super::{Object, RETRY_AFTER, Replicator};
use crate::store::{ObjectName, StoreError};

/// The bookkeeping of the working folder.
pub(super) struct Spool {
    /// Bytes it may hold.
    budget: u64,
    used: u64,
    /// Objects that may have to go there, in order.
    waiting: VecDeque<ObjectName>,
    is_busy: bool,
    retry_at: Option<Mono>,
    /// What both stores have, to be taken away.
    over: Vec<ObjectName>,
}

impl Spool {
    pub fn new(budget: u64) -> Self {
        Self {
            budget,
            used: 0,
            waiting: VecDeque::new(),
            is_busy: false,
            retry_at: None,
            over: Vec::new(),
        }
    }

    /// Takes note of an object that may have to go there.
    pub fn wait(&mut self, name: ObjectName) {
        self.waiting.push_back(name);
    }

    /// It has an object of this length.
    pub fn hold(&mut self, len: u64) {
        self.used = self.used.saturating_add(len);
    }

    /// Both stores have an object that it has too.
    pub fn let_go(&mut self, name: ObjectName, len: u64) {
        self.used = self.used.saturating_sub(len);
        self.over.push(name);
    }

    /// The next object that is nowhere else, if stores are out and there is room for it.
    fn next(
        &mut self,
        objects: &HashMap<ObjectName, Object>,
        is_out: bool,
        now: Mono,
    ) -> Option<(ObjectName, Bytes)> {
        // What is kept elsewhere by now need not go there.
        let needs = |name: &ObjectName| objects.get(name).is_some_and(|object| !object.is_kept());
        while self.waiting.front().is_some_and(|name| !needs(name)) {
            self.waiting.pop_front();
        }
        if !is_out || self.is_busy || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        let name = self.waiting.front()?;
        let bytes = objects.get(name)?.bytes.clone()?;
        if self.used.saturating_add(bytes.len() as u64) > self.budget {
            return None;
        }
        self.is_busy = true;
        Some((name.clone(), bytes))
    }
}

impl Replicator {
    /// What to put into the working folder now: nothing is left to chance while neither store
    /// takes anything. Whoever takes it calls [`Self::spooled`].
    pub fn poll_spool(&mut self, now: Mono) -> Option<(ObjectName, Bytes)> {
        let is_out = self.sides.iter().all(|side| side.trouble.is_some());
        self.spool.next(&self.objects, is_out, now)
    }

    /// The working folder has taken an object, or not.
    pub fn spooled(&mut self, name: ObjectName, result: Result<u64, StoreError>, now: Mono) {
        self.spool.is_busy = false;
        match (result, self.objects.get_mut(&name)) {
            (Ok(len), Some(object)) => {
                object.spooled = Some(len);
                self.spool.hold(len);
                self.spool.retry_at = None;
            }
            // Both stores were quicker.
            (Ok(_), None) => self.spool.over.push(name),
            (Err(error), _) => {
                tracing::error!(%error, "the working folder does not take what waits for stores");
                self.spool.retry_at = Some(now + RETRY_AFTER);
            }
        }
    }

    /// What the working folder need not hold any more.
    pub fn take_over(&mut self) -> Vec<ObjectName> {
        std::mem::take(&mut self.spool.over)
    }
}
