//! What a party sees and hears: which frames are whole, which can be shown, and when it froze.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use vbranch_domain::Mono;

use crate::load::{
    histogram::Histogram,
    play::{FPS, Stamp},
};

/// Frames kept while parts are missing: two seconds. The oldest goes first.
const WAITING: usize = 2 * FPS as usize;
/// A picture froze when the next one comes this much later than it should: what browsers count
/// (W3C webrtc-stats, `freezeCount`), at an even rate of frames.
const FROZEN: Duration = Duration::from_millis(1_000 / FPS as u64 + 150);
/// With nothing to show for this long, a key frame is asked for, and again.
const PATIENCE: Duration = Duration::from_millis(400);

/// What was seen of what was sent within the time that is measured.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) video: Histogram,
    pub(super) audio: Histogram,
    /// Of whole frames.
    pub(super) video_packets: u64,
    pub(super) shown: u64,
    pub(super) freezes: u64,
    pub(super) frozen: Duration,
    pub(super) key_frames: u64,
}

/// What was seen since the last look.
#[derive(Debug, Default)]
pub(super) struct Recently {
    pub(super) delays: Histogram,
    pub(super) shown: u64,
}

#[derive(Debug, Default)]
pub(super) struct Viewer {
    measured: Option<Range<Mono>>,
    seen: Seen,
    recently: Recently,
    /// By RTP timestamp.
    partial: BTreeMap<u64, Partial>,
    /// Whole, and waiting for the ones before.
    whole: BTreeMap<u32, bool>,
    /// The next frame that can be shown after the last one.
    expected: Option<u32>,
    shown_at: Option<Mono>,
    asked_at: Option<Mono>,
}

#[derive(Debug, Default)]
struct Partial {
    stamp: Option<Stamp>,
    got: u16,
}

impl Viewer {
    pub(super) fn measure(&mut self, during: Range<Mono>) {
        self.shown_at = Some(during.start);
        self.measured = Some(during);
    }

