//! Fitting the light of the skin to the colours that were shown.
//!
//! All happens in the logarithm of linear light, where a camera that adapts its exposure or white
//! balance adds the same to everything it sees: the background's light is subtracted, and what
//! remains is the skin's own. Where there is no background, the mean over the channels is
//! subtracted instead, which takes exposure away and leaves colour. The answer is a gain for each
//! channel, at one lag for the whole showing.

use std::time::Duration;

use vbranch_domain::{Mono, kyc::FlashColour};

use super::{
    super::{
        look::{Light, Rgb},
        policy::{FlashPolicy, millis},
    },
    LightSample, Shown,
};
use crate::vision::linear;

/// How a face answered to the colours shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlashReading {
    /// What it comes to.
    pub answer: Answer,
    /// How well the skin follows, `-1..=1`, at the best lag.
    pub correlation: f32,
    /// How much better than the best of sequences that were not shown.
    pub margin: f32,
    /// That lag, in milliseconds.
    pub lag_ms: u32,
    /// Light of a full white screen over the other light on the skin.
    pub gain: f32,
    /// How well the part of the face follows that follows worst.
    pub worst_region: f32,
    /// How much the gain differs over the face: standard deviation over mean.
    pub relief: f32,
    /// How much the skin's light changes beside a slow drift (standard deviation of its logarithm).
    pub change: f32,
    /// The same from before the first colour.
    pub noise: f32,
}

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The face is lit by the screen.
    Follows,
    /// The face's light changes, but not with the colours.
    Foreign,
    /// The face follows, but later than a screen before it is seen.
    Late,
    /// Nothing is seen: the room is too bright, or the face is not before the screen.
    Unseen,
}

impl FlashReading {
    const NOTHING: Self = Self {
        answer: Answer::Unseen,
        correlation: 0.0,
        margin: 0.0,
        lag_ms: 0,
        gain: 0.0,
        worst_region: 0.0,
        relief: 0.0,
        change: 0.0,
        noise: 0.0,
    };
}

/// Lags are searched at least up to this, so that a late answer is not taken for none.
const LAG_SEARCHED: u64 = 1_600;
/// Lags are tried at this spacing.
const LAG_STEP: u64 = 25;
/// A picture shows what the screen showed within so long before (exposure and the screen's own
/// time to change).
const EXPOSURE: Duration = Duration::from_millis(50);
/// Fewer looks say nothing.
const MIN_SAMPLES: usize = 9;
/// A background darker than this (linear) is mostly noise, and its logarithm more so.
const MIN_BACKGROUND: f32 = 0.004;

/// A signal: one row of three channels for each look.
type Rows = Vec<[f64; 3]>;

pub(super) fn read(
    shown: &[Shown],
    samples: &[LightSample],
    before: &[LightSample],
    decoys: &[Vec<FlashColour>],
    policy: &FlashPolicy,
) -> FlashReading {
    if samples.len() < MIN_SAMPLES || shown.len() < 2 {
        return FlashReading::NOTHING;
    }
    let lags: Vec<u64> = (policy.lag_min_ms..=policy.lag_max_ms.max(LAG_SEARCHED))
        .step_by(LAG_STEP as usize)
        .collect();
    let has_background = |all: &[LightSample]| {
        all.iter()
            .all(|s| s.light.background.is_some_and(|b| b.iter().all(|&v| v > MIN_BACKGROUND)))
    };
    let best = References::all(has_background(samples))
        .into_iter()
        .map(|reference| (reference, best_lag(shown, samples, reference, &lags)))
        .max_by(|a, b| a.1.correlation.total_cmp(&b.1.correlation));
    let Some((reference, best)) = best else { return FlashReading::NOTHING };
    // No later than what was shown may be: a late lag leaves few looks, which fit many colours.
    let latest = policy.lag_max_ms.max(best.lag_ms);
    let fair: Vec<u64> = lags.iter().copied().filter(|&lag| lag <= latest).collect();
    let chance = decoys
        .iter()
        .map(|decoy| best_lag(&instead(shown, decoy), samples, reference, &fair).correlation)
        .fold(0.0, f64::max);

    let regions: Vec<Fit> = (0..Light::REGIONS)
        .map(|region| fit_at(shown, samples, reference, Part::Region(region), best.lag_ms))
        .collect();
    let worst =
        regions.iter().take(Light::FACING).map(|fit| fit.correlation).fold(f64::INFINITY, f64::min);
    let change = spread(&rows(samples, reference, Part::Whole));
    let noise = if before.len() >= MIN_SAMPLES
        && (reference != References::Background || has_background(before))
    {
        spread(&rows(before, reference, Part::Whole))
    } else {
        0.0
    };
    let mut reading = FlashReading {
        answer: Answer::Unseen,
        correlation: best.correlation as f32,
        margin: (best.correlation - chance) as f32,
        lag_ms: u32::try_from(best.lag_ms).unwrap_or(u32::MAX),
        gain: best.gain as f32,
        worst_region: worst as f32,
        relief: relief(&regions) as f32,
        change: change as f32,
        noise: noise as f32,
    };
    reading.answer = judge(&reading, policy);
    reading
}

