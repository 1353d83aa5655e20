//! Everybody's sound, decoded, laid where it belongs on the recording's time, and mixed into one.

use std::{collections::VecDeque, time::Duration};

use opus::{Application, Channels, Decoder, Encoder, SoftClip};

use super::{FilmError, source::Sample};

/// Samples in a second, in and out.
pub(super) const RATE: u32 = 48_000;
/// Samples in a packet of the film: 20 ms.
pub(super) const PACKET: usize = 960;
/// A packet may be off from where the one before it ended by so much and still be played right
/// behind it: clocks drift, and a cut of a few samples clicks. 10 ms is an eighth of what sound and
/// picture may be apart.
const SLACK: u64 = 480;
/// The longest packet Opus has: 120 ms.
const LONGEST: usize = 5_760;
/// Plenty for a voice or two.
const BITRATE: i32 = 40_000;
/// As good as the highest to the ear at this rate, in half the time.
const COMPLEXITY: i32 = 5;

/// One track's sound.
pub(super) struct Voice {
    decoder: Decoder,
    /// Decoded and not taken. The first sample lies where the mixer is.
    ahead: VecDeque<f32>,
    scratch: Vec<f32>,
}

impl Voice {
    pub(super) fn new() -> Result<Self, FilmError> {
        let decoder = Decoder::new(RATE, Channels::Mono)?;
        Ok(Self { decoder, ahead: VecDeque::new(), scratch: vec![0.0; LONGEST] })
    }

    /// Adds what is heard from sample `at` on. Where nothing was recorded it is silent.
    pub(super) fn add(&mut self, at: u64, packets: &mut VecDeque<Sample>, mix: &mut [f32]) {
        let until = at.saturating_add(mix.len() as u64);
        while let Some(packet) = packets.pop_front_if(|packet| samples(packet.start) < until) {
            self.take(at, &packet);
        }
        for (sum, sample) in mix.iter_mut().zip(self.ahead.drain(..self.ahead.len().min(PACKET))) {
            *sum += sample;
        }
    }

    fn take(&mut self, at: u64, packet: &Sample) {
        // What cannot be decoded is silence of its length.
        let Ok(count) = self.decoder.decode_float(&packet.data, &mut self.scratch, false) else {
            return;
        };
        let start = samples(packet.start);
        let end = at.saturating_add(self.ahead.len() as u64);
        let mut skip = 0;
        if start > end.saturating_add(SLACK) || (self.ahead.is_empty() && start > end) {
            let silence = usize::try_from(start - end).unwrap_or(0).min(PACKET);
            self.ahead.extend(std::iter::repeat_n(0.0, silence));
        } else if end > start.saturating_add(SLACK) {
            // Late, or said twice: what has been played is over.
            skip = usize::try_from(end - start).unwrap_or(usize::MAX);
        }
        self.ahead.extend(self.scratch.iter().take(count).skip(skip));
    }
}

/// Mixes voices and codes what comes of it.
pub(super) struct Mixer {
    encoder: Encoder,
    clip: SoftClip,
    /// Where the next packet's first sample lies.
    at: u64,
    mix: Vec<f32>,
}

impl Mixer {
    pub(super) fn new() -> Result<Self, FilmError> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Audio)?;
        encoder.set_bitrate(opus::Bitrate::Bits(BITRATE))?;
        encoder.set_complexity(COMPLEXITY)?;
        // The coder gives back what it gets a little later. It is given everything that much
        // earlier, so the film's sound needs no correction by players that know none.
        let at = u64::try_from(encoder.get_lookahead()?).unwrap_or(0);
        Ok(Self { encoder, clip: SoftClip::new(Channels::Mono), at, mix: vec![0.0; PACKET] })
    }

    /// Until when voices are needed for the next packet.
    pub(super) const fn needs(&self) -> Duration {
        time(self.at + PACKET as u64)
    }

    /// The next 20 ms.
    pub(super) fn packet<'a>(
        &mut self,
        voices: impl Iterator<Item = (&'a mut Voice, &'a mut VecDeque<Sample>)>,
    ) -> Result<Vec<u8>, FilmError> {
        self.mix.fill(0.0);
        for (voice, packets) in voices {
            voice.add(self.at, packets, &mut self.mix);
        }
        self.clip.apply(&mut self.mix);
        self.at += PACKET as u64;
        Ok(self.encoder.encode_vec_float(&self.mix, 1_500)?)
    }
}