    /// The result, once the measured time is over: standing still until the end is a freeze too.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = self.seen.clone();
        if let (Some(measured), Some(last)) = (&self.measured, self.shown_at)
            && measured.end.since(last) > FROZEN
        {
            seen.freezes += 1;
            seen.frozen += measured.end.since(last);
        }
        seen
    }

    pub(super) fn take_second(&mut self) -> Recently {
        std::mem::take(&mut self.recently)
    }

    /// Every audio packet is stamped.
    pub(super) fn take_audio(&mut self, now: Mono, payload: &[u8]) {
        if let Some(stamp) = Stamp::of_audio(payload)
            && self.counts(stamp.at)
        {
            self.seen.audio.add(now.since(stamp.at));
        }
    }

    /// One packet of each frame is stamped; `time` is the RTP timestamp, extended.
    pub(super) fn take_video(&mut self, now: Mono, time: u64, payload: &[u8]) {
        let partial = self.partial.entry(time).or_default();
        partial.got += 1;
        partial.stamp = partial.stamp.or(Stamp::of_video(payload));
        if let Some(stamp) = partial.stamp.filter(|s| partial.got >= s.packets) {
            self.partial.remove(&time);
            self.complete(now, stamp);
        }
        while self.partial.len() > WAITING {
            self.partial.pop_first();
        }
    }

    fn counts(&self, sent: Mono) -> bool {
        self.measured.as_ref().is_some_and(|m| m.contains(&sent))
    }

    fn complete(&mut self, now: Mono, stamp: Stamp) {
        let delay = now.since(stamp.at);
        self.recently.delays.add(delay);
        if self.counts(stamp.at) {
            self.seen.video.add(delay);
            self.seen.video_packets += u64::from(stamp.packets);
        }
        if self.expected.is_some_and(|expected| stamp.number < expected) {
            return;
        }
        self.whole.insert(stamp.number, stamp.key);
        while self.whole.len() > WAITING {
            self.whole.pop_first();
        }
        self.show_what_can_be(now);
    }

    fn show_what_can_be(&mut self, now: Mono) {
        while let Some(number) = self.next_to_show() {
            self.whole.retain(|n, _| *n > number);
            self.expected = Some(number + 1);
            self.show(now);
        }
    }

    /// The frame after the last one, or a key frame where that is missing.
    fn next_to_show(&self) -> Option<u32> {
        let next = self.expected.filter(|expected| self.whole.contains_key(expected));
        next.or_else(|| self.whole.iter().find(|(_, key)| **key).map(|(number, _)| *number))
    }

    fn show(&mut self, now: Mono) {
        self.recently.shown += 1;
        if self.counts(now) {
            self.seen.shown += 1;
            let since = self.shown_at.map_or(Duration::ZERO, |last| now.since(last));
            if since > FROZEN {
                self.seen.freezes += 1;
                self.seen.frozen += since;
            }
        }
        self.shown_at = Some(now);
    }

    /// Whether a key frame should be asked for now; if so, notes that it was.
    pub(super) fn wants_key_frame(&mut self, now: Mono) -> bool {
        let begun = *self.shown_at.get_or_insert(now);
        let quiet = begun.max(self.asked_at.unwrap_or(begun));
        if now.since(quiet) < PATIENCE || (self.partial.is_empty() && self.whole.is_empty()) {
            return false;
        }
        self.asked_at = Some(now);
        self.seen.key_frames += u64::from(self.counts(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 33;

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    /// Three packets a frame; `lost` gives frames whose last packet never comes.
    fn watch(frames: std::ops::Range<u32>, keys: &[u32], lost: &[u32]) -> Viewer {
        let mut viewer = Viewer::default();
        viewer.measure(ms(0)..ms(100_000));
        for number in frames {
            let at = ms(u64::from(number) * FRAME);
            let stamp = Stamp { number, packets: 3, key: keys.contains(&number), at };
            let now = at + Duration::from_millis(5);
            let time = u64::from(number) * 3_000;
            viewer.take_video(now, time, &[0x41, 1]);
            viewer.take_video(now, time, &stamp.as_video());
            if !lost.contains(&number) {
                viewer.take_video(now, time, &[0x41, 2]);
            }
        }
        viewer.measured = Some(ms(0)..viewer.shown_at.unwrap());
        viewer
    }

    #[test]
    fn whole_frames_are_shown_and_timed() {
        let seen = watch(0..30, &[0], &[]).seen();
        assert_eq!((seen.shown, seen.freezes, seen.video_packets), (30, 0, 90));
        assert!((4.9..5.3).contains(&seen.video.quantile_ms(0.5)));
    }

    #[test]
    fn a_picture_stands_still_until_the_next_key_frame() {
        let mut viewer = watch(0..30, &[0, 20], &[9]);
        let seen = viewer.seen();
        assert_eq!(seen.shown, 9 + 10, "what refers to a lost frame cannot be shown");
        assert_eq!(seen.video.total(), 29, "it has arrived all the same");
        assert_eq!((seen.freezes, seen.frozen), (1, Duration::from_millis(12 * FRAME)));
        let quiet = ms(29 * FRAME) + Duration::from_millis(450);
        viewer.take_video(quiet, 1_000_000, &[0x41]);
        assert!(viewer.wants_key_frame(quiet), "nothing to show for so long");
        assert!(!viewer.wants_key_frame(quiet), "not twice at once");
    }

    #[test]
    fn frames_that_overtake_each_other_are_shown_in_order_and_once() {
        let mut viewer = watch(0..10, &[0], &[]);
        let stamp = |number| Stamp { number, packets: 1, key: false, at: ms(0) };
        for number in [12, 11, 10, 11, 3] {
            viewer.take_video(ms(400), u64::from(number) * 3_000, &stamp(number).as_video());
        }
        assert_eq!(viewer.expected, Some(13));
    }
}
