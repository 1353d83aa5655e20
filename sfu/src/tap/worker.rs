//! The reassembly thread: owns every stream's reorder buffer and every call's taps.

use std::{
    collections::HashMap,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use vbranch_domain::{CallId, Clock, MediaKind, Mono, ParticipantId, Tap, TapItem, TrackId};

use super::{
    feed::{Input, KeyframeRequest},
    reassembly::{Output, Stream},
};

/// Longest sleep; bounds how late a stream's deadline can be noticed after a quiet spell.
const IDLE: Duration = Duration::from_millis(100);
/// A key frame that is needed is asked for again after this time until it comes. More often and a
/// lossy link is filled with key frames; more seldom and a viewer of the recording waits longer
/// for a picture.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// A rest after all that had come is handled, so that what comes meanwhile needs no waking. Longer:
/// the recorder and the checks are told later; shorter: with many calls every packet wakes the thread.
const REST: Duration = Duration::from_millis(4);
/// So much is handled before timeouts are looked at.
const BATCH: usize = 1024;

type KeyframeSink = Box<dyn FnMut(KeyframeRequest) + Send>;

/// The state of the reassembly thread.
pub(crate) struct Worker<C> {
    clock: C,
    calls: HashMap<CallId, CallTaps>,
    ask_keyframe: KeyframeSink,
}

#[derive(Default)]
struct CallTaps {
    taps: Vec<(&'static str, Box<dyn Tap>)>,
    streams: HashMap<TrackId, Stream>,
    /// Tracks that cannot be decoded before their next key frame, and when to ask again.
    keyframe_wanted: HashMap<TrackId, Mono>,
}

impl CallTaps {
    /// Asks for every key frame that is due to be asked for.
    fn ask_for_keyframes(&mut self, call: CallId, now: Mono, ask: &mut KeyframeSink) {
        for (track, due) in &mut self.keyframe_wanted {
            if *due <= now {
                *due = now + KEYFRAME_INTERVAL;
                ask(KeyframeRequest { call, track: *track });
            }
        }
    }
}

impl<C: Clock> Worker<C> {
    pub(crate) fn new(clock: C, ask_keyframe: KeyframeSink) -> Self {
        Self { clock, calls: HashMap::new(), ask_keyframe }
    }

    /// Runs until told to stop or the shard is gone; then ends every call.
    pub(crate) fn run(mut self, queue: &Receiver<Input>) {
        let mut next_check = Mono::ZERO;
        loop {
            match queue.recv_timeout(IDLE.min(next_check.since(self.clock.mono()))) {
                Ok(input) => {
                    let batch = std::iter::once(input).chain(queue.try_iter()).take(BATCH);
                    match self.handle_all(batch) {
                        None => break,
                        // More is waiting.
                        Some(BATCH) => {}
                        Some(_) => std::thread::sleep(REST),
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.clock.mono();
            if now >= next_check {
                next_check = now + self.handle_timeouts(now);
            }
        }
        let now = self.clock.mono();
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.end_call(call, now);
        }
    }

    /// How many there were; `None` when it is to stop.
    fn handle_all(&mut self, inputs: impl Iterator<Item = Input>) -> Option<usize> {
        let mut count = 0;
        for input in inputs {
            if matches!(input, Input::Stop) {
                return None;
            }
            self.handle(input);
            count += 1;
        }
        Some(count)
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Attach { call, name, tap } => {
                self.calls.entry(call).or_default().taps.push((name, tap));
            }
            Input::Detach { call, name } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.taps.retain(|(n, _)| *n != name);
                }
            }
            Input::EndCall { call } => self.end_call(call, self.clock.mono()),
            Input::LegStarted { call, participant, leg, at } => {
                self.give(call, TapItem::LegStarted { participant, leg, at });
            }
            Input::LegEnded { call, participant, leg, at } => {
                self.end_streams(call, Some(participant), at);
                if let Some(taps) = self.calls.get_mut(&call) {
                    taps.keyframe_wanted.retain(|track, _| track.participant != participant);
                }
                self.give(call, TapItem::LegEnded { participant, leg, at });
            }
            Input::Packet { call, track, leg, packet } => {
                let at = packet.arrived;
                self.with_stream(call, track, at, |entry, out| {
                    entry.or_insert_with(|| Stream::new(track, leg)).push(packet, out);
                });
            }
            Input::SenderReport { call, track, source, ntp, rtp_time, at } => {
                self.with_stream(call, track, at, |entry, out| {
                    if let std::collections::hash_map::Entry::Occupied(mut stream) = entry
                        && let Some(report) =
                            stream.get_mut().sender_report(source, ntp, rtp_time, at)
                    {
                        out.push(Output::Item(TapItem::SenderReport(report)));
                    }
                });
            }
            Input::Overflow { packets, at } => {
                let calls: Vec<CallId> = self.calls.keys().copied().collect();
                for call in calls {
                    self.give(call, TapItem::Overflow { packets, at });
                }
            }
            Input::Stop => {}
        }
    }

    /// Lets every stream's waiting time pass; says how long nothing will be due.
    fn handle_timeouts(&mut self, now: Mono) -> Duration {
        let mut wait = IDLE;
        let due: Vec<(CallId, TrackId)> = self
            .calls
            .iter()
            .flat_map(|(call, taps)| taps.streams.iter().map(|(track, s)| (*call, *track, s)))
            .filter_map(|(call, track, stream)| {
                let deadline = stream.deadline()?;
                if deadline > now {
                    wait = wait.min(deadline.since(now));
                    return None;
                }
                Some((call, track))
            })
            .collect();
        for (call, track) in due {
            self.with_stream(call, track, now, |entry, out| {
                entry.and_modify(|stream| stream.handle_timeout(now, out));
            });
        }
        for (call, taps) in &mut self.calls {
            taps.ask_for_keyframes(*call, now, &mut self.ask_keyframe);
        }
        wait.max(Duration::from_millis(5))
    }

    fn with_stream(
        &mut self,
        call: CallId,
        track: TrackId,
        now: Mono,
        f: impl FnOnce(std::collections::hash_map::Entry<'_, TrackId, Stream>, &mut Vec<Output>),
    ) {
        let Some(taps) = self.calls.get_mut(&call) else { return };
        let mut out = Vec::new();
        f(taps.streams.entry(track), &mut out);
        self.deliver(call, track, now, out);
    }

    fn deliver(&mut self, call: CallId, track: TrackId, now: Mono, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Item(item) => {
                    if track.kind != MediaKind::Audio
                        && matches!(&item, TapItem::Frame(frame) if frame.keyframe)
                        && let Some(taps) = self.calls.get_mut(&call)
                    {
                        taps.keyframe_wanted.remove(&track);
                    }
                    self.give(call, item);
                }
                Output::KeyframeNeeded => {
                    if let Some(taps) = self.calls.get_mut(&call) {
                        taps.keyframe_wanted.entry(track).or_insert(now);
                    }
                }
            }
        }
        if let Some(taps) = self.calls.get_mut(&call) {
            taps.ask_for_keyframes(call, now, &mut self.ask_keyframe);
        }
    }

    fn give(&mut self, call: CallId, item: TapItem) {
        let Some(taps) = self.calls.get_mut(&call) else { return };
        if let Some(((_, last), others)) = taps.taps.split_last_mut() {
            for (_, tap) in others {
                tap.push(item.clone());
            }
            last.push(item);
        }
    }

    fn end_streams(&mut self, call: CallId, whose: Option<ParticipantId>, now: Mono) {
        let Some(taps) = self.calls.get_mut(&call) else { return };
        let tracks: Vec<TrackId> = taps
            .streams
            .keys()
            .filter(|track| whose.is_none_or(|p| p == track.participant))
            .copied()
            .collect();
        for track in tracks {
            let Some(taps) = self.calls.get_mut(&call) else { return };
            let Some(mut stream) = taps.streams.remove(&track) else { continue };
            let mut out = Vec::new();
            stream.finish(now, &mut out);
            out.retain(|output| matches!(output, Output::Item(_)));
            self.deliver(call, track, now, out);
        }
    }

    fn end_call(&mut self, call: CallId, now: Mono) {
        self.end_streams(call, None, now);
        self.calls.remove(&call);
    }
}