fn judge(r: &FlashReading, policy: &FlashPolicy) -> Answer {
    /// Changes must stand out from those before the first colour this many times.
    const STANDS_OUT: f32 = 3.0;
    /// An answer that is so much weaker than wanted is poor; a weaker one is another light's.
    const POOR: f32 = 0.8;
    let poorly = r.correlation >= POOR * policy.correlation && r.margin >= policy.margin;
    let colours = poorly && r.correlation >= policy.correlation;
    let all_over = r.gain >= policy.gain && r.worst_region >= policy.region_correlation;
    if colours && all_over {
        if u64::from(r.lag_ms) > policy.lag_max_ms { Answer::Late } else { Answer::Follows }
    } else if !poorly && r.change >= policy.foreign.max(STANDS_OUT * r.noise) {
        Answer::Foreign
    } else {
        Answer::Unseen
    }
}

/// The showing, had it been other colours at the same times.
fn instead(shown: &[Shown], colours: &[FlashColour]) -> Vec<Shown> {
    let mut colours = colours.iter();
    shown
        .iter()
        .map(|s| Shown { colour: s.colour.and_then(|_| colours.next().copied()), ..*s })
        .collect()
}

/// Against what the skin's light is held.
#[derive(Debug, Clone, Copy, PartialEq)]
enum References {
    Background,
    Channels,
}

impl References {
    fn all(background: bool) -> Vec<Self> {
        if background { vec![Self::Background, Self::Channels] } else { vec![Self::Channels] }
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// The mean of the parts that face the screen.
    Whole,
    Region(usize),
}

/// How well a showing fits.
#[derive(Debug, Clone, Copy, Default)]
struct Fit {
    correlation: f64,
    gain: f64,
    lag_ms: u64,
}

fn best_lag(shown: &[Shown], samples: &[LightSample], reference: References, lags: &[u64]) -> Fit {
    let signal = rows(samples, reference, Part::Whole);
    lags.iter()
        .map(|&lag| fit(shown, samples, &signal, reference, lag))
        .max_by(|a, b| a.correlation.total_cmp(&b.correlation))
        .unwrap_or_default()
}

fn fit_at(
    shown: &[Shown],
    samples: &[LightSample],
    reference: References,
    part: Part,
    lag: u64,
) -> Fit {
    fit(shown, samples, &rows(samples, reference, part), reference, lag)
}

/// Fits the signal to what was shown `lag` before, over the looks for which that is known.
fn fit(
    shown: &[Shown],
    samples: &[LightSample],
    signal: &Rows,
    reference: References,
    lag: u64,
) -> Fit {
    let (mut times, mut skin, mut screen) = (Vec::new(), Vec::new(), Vec::new());
    let start = shown.first().map_or(Mono::ZERO, |s| s.at);
    for (sample, row) in samples.iter().zip(signal) {
        if let Some(light) = screen_light(shown, sample.at, lag) {
            times.push(sample.at.since(start).as_secs_f64());
            skin.push(*row);
            screen.push(match reference {
                References::Background => light,
                References::Channels => without_mean(light),
            });
        }
    }
    // Much of the showing must be seen: a long lag must not win by the few looks it leaves.
    if times.len() < MIN_SAMPLES || times.len() * 2 < samples.len() {
        return Fit { lag_ms: lag, ..Fit::default() };
    }
    let (skin, screen) = (without_drift(&times, &skin), without_drift(&times, &screen));
    let (mut explained, mut total, mut gain) = (0.0, 0.0, 0.0);
    for channel in 0..3 {
        let (mut both, mut emitted, mut seen) = (0.0, 0.0, 0.0);
        for (y, e) in column(&skin, channel).zip(column(&screen, channel)) {
            both += y * e;
            emitted += e * e;
            seen += y * y;
        }
        if emitted > 1e-9 {
            explained += both.signum() * both * both / emitted;
            gain += both / emitted / 3.0;
        }
        total += seen;
    }
    let share = if total > 1e-12 { explained / total } else { 0.0 };
    Fit { correlation: share.signum() * share.abs().sqrt(), gain, lag_ms: lag }
}

fn column(rows: &Rows, channel: usize) -> impl Iterator<Item = f64> + '_ {
    rows.iter().map(move |row| row.get(channel).copied().unwrap_or(0.0))
}

