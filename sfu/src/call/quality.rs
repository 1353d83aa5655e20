//! How good a participant's connection is, as a score from 0 to 5 with its cause.
//!
//! Four impairments each take points off 5; the largest is the cause.
//!
//! *Sound* follows the E-model (ITU-T G.107) in its simplified form (Cole and Rosenbluth, 2001):
//! R = 93.2 − Id − Ie,eff, turned into an opinion score (G.107 annex B) and stretched so that an
//! unimpaired connection is 5. Id = 0.024 d + 0.11 (d − 177.3) above 177.3 ms one way; Ie,eff =
//! 95 p / (p + Bpl) for a loss of p per cent, with Ie = 0 for Opus at speech rates and above.
//!
//! *Picture:* a loss that was not repaired breaks the pictures up to the next repair, so the first
//! per cents cost most: 4 (1 − exp(−p / 5)). Each halving of the wanted bitrate costs one point,
//! as opinion scores of video fall with the logarithm of the rate.

use std::time::Duration;

use vbranch_domain::{Mono, Quality, QualityCause};

/// Between two scores.
const INTERVAL: Duration = Duration::from_secs(1);
/// R of an unimpaired connection (G.107 default).
const R_BEST: f32 = 93.2;
/// Packet-loss robustness (Bpl) of Opus with in-band FEC and its own concealment. G.711 with
/// concealment has 25 (G.113 appendix I), codecs without redundancy 4 to 10.
const ROBUSTNESS: f32 = 20.0;
/// One-way delay that every connection has: a packet of 20 ms and the least jitter buffer, in ms.
const DELAY_LEAST: f32 = 60.0;
/// The client's machine cannot keep up: a lower frame rate or resolution than wanted.
const CPU_POINTS: f32 = 1.0;
/// Most that one impairment of the picture takes: somebody who is still heard is not at 0.
const PICTURE_MOST: f32 = 4.0;
/// What must be taken off for it to be named as a cause.
const NOTABLE: f32 = 0.25;
/// Weight of a worse second, and of a better one: trouble shows within two seconds, and has to
/// stay away for some to be over.
const WORSE: f32 = 0.6;
const BETTER: f32 = 0.25;

/// What was seen of a connection in the last second. Numbers may come from the peer: anything is
/// taken, nonsense as the nearest sensible value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observed {
    /// Share of packets, 0 to 1, that were lost and not repaired: to us and to the client.
    pub(crate) loss_up: f32,
    pub(crate) loss_down: f32,
    pub(crate) rtt: Duration,
    /// Interarrival jitter (RFC 3550 section 6.4.1), the worse of both ways.
    pub(crate) jitter: Duration,
    /// What the network to the client carries, and what its slots would take at their best
    /// (`Allocation::full`), bit/s. `None` while there is no estimate.
    pub(crate) available: Option<u64>,
    pub(crate) wanted: u64,
    /// The client says that its machine limits what it sends.
    pub(crate) cpu_limited: bool,
}

/// Scores one participant's connection.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Smoothed points off, by cause.
    off: [f32; 4],
    next_at: Mono,
    told: Option<Told>,
}

/// A score in tenths, and its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    tenths: u8,
    cause: Option<QualityCause>,
}

const CAUSES: [QualityCause; 4] =
    [QualityCause::Loss, QualityCause::Delay, QualityCause::Bitrate, QualityCause::Cpu];

impl Meter {
    /// Whether a second has passed, and an observation is due.
    pub(crate) fn is_due(&self, now: Mono) -> bool {
        now >= self.next_at
    }

    /// Takes one second's observation; gives the score where it is another one than last told.
    pub(crate) fn update(&mut self, now: Mono, observed: &Observed) -> Option<Quality> {
        self.next_at = now + INTERVAL;
        for (off, new) in self.off.iter_mut().zip(points_off(observed)) {
            let weight = if new > *off { WORSE } else { BETTER };
            *off += weight * (new - *off);
        }
        let told = self.present();
        let changed = self.told != Some(told);
        self.told = Some(told);
        changed.then(|| told.quality())
    }

    fn present(&self) -> Told {
        let score = (5.0 - self.off.iter().sum::<f32>()).clamp(0.0, 5.0);
        let largest = self.off.iter().zip(CAUSES).max_by(|a, b| a.0.total_cmp(b.0));
        let cause = largest.filter(|(off, _)| **off >= NOTABLE).map(|(_, cause)| cause);
        // 0 to 50, so nothing is cut.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50")]
        let tenths = (score * 10.0).round() as u8;
        Told { tenths, cause }
    }
}

impl Told {
    fn quality(self) -> Quality {
        Quality { score: f32::from(self.tenths) / 10.0, cause: self.cause }
    }
}

