//! Who is speaking, from the audio levels that clients send with each packet (RFC 6464).
//!
//! Levels are averaged over windows, so that neither the number of packets nor single loud ones
//! count for more, then smoothed. Somebody takes over only by being clearly louder for several
//! windows in a row, and not before the present speaker has had [`HOLD`]. Silence changes nothing.
//!
//! Levels are the client's own claim. A client that claims to shout gains nothing over one that
//! speaks up ([`LOUDEST`]); it is shown as the speaker, which it could be by making noise as well.

use std::time::Duration;

use vbranch_domain::Mono;

use super::MAX_MEMBERS;

/// Length of a window. Shorter lets a cough count; longer makes the change late.
const WINDOW: Duration = Duration::from_millis(100);
/// Shortest time between two changes. Shorter makes pages jump in a lively talk.
const HOLD: Duration = Duration::from_millis(1500);
/// Windows in a row in which a newcomer must be the clearly louder one.
const WINDOWS_TO_TAKE_OVER: u8 = 3;
/// Quieter than this (loudness, dB above RFC 6464's silence) is background: -55 dBov.
const FLOOR: u16 = 72;
/// Louder than this counts as this: -25 dBov, a person speaking into a microphone.
const LOUDEST: u16 = 102;
/// How much louder a newcomer must be than the present speaker, dB.
const MARGIN: u16 = 6;
/// Loudness is kept in 16ths of a decibel, so that smoothing in integers converges.
const SCALE: u16 = 16;

/// Finds the active speaker of a call.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    voices: [Voice; MAX_MEMBERS],
    current: Option<usize>,
    /// Who has been the clearly louder one, for how many windows in a row.
    challenger: Option<(usize, u8)>,
    changed_at: Option<Mono>,
    window_ends: Mono,
}

#[derive(Debug, Default, Clone, Copy)]
struct Voice {
    /// Sum of loudness and number of packets in the present window.
    sum: u32,
    packets: u32,
    /// Smoothed loudness in 16ths of a decibel.
    loudness: u16,
}

impl Speaker {
    /// One packet's level: 0 is the loudest, 127 (and, from a client that does not keep to the
    /// seven bits, whatever is above) silence.
    pub(super) fn heard(&mut self, member: usize, level: u8) {
        if let Some(voice) = self.voices.get_mut(member) {
            let loudness = 127 - u32::from(level.min(127));
            voice.sum = voice.sum.saturating_add(loudness.min(u32::from(LOUDEST)));
            voice.packets = voice.packets.saturating_add(1);
        }
    }

    /// Ends the window if it is over. Tells the speaker where that changed. Only members for whom
    /// `eligible` says so may be the speaker.
    pub(super) fn tick(
        &mut self,
        now: Mono,
        eligible: impl Fn(usize) -> bool,
    ) -> Option<Option<usize>> {
        if self.current.is_some_and(|current| !eligible(current)) {
            self.current = None;
            return Some(None);
        }
        if now < self.window_ends {
            return None;
        }
        self.window_ends = now + WINDOW;
        for voice in &mut self.voices {
            voice.end_window();
        }
        let challenger = self.loudest(eligible).filter(|at| self.outdoes_current(*at));
        self.challenger = challenger.map(|at| match self.challenger {
            Some((before, windows)) if before == at => (at, windows.saturating_add(1)),
            _ => (at, 1),
        });
        let (at, windows) = self.challenger?;
        let held = self.changed_at.is_none_or(|changed| now.since(changed) >= HOLD);
        if windows < WINDOWS_TO_TAKE_OVER || !held {
            return None;
        }
        self.current = Some(at);
        self.changed_at = Some(now);
        self.challenger = None;
        Some(self.current)
    }

    /// Who speaks, or spoke last.
    pub(super) const fn current(&self) -> Option<usize> {
        self.current
    }

    fn loudest(&self, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let voices = self.voices.iter().enumerate().filter(|(at, voice)| {
            Some(*at) != self.current && voice.loudness >= FLOOR * SCALE && eligible(*at)
        });
        voices.max_by_key(|(_, voice)| voice.loudness).map(|(at, _)| at)
    }

    /// Clearly louder than the present speaker, who may have gone silent.
    fn outdoes_current(&self, challenger: usize) -> bool {
        let loudness = |at: usize| self.voices.get(at).map_or(0, |voice| voice.loudness);
        self.current.is_none_or(|current| {
            let present = loudness(current);
            present < FLOOR * SCALE || loudness(challenger) >= present + MARGIN * SCALE
        })
    }
}