/// Mean linear light of the screen in the moment that a picture of `at` shows; `None` where it was
/// not one of ours.
fn screen_light(shown: &[Shown], at: Mono, lag: u64) -> Option<[f64; 3]> {
    /// Moments within the exposure.
    const STEPS: u32 = 4;
    let mut sum = [0.0; 3];
    for step in 0..STEPS {
        let back = millis(lag) + EXPOSURE * step / STEPS;
        let then = at.as_nanos().checked_sub(u64::try_from(back.as_nanos()).ok()?)?;
        let now = shown.iter().rev().find(|s| s.at.as_nanos() <= then)?;
        let FlashColour { r, g, b } = now.colour?;
        for (s, value) in sum.iter_mut().zip([r, g, b]) {
            *s += f64::from(linear(f32::from(value))) / f64::from(STEPS);
        }
    }
    Some(sum)
}

/// The logarithm of the skin's light against its reference.
fn rows(samples: &[LightSample], reference: References, part: Part) -> Rows {
    samples
        .iter()
        .map(|sample| {
            let skin = log(part.of(&sample.light));
            match (reference, sample.light.background) {
                (References::Background, Some(background)) => {
                    let behind = log(background);
                    [skin[0] - behind[0], skin[1] - behind[1], skin[2] - behind[2]]
                }
                _ => without_mean(skin),
            }
        })
        .collect()
}

impl Part {
    fn of(self, light: &Light) -> Rgb {
        let regions = match self {
            Self::Whole => light.skin.get(..Light::FACING),
            Self::Region(region) => light.skin.get(region..=region),
        }
        .unwrap_or_default();
        let mut mean = [0.0; 3];
        for rgb in regions {
            for (m, v) in mean.iter_mut().zip(rgb) {
                *m += v / regions.len() as f32;
            }
        }
        mean
    }
}

fn log(rgb: Rgb) -> [f64; 3] {
    rgb.map(|v| f64::from(v.max(1e-4)).ln())
}

fn without_mean(row: [f64; 3]) -> [f64; 3] {
    let mean = (row[0] + row[1] + row[2]) / 3.0;
    row.map(|v| v - mean)
}

/// Takes mean and straight trend out of each channel: people lean and clouds pass.
fn without_drift(times: &[f64], rows: &Rows) -> Rows {
    let n = times.len() as f64;
    let middle = times.iter().sum::<f64>() / n;
    let width: f64 = times.iter().map(|t| (t - middle).powi(2)).sum();
    let mut out = rows.clone();
    for channel in 0..3 {
        let mean = column(rows, channel).sum::<f64>() / n;
        let slope =
            times.iter().zip(column(rows, channel)).map(|(t, y)| (t - middle) * y).sum::<f64>()
                / width.max(1e-9);
        for (row, t) in out.iter_mut().zip(times) {
            if let Some(value) = row.get_mut(channel) {
                *value -= mean + slope * (t - middle);
            }
        }
    }
    out
}

/// How much a signal changes beside its drift.
fn spread(rows: &Rows) -> f64 {
    let times: Vec<f64> = (0..rows.len()).map(|n| n as f64).collect();
    let flat = without_drift(&times, rows);
    let sum: f64 = flat.iter().flatten().map(|v| v * v).sum();
    (sum / (3.0 * rows.len().max(1) as f64)).sqrt()
}

/// Standard deviation of the regions' gains over their mean.
fn relief(regions: &[Fit]) -> f64 {
    let n = regions.len().max(1) as f64;
    let mean = regions.iter().map(|fit| fit.gain).sum::<f64>() / n;
    if mean.abs() < 1e-6 {
        return 0.0;
    }
    let variance = regions.iter().map(|fit| (fit.gain - mean).powi(2)).sum::<f64>() / n;
    variance.sqrt() / mean.abs()
}