/// Points off for each of [`CAUSES`]: the worse of sound and picture.
fn points_off(observed: &Observed) -> [f32; 4] {
    let loss = share(observed.loss_up).max(share(observed.loss_down));
    let percent = 100.0 * loss;
    let sound = opinion_points(95.0 * percent / (percent + ROBUSTNESS));
    let picture = PICTURE_MOST * (1.0 - (-percent / 5.0).exp());
    let one_way =
        observed.rtt.as_secs_f32() * 500.0 + observed.jitter.as_secs_f32() * 2000.0 + DELAY_LEAST;
    let delay = opinion_points(delay_impairment(one_way) - delay_impairment(DELAY_LEAST));
    let cpu = if observed.cpu_limited { CPU_POINTS } else { 0.0 };
    [sound.max(picture), delay, bitrate_points(observed), cpu]
}

/// One point for each halving of what is wanted.
fn bitrate_points(observed: &Observed) -> f32 {
    let Some(available) = observed.available else { return 0.0 };
    if observed.wanted <= available {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for a score of two digits")]
    let ratio = observed.wanted as f32 / available.max(1) as f32;
    ratio.log2().clamp(0.0, PICTURE_MOST)
}

/// Id for a one-way delay in milliseconds.
fn delay_impairment(millis: f32) -> f32 {
    0.024 * millis + 0.11 * (millis - 177.3).max(0.0)
}

/// What an impairment in units of R takes off a score of 5.
fn opinion_points(impairment: f32) -> f32 {
    let best = opinion(R_BEST);
    5.0 * (best - opinion(R_BEST - impairment)) / (best - 1.0)
}

/// Mean opinion score, 1 to 4.5 (G.107 annex B).
fn opinion(r: f32) -> f32 {
    // Below 6.5 the polynomial rises again and dips under 1; the worst is the worst.
    if r <= 6.5 { 1.0 } else { (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0) }
}

/// A share of 0 to 1; what is not a number is taken as none.
fn share(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The score after half a minute of this.
    fn settled(observed: Observed) -> Quality {
        let mut meter = Meter::default();
        let told = (0..30).filter_map(|s| meter.update(Mono::from_millis(s * 1000), &observed));
        told.last().unwrap()
    }

    fn good() -> Observed {
        Observed {
            rtt: Duration::from_millis(40),
            jitter: Duration::from_millis(2),
            available: Some(3_000_000),
            wanted: 1_500_000,
            ..Observed::default()
        }
    }

    #[test]
    fn a_good_connection_has_nothing_taken_off() {
        let quality = settled(good());
        assert!(quality.score >= 4.8, "{quality:?}");
        assert_eq!(quality.cause, None);
    }

    #[test]
    fn each_impairment_is_named_and_lowers_the_score() {
        let cases = [
            (Observed { loss_up: 0.1, ..good() }, QualityCause::Loss, 1.0..3.5),
            (Observed { loss_down: 0.3, ..good() }, QualityCause::Loss, 0.0..2.0),
            (Observed { rtt: Duration::from_millis(800), ..good() }, QualityCause::Delay, 1.0..4.0),
            (Observed { available: Some(300_000), ..good() }, QualityCause::Bitrate, 2.0..3.5),
            (Observed { available: Some(0), ..good() }, QualityCause::Bitrate, 0.5..1.5),
            (Observed { cpu_limited: true, ..good() }, QualityCause::Cpu, 3.0..4.5),
        ];
        for (observed, cause, range) in cases {
            let quality = settled(observed);
            assert_eq!(quality.cause, Some(cause), "{observed:?}");
            assert!(range.contains(&quality.score), "{quality:?} for {observed:?}");
        }
    }

    #[test]
    fn trouble_shows_within_two_seconds_and_has_to_stay_away_to_be_over() {
        let mut meter = Meter::default();
        let second = |n: u64| Mono::from_millis(n * 1000);
        meter.update(second(0), &good());
        let bad = Observed { loss_up: 0.2, ..good() };
        meter.update(second(1), &bad);
        assert!(!meter.is_due(second(1)) && meter.is_due(second(2)));
        assert!(meter.update(second(2), &bad).unwrap().score < 2.5);
        assert!(meter.update(second(3), &good()).unwrap().score < 3.5, "one good second");
        let told = (4..30).filter_map(|n| meter.update(second(n), &good())).last();
        assert!(told.unwrap().score >= 4.8);
        assert_eq!(meter.update(second(40), &good()), None, "told once");
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_score(
            loss in any::<f32>(), rtt in any::<u64>(),
            jitter in any::<u64>(), available in any::<Option<u64>>(), wanted in any::<u64>(),
            cpu_limited in any::<bool>(),
        ) {
            let quality = settled(Observed {
                loss_up: loss, loss_down: -loss, available, wanted, cpu_limited,
                rtt: Duration::from_nanos(rtt), jitter: Duration::from_nanos(jitter),
            });
            prop_assert!((0.0..=5.0).contains(&quality.score));
        }

        #[test]
        fn more_loss_or_delay_is_never_better(
            low in 0.0f32..1.0, more in 0.0f32..1.0, rtt in 0u64..3000, longer in 0u64..3000,
        ) {
            let score = |loss_up, rtt| settled(Observed {
                loss_up, rtt: Duration::from_millis(rtt), ..good()
            }).score;
            prop_assert!(score(low + more, rtt) <= score(low, rtt));
            prop_assert!(score(low, rtt + longer) <= score(low, rtt));
        }
    }
}