impl Voice {
    /// Takes the window's mean into the smoothed loudness: up at once, down slowly, so that the
    /// pauses between words are not silence.
    fn end_window(&mut self) {
        let mean = self.sum.checked_div(self.packets).unwrap_or(0);
        let mean = u16::try_from(mean).unwrap_or(LOUDEST).min(LOUDEST) * SCALE;
        (self.sum, self.packets) = (0, 0);
        self.loudness = if mean >= self.loudness {
            self.loudness + (mean - self.loudness) / 2
        } else {
            self.loudness - (self.loudness - mean).div_ceil(8)
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERYONE: fn(usize) -> bool = |_| true;

    /// Plays windows of levels (one per member) and gives the changes with their times.
    fn play(
        speaker: &mut Speaker,
        from: Mono,
        windows: impl IntoIterator<Item = Vec<u8>>,
    ) -> (Mono, Vec<(Mono, Option<usize>)>) {
        let (mut now, mut changes) = (from, vec![]);
        for levels in windows {
            for (member, level) in levels.into_iter().enumerate() {
                for _ in 0..5 {
                    speaker.heard(member, level);
                }
            }
            now += WINDOW;
            changes.extend(speaker.tick(now, EVERYONE).map(|change| (now, change)));
        }
        (now, changes)
    }

    fn windows(count: usize, levels: &[u8]) -> Vec<Vec<u8>> {
        vec![levels.to_vec(); count]
    }

    #[test]
    fn the_speaker_is_who_speaks_and_silence_keeps_the_last() {
        let mut speaker = Speaker::default();
        let (now, changes) = play(&mut speaker, Mono::ZERO, windows(20, &[30, 127]));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].1, Some(0));
        assert!(changes[0].0 <= Mono::from_millis(700), "within 0.7 s: {:?}", changes[0].0);
        let (now, changes) = play(&mut speaker, now, windows(600, &[127, 127]));
        assert_eq!((changes, speaker.current()), (vec![], Some(0)));
        let (_, changes) = play(&mut speaker, now, windows(20, &[127, 30]));
        assert_eq!(changes.len(), 1);
        assert_eq!(speaker.current(), Some(1));
    }

    #[test]
    fn background_noise_and_short_coughs_change_nothing() {
        let mut speaker = Speaker::default();
        let (now, changes) = play(&mut speaker, Mono::ZERO, windows(100, &[80, 70]));
        assert_eq!(changes, vec![], "nobody speaks");
        let (now, _) = play(&mut speaker, now, windows(30, &[30, 127]));
        let mut talk = windows(20, &[30, 127]);
        talk.extend(windows(2, &[30, 5]));
        talk.extend(windows(20, &[30, 127]));
        let (now, changes) = play(&mut speaker, now, talk);
        assert_eq!(changes, vec![], "a cough of 0.2 s into somebody's words");
        let mut pause = windows(50, &[127, 127]);
        pause.extend(windows(2, &[127, 20]));
        pause.extend(windows(50, &[127, 127]));
        assert_eq!(play(&mut speaker, now, pause).1, vec![], "nor into a silence");
    }

    #[test]
    fn of_two_who_talk_at_once_the_first_stays_and_a_quarrel_does_not_flap() {
        let mut speaker = Speaker::default();
        let (now, _) = play(&mut speaker, Mono::ZERO, windows(30, &[32, 127]));
        let (now, changes) = play(&mut speaker, now, windows(300, &[32, 29]));
        assert_eq!(changes, vec![], "3 dB louder is not clearly louder");
        // Each shouts the other down for 0.7 s, for a minute.
        let turns =
            (0..84).flat_map(|n| windows(7, if n % 2 == 0 { &[60, 20] } else { &[20, 60] }));
        let (_, changes) = play(&mut speaker, now, turns);
        assert!(!changes.is_empty());
        for pair in changes.windows(2) {
            assert!(pair[1].0.since(pair[0].0) >= Duration::from_millis(1500), "{pair:?}");
        }
    }

    #[test]
    fn more_packets_are_not_louder() {
        let mut speaker = Speaker::default();
        let (now, _) = play(&mut speaker, Mono::ZERO, windows(30, &[30, 127]));
        let mut now = now;
        for _ in 0..50 {
            speaker.heard(0, 30);
            for _ in 0..10_000 {
                speaker.heard(1, 31);
            }
            now += WINDOW;
            assert_eq!(speaker.tick(now, EVERYONE), None);
        }
    }

    #[test]
    fn a_speaker_who_may_no_longer_be_named_is_dropped_at_once() {
        let mut speaker = Speaker::default();
        let (now, _) = play(&mut speaker, Mono::ZERO, windows(30, &[30, 127]));
        assert_eq!(speaker.tick(now, |member| member != 0), Some(None));
        for n in 1..50 {
            speaker.heard(0, 10);
            let change = speaker.tick(now + WINDOW * n, |member| member != 0);
            assert_eq!(change, None);
        }
    }

    proptest! {
        /// Whatever is claimed, and however often the shard ticks, pages do not flap.
        #[test]
        fn no_levels_make_it_flap(
            packets in prop::collection::vec((0usize..20, any::<u8>(), 0u64..60), 0..4000),
        ) {
            let (mut speaker, mut now, mut last) = (Speaker::default(), Mono::ZERO, None::<Mono>);
            for (member, level, wait) in packets {
                speaker.heard(member, level);
                now += Duration::from_millis(wait);
                if speaker.tick(now, EVERYONE).is_some() {
                    let calm = Duration::from_millis(1500);
                    prop_assert!(last.is_none_or(|last| now.since(last) >= calm));
                    last = Some(now);
                }
            }
        }
    }
}
