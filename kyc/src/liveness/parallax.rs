//! Is the head that turns solid?
//!
//! When a head turns, each of its points moves sideways by its depth: the nose runs ahead of the
//! eyes, the ears stay behind. The points of a picture that is moved, tilted or bent move by a
//! smooth map of their place instead. So the place of each point before and after is compared: what
//! a quadratic map of the picture plane explains is taken out (a homography is one to second order,
//! and so is a bend), and what remains is held against the depth of a head.
//!
//! Only places in the picture are evidence. The depths are the mesh's idea of any head, and it
//! would see them in a photograph as well; so would the angle of the turn, which only scales.

use super::look::{FaceObservation, Rigid};

/// How solid a turned head is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Solidity {
    /// Movement by depth over that of a head turned as far: 1 for a solid head, 0 for a picture.
    pub depth: f32,
    /// Share of what no smooth map explains that is movement by depth, `0..=1`.
    pub agreement: f32,
}

/// Compares turned heads with one that looks straight.
#[derive(Debug, Default)]
pub(super) struct Parallax {
    /// The last straight looks, newest last.
    straight: Vec<Straight>,
    turned: Vec<Solidity>,
    /// One result for each turn; `None` where it could not be measured.
    pub(super) results: Vec<Option<Solidity>>,
}

#[derive(Debug, Clone, Copy)]
struct Straight {
    rigid: Rigid,
    yaw: f32,
    pitch: f32,
}

/// Straight looks that are averaged: fewer leave the mesh's waver in, more the head's.
const STRAIGHT: usize = 6;
/// A head turned by less than this (degrees) shows too little, whatever the camera sees of it: one
/// that looks straight past a camera at its side is turned by some already. A gesture may be
/// complete 8 degrees from there.
const TURNED_BY: f32 = 7.0;
/// A head less turned than this, seen from the camera, is on its way.
const TURNED_FROM: f32 = 14.0;
/// Looks of one gesture that are measured.
const TURNED: usize = 40;

impl Parallax {
    /// Takes one look at a face that looks `straight`, or does not.
    pub(super) fn look(&mut self, face: &FaceObservation, straight: bool) {
        if straight && face.mouth < 0.2 {
            if self.straight.len() == STRAIGHT {
                self.straight.remove(0);
            }
            self.straight.push(Straight { rigid: face.rigid, yaw: face.yaw, pitch: face.pitch });
        } else if face.yaw.abs() >= TURNED_FROM
            && self.turned.len() < TURNED
            && let Some(solidity) = self.measure(face)
        {
            self.turned.push(solidity);
        }
    }

    /// Whether a turned head was measured since the gesture began.
    pub(super) fn has_turned(&self) -> bool {
        !self.turned.is_empty()
    }

    /// A new gesture begins.
    pub(super) fn begin(&mut self) {
        self.turned.clear();
    }

    /// What was seen before belongs to another face, perhaps.
    pub(super) fn interrupt(&mut self) {
        self.straight.clear();
        self.turned.clear();
    }

