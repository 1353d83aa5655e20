//! Cuts: a face that is elsewhere from one look to the next, at rest before and after.
//!
//! A body needs time to gather speed and to lose it. A movement that begins and ends between two
//! looks, with hardly any in the looks around, was cut out of a film.

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::Mono;

use super::super::look::{FaceObservation, Scene};

#[derive(Debug, Default)]
pub(super) struct Jumps {
    recent: VecDeque<Place>,
    count: u32,
}

/// Where a face is, in distances of its eyes, and how it is turned.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: Mono,
    x: f32,
    y: f32,
    unit: f32,
    yaw: f32,
    track: u32,
}

/// Looks further apart than this leave time for any movement.
pub(super) const CLOSE: Duration = Duration::from_millis(180);
/// A jump is at least this far: distances of the eyes, or degrees over [`DEGREES`].
const FAR: f32 = 0.35;
/// Degrees of a turn that weigh as much as one distance of the eyes.
const DEGREES: f32 = 45.0;
/// Around a jump, movement is less than this share of it.
const STILL: f32 = 0.12;

impl Jumps {
    pub(super) fn look(&mut self, at: Mono, face: &FaceObservation) {
        let [a, b] = face.rigid.eyes();
        let place = Place {
            at,
            x: (a.x + b.x) / 2.0,
            y: (a.y + b.y) / 2.0,
            unit: face.rigid.eye_distance(),
            yaw: face.yaw,
            track: face.track,
        };
        if self.recent.len() == 5 {
            self.recent.pop_front();
        }
        self.recent.push_back(place);
        if self.is_jump() {
            self.count = self.count.saturating_add(1);
            self.recent.clear();
        }
    }

    /// A picture of another place followed at once.
    pub(super) const fn cut(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn interrupt(&mut self) {
        self.recent.clear();
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Whether the third of four steps between the last looks is a jump.
    fn is_jump(&self) -> bool {
        let places: Vec<&Place> = self.recent.iter().collect();
        let [a, b, c, d, e] = places[..] else { return false };
        let close = [(a, b), (b, c), (c, d), (d, e)].iter().all(|(p, q)| q.at.since(p.at) <= CLOSE);
        // A face that was lost and found again has not moved as far as it seems.
        let one_track = a.track == e.track;
        let jump = distance(b, c);
        let around = distance(a, b).max(distance(c, d)).max(distance(d, e));
        close && one_track && jump >= FAR && around <= STILL * jump
    }
}

/// Whether two pictures in a row are of different places: their light is laid out otherwise.
pub(super) fn is_cut(before: &Scene, after: &Scene) -> bool {
    /// Cuts between places correlate about 0, people who move before one place above 0.8.
    const ALIKE: f32 = 0.4;
    /// Luma, of 255: an even picture correlates with nothing.
    const STRUCTURE: f32 = 12.0;
    let n = Scene::CELLS as f32;
    let mean = |s: &Scene| s.cells.iter().sum::<f32>() / n;
    let (a, b) = (mean(before), mean(after));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (x, y) in before.cells.iter().zip(&after.cells) {
        both += (x - a) * (y - b);
        first += (x - a).powi(2);
        second += (y - b).powi(2);
    }
    let structured = (first / n).sqrt().min((second / n).sqrt()) >= STRUCTURE;
    structured && both / (first * second).sqrt() < ALIKE
}

fn distance(a: &Place, b: &Place) -> f32 {
    let unit = a.unit.max(b.unit);
    let (dx, dy) = ((a.x - b.x) / unit, (a.y - b.y) / unit);
    dx.hypot(dy).max((a.yaw - b.yaw).abs() / DEGREES)
}
