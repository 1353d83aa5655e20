//! The recorder's ear at a call: a bounded queue between the media plane and the worker.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vbranch_domain::{Mono, Tap, TapItem};

/// Items one recording's queue holds: some 25 s of a two-party call, far beyond the worker's tick.
/// When full, items are dropped and counted, and the recording declares a gap.
const MAX_ITEMS: usize = 4096;
/// Bytes one recording's queue holds. A client that sends far too much fills this, not memory:
/// 32 MiB are 8 s at 32 Mbit/s. When full, as above.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The queue itself, shared by the tap and the worker.
#[derive(Default)]
pub(crate) struct TapQueue(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    items: VecDeque<TapItem>,
    bytes: usize,
    dropped: u64,
    dropped_at: Mono,
    closed: bool,
}

impl TapQueue {
    /// Everything that has arrived, with an overflow notice at the end where something was lost.
    pub fn take(&self) -> VecDeque<TapItem> {
        let mut queue = self.lock();
        let mut items = std::mem::take(&mut queue.items);
        queue.bytes = 0;
        let packets = std::mem::take(&mut queue.dropped);
        if packets > 0 {
            items.push_back(TapItem::Overflow { packets, at: queue.dropped_at });
        }
        items
    }

    /// Nothing more is wanted.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the media plane pushes into. The queue's lock is held for a push or a swap only.
pub(crate) struct RecorderTap(pub Arc<TapQueue>);

impl Tap for RecorderTap {
    fn push(&mut self, item: TapItem) {
        let (len, at) = match &item {
            TapItem::Frame(frame) => (frame.payload.len(), frame.arrived),
            TapItem::SenderReport(report) => (0, report.arrived),
            TapItem::LegStarted { at, .. }
            | TapItem::LegEnded { at, .. }
            | TapItem::Lost { at, .. }
            | TapItem::Overflow { at, .. } => (0, *at),
        };
        let mut queue = self.0.lock();
        if queue.closed {
            return;
        }
        if queue.items.len() >= MAX_ITEMS || queue.bytes.saturating_add(len) > MAX_BYTES {
            queue.dropped = queue.dropped.saturating_add(1);
            queue.dropped_at = at;
            metrics::counter!("vbranch_recorder_overflow_items_total").increment(1);
            return;
        }
        queue.bytes = queue.bytes.saturating_add(len);
        queue.items.push_back(item);
    }
}

#[cfg(test)]
mod tests {
    use vbranch_domain::{Leg, ParticipantId};

    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told() {
        let queue = Arc::new(TapQueue::default());
        let mut tap = RecorderTap(Arc::clone(&queue));
        let item = TapItem::LegStarted {
            participant: ParticipantId::random(),
            leg: Leg(0),
            at: Mono::ZERO,
        };
        for _ in 0..MAX_ITEMS + 3 {
            tap.push(item.clone());
        }
        let items = queue.take();
        assert_eq!(items.len(), MAX_ITEMS + 1);
        assert!(matches!(items.back(), Some(TapItem::Overflow { packets: 3, .. })));
        assert!(queue.take().is_empty());
        queue.close();
        tap.push(item);
        assert!(queue.take().is_empty());
    }
}