    /// A turn is complete: keeps the median over its looks.
    pub(super) fn end_turn(&mut self) {
        let median = |of: fn(&Solidity) -> f32| {
            let mut all: Vec<f32> = self.turned.iter().map(of).collect();
            all.sort_by(f32::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let (depth, agreement) = (median(|s| s.depth), median(|s| s.agreement));
        self.results
            .push(depth.zip(agreement).map(|(depth, agreement)| Solidity { depth, agreement }));
        self.turned.clear();
    }

    /// The mean over the straight looks.
    fn measure(&self, face: &FaceObservation) -> Option<Solidity> {
        let far = self.straight.iter().filter(|s| (face.yaw - s.yaw).abs() >= TURNED_BY);
        let count = far.clone().count();
        let all: Vec<Solidity> = far
            .filter_map(|s| solidity(&s.rigid, &face.rigid, face.yaw - s.yaw, face.pitch - s.pitch))
            .collect();
        if all.len() < count.clamp(1, 2) {
            return None;
        }
        let mean = |of: fn(&Solidity) -> f32| all.iter().map(of).sum::<f32>() / all.len() as f32;
        Some(Solidity { depth: mean(|s| s.depth), agreement: mean(|s| s.agreement) })
    }
}

/// Terms of the smooth map: 1, x, y, x², xy, y².
const TERMS: usize = 6;

/// How solid a head is that is `straight` in one picture and `turned` by these angles (degrees)
/// in another. `None` where the points do not allow to say.
#[must_use]
pub fn solidity(straight: &Rigid, turned: &Rigid, yaw: f32, pitch: f32) -> Option<Solidity> {
    let frame = Frame::of(straight)?;
    let places: Vec<[f64; 2]> = straight.at.iter().map(|p| frame.place(p.x, p.y)).collect();
    let basis: Vec<[f64; TERMS]> =
        places.iter().map(|&[x, y]| [1.0, x, y, x * x, x * y, y * y]).collect();
    let depth: Vec<f64> = straight.depth.iter().map(|&z| f64::from(z) / frame.unit).collect();
    let after = Frame::of(turned)?;
    // The turned points upright, in the unit of the straight head: turning shortens the distance
    // of the eyes but not the head.
    let upright: Vec<[f64; 2]> = turned.at.iter().map(|p| after.place(p.x, p.y)).collect();

    let bare_depth = without_smooth(&basis, &depth)?;
    let across = without_smooth(&basis, &upright.iter().map(|p| p[0]).collect::<Vec<_>>())?;
    let down = without_smooth(&basis, &upright.iter().map(|p| p[1]).collect::<Vec<_>>())?;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let own = dot(&bare_depth, &bare_depth);
    let left_over = dot(&across, &across) + dot(&down, &down);
    if own < 1e-9 || left_over < 1e-12 {
        return None;
    }
    // Depth grows away from the camera, so what is near runs ahead: the sign is negative.
    let (a, b) = (dot(&bare_depth, &across) / own, dot(&bare_depth, &down) / own);
    let (yaw, pitch) = (f64::from(yaw).to_radians(), f64::from(pitch).to_radians());
    let expected = [-yaw.sin(), pitch.sin()];
    let length = (expected[0].powi(2) + expected[1].powi(2)).sqrt();
    if length < 0.1 {
        return None;
    }
    let along = (a * expected[0] + b * expected[1]) / length;
    // In the unit of the turned eyes, which are closer together by the cosine.
    let scale = yaw.cos().max(0.5);
    Some(Solidity {
        depth: (along * scale / length) as f32,
        agreement: ((a * a + b * b) * own / left_over) as f32,
    })
}

/// A frame of reference in a picture: the eyes level, their distance the unit.
struct Frame {
    origin: [f64; 2],
    unit: f64,
    cos: f64,
    sin: f64,
}

impl Frame {
    fn of(rigid: &Rigid) -> Option<Self> {
        let [right, left] = rigid.eyes();
        let (dx, dy) = (f64::from(left.x - right.x), f64::from(left.y - right.y));
        let unit = dx.hypot(dy);
        let origin = [f64::from(right.x + left.x) / 2.0, f64::from(right.y + left.y) / 2.0];
        let usable = unit.is_finite() && unit >= 1.0 && rigid.is_finite();
        usable.then(|| Self { origin, unit, cos: dx / unit, sin: dy / unit })
    }

    fn place(&self, x: f32, y: f32) -> [f64; 2] {
        let (x, y) = (f64::from(x) - self.origin[0], f64::from(y) - self.origin[1]);
        [(x * self.cos + y * self.sin) / self.unit, (y * self.cos - x * self.sin) / self.unit]
    }
}

/// What no combination of the basis explains of the values (least squares).
fn without_smooth(basis: &[[f64; TERMS]], values: &[f64]) -> Option<Vec<f64>> {
    let mut normal = [[0.0; TERMS + 1]; TERMS];
    for (row, value) in basis.iter().zip(values) {
        for (line, &a) in normal.iter_mut().zip(row) {
            for (cell, b) in line.iter_mut().zip(row.iter().chain([value])) {
                *cell += a * b;
            }
        }
    }
    let weights = solve(normal)?;
    let fitted = |row: &[f64; TERMS]| row.iter().zip(weights).map(|(a, w)| a * w).sum::<f64>();
    Some(basis.iter().zip(values).map(|(row, value)| value - fitted(row)).collect())
}

/// Solves a small system by elimination with pivots; the last column is the right side.
fn solve(mut rows: [[f64; TERMS + 1]; TERMS]) -> Option<[f64; TERMS]> {
    for column in 0..TERMS {
        let pivot = (column..TERMS).max_by(|&a, &b| {
            let size = |i: usize| rows.get(i).and_then(|r| r.get(column)).map_or(0.0, |v| v.abs());
            size(a).total_cmp(&size(b))
        })?;
        rows.swap(column, pivot);
        let lead = *rows.get(column)?;
        let head = *lead.get(column)?;
        if head.abs() < 1e-12 {
            return None;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = row.get(column).copied().unwrap_or(0.0) / head;
            if index != column {
                for (cell, value) in row.iter_mut().zip(lead) {
                    *cell -= factor * value;
                }
            }
        }
    }
    let mut solution = [0.0; TERMS];
    for (index, slot) in solution.iter_mut().enumerate() {
        let row = rows.get(index)?;
        *slot = row.get(TERMS)? / row.get(index)?;
    }
    Some(solution)
}