/// A time as a number of samples.
fn samples(time: Duration) -> u64 {
    let nanos = u64::from(time.subsec_nanos()) * u64::from(RATE);
    time.as_secs().saturating_mul(RATE.into()).saturating_add((nanos + 500_000_000) / 1_000_000_000)
}

const fn time(samples: u64) -> Duration {
    Duration::from_nanos(samples.saturating_mul(1_000_000_000 / 1_000) / (RATE as u64 / 1_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::source::Coding, *};

    /// 20 ms packets of a tone, at these milliseconds.
    fn tone(hz: f32, at: &[u64]) -> VecDeque<Sample> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip).unwrap();
        let packet = |(n, ms): (usize, &u64)| {
            let wave: Vec<f32> = (0..PACKET)
                .map(|i| {
                    ((n * PACKET + i) as f32 / RATE as f32 * hz * std::f32::consts::TAU).sin() * 0.3
                })
                .collect();
            let start = Duration::from_millis(*ms);
            Sample {
                start,
                end: start + Duration::from_millis(20),
                coding: Coding::H264,
                data: encoder.encode_vec_float(&wave, 1_500).unwrap().into(),
            }
        };
        at.iter().enumerate().map(packet).collect()
    }

    /// The loudness of each 20 ms of a voice.
    fn loudness(packets: &mut VecDeque<Sample>, blocks: u64) -> Vec<f32> {
        let mut voice = Voice::new().unwrap();
        (0..blocks)
            .map(|n| {
                let mut mix = vec![0.0; PACKET];
                voice.add(n * PACKET as u64, packets, &mut mix);
                (mix.iter().map(|s| s * s).sum::<f32>() / PACKET as f32).sqrt()
            })
            .collect()
    }

    #[test]
    fn sound_is_heard_where_it_was_recorded_and_a_gap_stays_silent() {
        let times: Vec<u64> = (10..20).chain(40..50).map(|n| n * 20).collect();
        let heard = loudness(&mut tone(440.0, &times), 60);
        for (n, level) in heard.iter().enumerate() {
            match n {
                0..10 | 22..40 | 52.. => assert!(*level < 0.01, "{n}: {level}"),
                12..20 | 42..50 => assert!(*level > 0.1, "{n}: {level}"),
                _ => {}
            }
        }
    }

    #[test]
    fn sound_that_drifts_a_little_is_not_cut() {
        let mut packets = tone(440.0, &(0..50).map(|n| n * 20).collect::<Vec<_>>());
        for (n, packet) in (0u32..).zip(packets.iter_mut()) {
            packet.start += Duration::from_micros(40) * n;
        }
        let heard = loudness(&mut packets, 50);
        assert!(heard[2..].iter().all(|level| (0.15..0.25).contains(level)), "{heard:?}");
    }

    #[test]
    fn everybody_is_in_the_mix_and_loud_ones_do_not_break_it() {
        let times: Vec<u64> = (0..25).map(|n| n * 20).collect();
        let mut queues: Vec<_> = (0..6).map(|n| tone(200.0 + 97.0 * n as f32, &times)).collect();
        let mut voices: Vec<_> = queues.iter().map(|_| Voice::new().unwrap()).collect();
        let mut mixer = Mixer::new().unwrap();
        let mut decoder = Decoder::new(RATE, Channels::Mono).unwrap();
        for _ in 0..20 {
            let packet = mixer.packet(voices.iter_mut().zip(queues.iter_mut())).unwrap();
            let mut heard = vec![0.0; PACKET];
            assert_eq!(decoder.decode_float(&packet, &mut heard, false).unwrap(), PACKET);
            assert!(heard.iter().all(|s| s.abs() <= 1.2));
        }
        assert!(queues.iter().all(|queue| queue.len() <= 5));
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_is_kept_for_long(
            starts in proptest::collection::vec((0u64..2_000, proptest::collection::vec(any::<u8>(), 0..40)), 0..60),
        ) {
            let mut packets: VecDeque<Sample> = starts
                .into_iter()
                .map(|(ms, data)| {
                    let start = Duration::from_millis(ms);
                    Sample { start, end: start, coding: Coding::H264, data: data.into() }
                })
                .collect();
            let mut voice = Voice::new().unwrap();
            for n in 0..110 {
                let mut mix = vec![0.0; PACKET];
                voice.add(n * PACKET as u64, &mut packets, &mut mix);
            }
            prop_assert!(packets.is_empty());
            prop_assert_eq!(time(samples(Duration::from_millis(1_234))), Duration::from_millis(1_234));
        }
    }
}
