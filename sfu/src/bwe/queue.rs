//! Packets waiting for the pacer: retransmissions first, bounded in time and number.

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::Mono;

/// Nothing waits longer: a picture older than this is of no use to a conversation. What is older is
/// dropped and handed back, so that the caller can ask for a key frame. Shorter and a key frame on
/// a thin link is lost to its own queue; longer and a call lags behind for good, and what waits is
/// no longer in its publisher's history (`stream::history`, 1.5 s).
const AGE_MAX: Duration = Duration::from_millis(1400);
/// Nor more packets than this (some 10 Mbit/s for [`AGE_MAX`]): the oldest make way.
const PACKETS_MAX: usize = 2048;

/// Which packets leave first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Sent again on request; late already.
    Retransmission,
    /// Video, first time.
    Video,
}

#[derive(Debug)]
struct Waiting<T> {
    since: Mono,
    item: T,
}

/// The queue. Its memory grows to the busiest moment and is reused.
#[derive(Debug)]
pub(crate) struct PacedQueue<T> {
    retransmissions: VecDeque<Waiting<T>>,
    video: VecDeque<Waiting<T>>,
}

impl<T> Default for PacedQueue<T> {
    fn default() -> Self {
        Self { retransmissions: VecDeque::new(), video: VecDeque::new() }
    }
}

impl<T> PacedQueue<T> {
    /// Is nothing waiting? Then, if the pacer allows, a packet may be sent without queueing.
    pub(crate) fn is_empty(&self) -> bool {
        self.retransmissions.is_empty() && self.video.is_empty()
    }

    /// Packets waiting.
    pub(crate) fn len(&self) -> usize {
        self.retransmissions.len() + self.video.len()
    }

    /// Queues a packet. `dropped` receives what became too old or too much, oldest first.
    pub(crate) fn push(
        &mut self,
        now: Mono,
        class: Class,
        item: T,
        mut dropped: impl FnMut(Class, T),
    ) {
        self.drop_stale(now, &mut dropped);
        if self.len() >= PACKETS_MAX {
            // New pictures are worth more than old repairs of a queue this long.
            let class = if self.retransmissions.len() > PACKETS_MAX / 2 {
                Class::Retransmission
            } else {
                Class::Video
            };
            if let Some(old) = self.take(class) {
                dropped(class, old);
            }
        }
        self.queue(class).push_back(Waiting { since: now, item });
    }

    /// The packet to send next.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.take(Class::Retransmission).or_else(|| self.take(Class::Video))
    }

    /// Drops what waited for more than [`AGE_MAX`].
    pub(crate) fn drop_stale(&mut self, now: Mono, mut dropped: impl FnMut(Class, T)) {
        for class in [Class::Retransmission, Class::Video] {
            let stale = |w: &Waiting<T>| now.since(w.since) > AGE_MAX;
            while self.queue(class).front().is_some_and(stale) {
                if let Some(item) = self.take(class) {
                    dropped(class, item);
                }
            }
        }
    }

    /// Keeps only what `keep` says: the rest of a picture whose head was dropped, or the packets of
    /// a source that left the slot.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.retransmissions.retain(|w| keep(&w.item));
        self.video.retain(|w| keep(&w.item));
    }

    fn queue(&mut self, class: Class) -> &mut VecDeque<Waiting<T>> {
        match class {
            Class::Retransmission => &mut self.retransmissions,
            Class::Video => &mut self.video,
        }
    }

    fn take(&mut self, class: Class) -> Option<T> {
        self.queue(class).pop_front().map(|waiting| waiting.item)
    }
}
