//! Loops: a stretch of movement that comes again.
//!
//! Nobody moves twice in exactly the same way. So the way of the face over the last two seconds,
//! where there was one, is held against every earlier two seconds at any distance in time. Looks do
//! not fall on the same moments of a loop each time round, so the earlier way is interpolated.

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::Mono;

use super::{super::look::FaceObservation, seconds};

#[derive(Debug, Default)]
pub(super) struct Recurrence {
    track: VecDeque<Moment>,
    searched: Option<Mono>,
    least: Option<f32>,
}

/// Where a face is and what it does, all in one unit: parts of the distance of its eyes.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: f64,
    way: [f32; WAY],
}

/// Place of the eyes' middle, distance of the eyes, slope of the eyes, nose against the eyes (x, y),
/// lids, mouth, smile.
const WAY: usize = 9;
/// What is compared, in seconds.
const STRETCH: f64 = 2.0;
/// The copy is at least this much earlier, so that slow movement is not compared with itself.
const APART: f64 = 2.5;
/// A search every so often: it costs about a millisecond.
const SEARCH_EVERY: Duration = Duration::from_millis(900);
/// How finely the distance in time is searched, in seconds.
const STEP: f64 = 0.02;
/// Movement in a stretch (standard deviation, root sum of squares) below which it is rest, and all
/// rest is alike.
const MOVEMENT: f32 = 0.12;
/// Looks kept: 150 seconds at 12 a second.
const KEPT: usize = 1_800;
/// Fewer looks in a stretch say nothing.
const MIN_LOOKS: usize = 8;

impl Recurrence {
    pub(super) fn look(&mut self, at: Mono, face: &FaceObservation) {
        if self.track.len() == KEPT {
            self.track.pop_front();
        }
        self.track.push_back(Moment { at: seconds(at), way: way(face) });
        if self.searched.is_none_or(|last| at.since(last) >= SEARCH_EVERY) {
            self.searched = Some(at);
            self.search();
        }
    }

    /// The least difference of two stretches over the movement in them.
    pub(super) const fn least(&self) -> Option<f32> {
        self.least
    }

    fn search(&mut self) {
        let Some(newest) = self.track.back().map(|m| m.at) else { return };
        let Some(oldest) = self.track.front().map(|m| m.at) else { return };
        let stretch: Vec<Moment> =
            self.track.iter().filter(|m| m.at >= newest - STRETCH).copied().collect();
        let movement = movement(&stretch);
        if stretch.len() < MIN_LOOKS || movement < MOVEMENT {
            return;
        }
        let all: Vec<Moment> = self.track.iter().copied().collect();
        let mut back = APART;
        while newest - STRETCH - back >= oldest {
            let limit = self.least.unwrap_or(1.0) * movement;
            if let Some(difference) = difference(&stretch, &all, back, limit) {
                self.least = Some(difference / movement);
            }
            back += STEP;
        }
        // A stretch that moved and was compared with something is evidence, whatever came of it.
        if newest - STRETCH - APART >= oldest {
            self.least.get_or_insert(1.0);
        }
    }
}

fn way(face: &FaceObservation) -> [f32; WAY] {
    let [a, b] = face.rigid.eyes();
    let nose = face.rigid.at.get(5).copied().unwrap_or_default();
    let unit = face.rigid.eye_distance();
    let (x, y) = ((a.x + b.x) / 2.0, (a.y + b.y) / 2.0);
    [
        x / USUAL_EYES,
        y / USUAL_EYES,
        unit / USUAL_EYES,
        (b.y - a.y) / unit,
        (nose.x - x) / unit,
        (nose.y - y) / unit,
        0.3 * face.blink,
        0.5 * face.mouth,
        0.5 * face.smile,
    ]
}

/// A usual distance of the eyes in pixels: only weighs place against gesture.
const USUAL_EYES: f32 = 100.0;

/// Root mean square way from the mean over a stretch.
fn movement(stretch: &[Moment]) -> f32 {
    let n = stretch.len().max(1) as f32;
    let mut sum = 0.0;
    for dimension in 0..WAY {
        let values = || stretch.iter().filter_map(|m| m.way.get(dimension));
        let mean = values().sum::<f32>() / n;
        sum += values().map(|v| (v - mean).powi(2)).sum::<f32>();
    }
    (sum / n).sqrt()
}

/// Root mean square difference of a stretch to what was `back` seconds earlier, if it is less than
/// `limit` and all of that is known.
fn difference(stretch: &[Moment], all: &[Moment], back: f64, limit: f32) -> Option<f32> {
    let n = stretch.len() as f32;
    let most = limit * limit * n;
    let mut sum = 0.0;
    let first = stretch.first()?.at - back;
    let mut index = all.partition_point(|m| m.at <= first).saturating_sub(1);
    for moment in stretch {
        let then = moment.at - back;
        while all.get(index + 1).is_some_and(|m| m.at <= then) {
            index += 1;
        }
        let (before, after) = (all.get(index)?, all.get(index + 1)?);
        let gap = after.at - before.at;
        if before.at > then || gap > 0.4 || gap <= 0.0 {
            return None;
        }
        let share = ((then - before.at) / gap) as f32;
        for ((v, p), q) in moment.way.iter().zip(before.way).zip(after.way) {
            sum += (v - (p + (q - p) * share)).powi(2);
        }
        if sum >= most {
            return None;
        }
    }
    Some((sum / n).sqrt())
}
