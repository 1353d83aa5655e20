//! The shard's end of the queue to the reassembly thread.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use vbranch_domain::{CallId, Leg, Mono, ParticipantId, Tap, TrackId, tap::NtpTime};

use super::reassembly::RtpPacket;

/// Packets between a shard and its reassembly thread. Overflow is lossy and declared: smaller
/// loses media during a scheduling hiccup (4096 packets are about 0.4 s of 100 recorded calls),
/// larger only hides for longer that the machine is too small.
const QUEUE: usize = 4096;

/// What the shard tells the reassembly thread.
pub(crate) enum Input {
    Attach {
        call: CallId,
        name: &'static str,
        tap: Box<dyn Tap>,
    },
    Detach {
        call: CallId,
        name: &'static str,
    },
    EndCall {
        call: CallId,
    },
    LegStarted {
        call: CallId,
        participant: ParticipantId,
        leg: Leg,
        at: Mono,
    },
    LegEnded {
        call: CallId,
        participant: ParticipantId,
        leg: Leg,
        at: Mono,
    },
    Packet {
        call: CallId,
        track: TrackId,
        leg: Leg,
        packet: RtpPacket,
    },
    /// Of any source of the track, in use or not.
    SenderReport {
        call: CallId,
        track: TrackId,
        source: u32,
        ntp: NtpTime,
        rtp_time: u32,
        at: Mono,
    },
    Overflow {
        packets: u64,
        at: Mono,
    },
    Stop,
}

impl Input {
    /// Media may be dropped when the queue is full; everything else may not.
    fn is_media(&self) -> bool {
        matches!(self, Self::Packet { .. } | Self::SenderReport { .. })
    }
}

/// Sends without ever waiting. What must not be lost waits in a backlog, whose length is bounded
/// by the number of joins and commands, not by packets; media behind it is dropped and counted.
pub(crate) struct TapFeed {
    queue: SyncSender<Input>,
    backlog: VecDeque<Input>,
    dropped: u64,
}

impl TapFeed {
    pub(crate) fn new() -> (Self, Receiver<Input>) {
        let (queue, receiver) = sync_channel(QUEUE);
        (Self { queue, backlog: VecDeque::new(), dropped: 0 }, receiver)
    }

    pub(crate) fn send(&mut self, input: Input, now: Mono) {
        self.flush(now);
        if !self.backlog.is_empty() || self.dropped > 0 {
            return self.keep_or_drop(input);
        }
        match self.queue.try_send(input) {
            Err(TrySendError::Full(input)) => self.keep_or_drop(input),
            // Disconnected: the thread has stopped, and so will the shard.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Tries to send what waits. Called with every send and on every tick of the shard.
    pub(crate) fn flush(&mut self, now: Mono) {
        if self.dropped > 0 {
            let news = Input::Overflow { packets: self.dropped, at: now };
            if self.queue.try_send(news).is_err() {
                return;
            }
            self.dropped = 0;
        }
        while let Some(input) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(input)) = self.queue.try_send(input) {
                self.backlog.push_front(input);
                return;
            }
        }
    }

    fn keep_or_drop(&mut self, input: Input) {
        if input.is_media() {
            self.dropped += 1;
        } else {
            self.backlog.push_back(input);
        }
    }
}

/// What the reassembly thread asks of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyframeRequest {
    pub(crate) call: CallId,
    /// A camera or a screen.
    pub(crate) track: TrackId,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vbranch_domain::MediaKind;

    use super::*;

    fn packet() -> Input {
        let track = TrackId { participant: ParticipantId::random(), kind: MediaKind::Audio };
        let packet = RtpPacket {
            source: 0,
            codec: None,
            seq: 0,
            timestamp: 0,
            marker: false,
            payload: Bytes::new(),
            arrived: Mono::ZERO,
        };
        Input::Packet { call: CallId::random(), track, leg: Leg(0), packet }
    }

    #[test]
    fn a_full_queue_drops_media_declares_it_and_keeps_the_rest_in_order() {
        let (mut feed, receiver) = TapFeed::new();
        for _ in 0..QUEUE + 5 {
            feed.send(packet(), Mono::ZERO);
        }
        let call = CallId::random();
        feed.send(Input::EndCall { call }, Mono::ZERO);
        let queued: Vec<Input> = receiver.try_iter().collect();
        assert_eq!(queued.len(), QUEUE);
        feed.flush(Mono::from_millis(7));
        assert!(matches!(receiver.try_recv(), Ok(Input::Overflow { packets: 5, .. })));
        assert!(matches!(receiver.try_recv(), Ok(Input::EndCall { call: c }) if c == call));
        assert!(receiver.try_recv().is_err());
    }
}
