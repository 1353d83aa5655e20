//! A face as a mesh of triangles, and what muscles and the neck do to it.
//!
//! The points come from reference annotations (`tools/annotate.py`), not from the check's own code.

/// A point: x and y in picture pixels, z away from the camera in the same unit.
pub type Point3 = [f32; 3];

/// Points of the face, without the irises, in the order of the annotation.
pub const FACE_POINTS: usize = 468;
/// The outline of the face, clockwise from the forehead.
#[rustfmt::skip]
const OVAL: [usize; 36] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
];
/// Two rings around the face carry hair and neck along: how far out, and how much they follow.
const RINGS: [(f32, f32); 2] = [(1.22, 0.6), (1.75, 0.0)];
/// Pairs of points on the upper and lower lid that meet when the eye shuts.
const LIDS: [(usize, usize); 14] = [
    (246, 7),
    (161, 163),
    (160, 144),
    (159, 145),
    (158, 153),
    (157, 154),
    (173, 155),
    (466, 249),
    (388, 390),
    (387, 373),
    (386, 374),
    (385, 380),
    (384, 381),
    (398, 382),
];
/// The fold above each lid point of [`LIDS`], which follows it a little.
const FOLDS: [usize; 14] = [247, 30, 29, 27, 28, 56, 190, 467, 260, 259, 257, 258, 286, 414];
/// A shut upper lid reaches a little beyond where the lower one was.
const CLOSED: f32 = 1.1;
/// The inside of the lips: upper, lower and corners.
#[rustfmt::skip]
const INNER_LIPS: [usize; 20] = [
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324,
];
#[rustfmt::skip]
const UPPER_LIP: [usize; 42] = [
    191, 80, 81, 82, 13, 312, 311, 310, 415, 185, 40, 39, 37, 0, 267, 269, 270, 409, 183, 42, 41, 38,
    12, 268, 271, 272, 407, 184, 74, 73, 72, 11, 302, 303, 304, 408, 164, 167, 165, 393, 391, 92,
];
#[rustfmt::skip]
const LOWER_LIP: [usize; 36] = [
    95, 88, 178, 87, 14, 317, 402, 318, 324, 146, 91, 181, 84, 17, 314, 405, 321, 375, 96, 89, 179,
    86, 15, 316, 403, 319, 325, 77, 90, 180, 85, 16, 315, 404, 320, 307,
];
/// The corners of the mouth, from the outside in: the person's right, then left.
const MOUTH_CORNERS: [usize; 8] = [61, 291, 76, 306, 62, 292, 78, 308];
const CHEEKS: [usize; 2] = [234, 454];
const BROW_CHIN: [usize; 2] = [10, 152];
/// The mesh model makes heads flatter than they are; turned by the angle of a real head, a real
/// head's depth comes into sight.
const DEPTH: f32 = 1.25;
/// Distance of the camera in widths of the face: an arm's length.
const CAMERA: f32 = 4.0;

/// What a face does, beyond what its film shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expression {
    /// Degrees, positive to the picture's right.
    pub yaw: f32,
    /// Degrees, positive upwards.
    pub pitch: f32,
    /// How far the lids are closed beyond what they are, `0..=1`.
    pub lids: f32,
    /// How far the jaw is dropped, `0..=1`.
    pub jaw: f32,
    /// How far the corners of the mouth are drawn, `0..=1`.
    pub smile: f32,
}

impl Expression {
    /// Whether the film shows all there is to see.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The face's points and two rings around it.
#[must_use]
pub fn with_rings(face: &[Point3]) -> Vec<Point3> {
    let mut points: Vec<Point3> = face.iter().copied().take(FACE_POINTS).collect();
    let centre = centre(face);
    for (out, _) in RINGS {
        points.extend(OVAL.iter().map(|&i| {
            let p = face[i];
            [0, 1, 2].map(|k| centre[k] + (p[k] - centre[k]) * if k == 2 { 1.0 } else { out })
        }));
    }
    points
}

fn centre(face: &[Point3]) -> Point3 {
    let sum = OVAL.iter().fold([0.0; 3], |s, &i| [0, 1, 2].map(|k| s[k] + face[i][k]));
    sum.map(|v| v / OVAL.len() as f32)
}

/// Width of the face between the cheeks' edges, in pixels.
#[must_use]
pub fn width(points: &[Point3]) -> f32 {
    let [a, b] = CHEEKS.map(|i| points[i]);
    ((b[0] - a[0]).powi(2) + (b[1] - a[1]).powi(2) + (b[2] - a[2]).powi(2)).sqrt()
}

/// Height of the face from brow to chin, in pixels.
#[must_use]
pub fn height(points: &[Point3]) -> f32 {
    let [a, b] = BROW_CHIN.map(|i| points[i]);
    ((b[0] - a[0]).powi(2) + (b[1] - a[1]).powi(2) + (b[2] - a[2]).powi(2)).sqrt()
}

/// The points after an expression; `points` as from [`with_rings`].
#[must_use]
pub fn deform(points: &[Point3], expression: &Expression) -> Vec<Point3> {
    let mut moved = points.to_vec();
    close_lids(&mut moved, expression.lids);
    drop_jaw(&mut moved, points, expression.jaw);
    draw_corners(&mut moved, points, expression.smile);
    turn(&mut moved, points, expression);
    follow(&mut moved, points);
    moved
}

fn close_lids(moved: &mut [Point3], lids: f32) {
    for (&(upper, lower), &fold) in LIDS.iter().zip(&FOLDS) {
        let target = moved[lower];
        let way: Point3 = [0, 1, 2].map(|k| (target[k] - moved[upper][k]) * lids * CLOSED);
        for k in 0..3 {
            moved[upper][k] += way[k];
            moved[fold][k] += way[k] * 0.5;
        }
    }
}

fn drop_jaw(moved: &mut [Point3], rest: &[Point3], jaw: f32) {
    if jaw == 0.0 {
        return;
    }
    let [left, right] = [MOUTH_CORNERS[0], MOUTH_CORNERS[1]].map(|i| rest[i]);
    let (middle, line) = ((left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0);
    let (drop, reach) = (0.24 * height(rest) * jaw, 0.56 * width(rest));
    for (i, p) in moved.iter_mut().enumerate().take(FACE_POINTS) {
        let aside = ((rest[i][0] - middle) / reach).abs().min(1.0);
        let share = if MOUTH_CORNERS.contains(&i) {
            0.35
        } else if UPPER_LIP.contains(&i) {
            0.0
        } else if LOWER_LIP.contains(&i) {
            1.0 - (aside * 1.4).powi(2)
        } else if rest[i][1] > line {
            // The jaw turns about the ears: the further aside, the less it moves.
            (1.0 - aside * aside) * ((rest[i][1] - line) / (0.08 * height(rest))).min(1.0)
        } else {
            0.0
        };
        p[1] += drop * share.max(0.0);
        // An open mouth is a little narrower.
        if LOWER_LIP.contains(&i) || UPPER_LIP.contains(&i) {
            p[0] += (middle - p[0]) * 0.15 * jaw;
        }
    }
}

fn draw_corners(moved: &mut [Point3], rest: &[Point3], smile: f32) {
    if smile == 0.0 {
        return;
    }
    let (w, h) = (width(rest), height(rest));
    let middle = (rest[MOUTH_CORNERS[0]][0] + rest[MOUTH_CORNERS[1]][0]) / 2.0;
    for corner in [MOUTH_CORNERS[0], MOUTH_CORNERS[1]].map(|i| rest[i]) {
        let out = (corner[0] - middle).signum();
        for (i, p) in moved.iter_mut().enumerate().take(FACE_POINTS) {
            let (dx, dy) =
                ((rest[i][0] - corner[0]) / (0.13 * w), (rest[i][1] - corner[1]) / (0.10 * h));
            let share = smile * (-0.5 * (dx * dx + dy * dy)).exp();
            p[0] += out * 0.095 * w * share;
            p[1] -= 0.065 * h * share;
            p[2] += 0.02 * w * share;
        }
    }
}

/// Turns the head about the neck, as a camera at arm's length sees it.
fn turn(moved: &mut [Point3], rest: &[Point3], expression: &Expression) {
    if expression.yaw == 0.0 && expression.pitch == 0.0 {
        return;
    }
    let w = width(rest);
    let [a, b] = CHEEKS.map(|i| rest[i]);
    let pivot =
        [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0 + 0.25 * w, (a[2] + b[2]) / 2.0 + 0.1 * w];
    let (sy, cy) = expression.yaw.to_radians().sin_cos();
    // Downwards is positive in pictures.
    let (sp, cp) = (-expression.pitch).to_radians().sin_cos();
    for p in moved.iter_mut().take(FACE_POINTS) {
        let [x, y, z] = [p[0] - pivot[0], p[1] - pivot[1], (p[2] - pivot[2]) * DEPTH];
        let (x, z1) = (x * cy - z * sy, x * sy + z * cy);
        let (y, z2) = (y * cp - z1 * sp, y * sp + z1 * cp);
        let nearer = (CAMERA * w + z) / (CAMERA * w + z2);
        *p = [pivot[0] + x * nearer, pivot[1] + y * nearer, pivot[2] + z2];
    }
}

/// The rings follow the outline of the face.
fn follow(moved: &mut [Point3], rest: &[Point3]) {
    for (ring, (_, share)) in RINGS.iter().enumerate() {
        for (n, &i) in OVAL.iter().enumerate() {
            let at = FACE_POINTS + ring * OVAL.len() + n;
            for k in 0..2 {
                moved[at][k] = rest[at][k] + (moved[i][k] - rest[i][k]) * share;
            }
        }
    }
}

/// A triangle of three point numbers.
pub type Triangle = [usize; 3];

/// Whether a triangle spans the inside of the mouth.
#[must_use]
pub fn is_mouth(triangle: &Triangle) -> bool {
    triangle.iter().all(|i| INNER_LIPS.contains(i))
}

/// Delaunay triangles of the points (Bowyer and Watson). Made once, of a face that looks straight
/// with its eyes and mouth open; they serve every face, as all meshes number their points alike.
#[must_use]
pub fn triangulate(points: &[Point3]) -> Vec<Triangle> {
    let count = points.len();
    // Points on one line would make circles without a middle.
    let mut at: Vec<[f64; 2]> = points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let jitter = (i as f64 * 0.618_034).fract() * 1e-3;
            [f64::from(p[0]) + jitter, f64::from(p[1]) - jitter]
        })
        .collect();
    at.extend([[-1e5, -1e5], [1e5, -1e5], [0.0, 2e5]]);
    let mut triangles: Vec<Triangle> = vec![[count, count + 1, count + 2]];
    for i in 0..count {
        let (bad, good): (Vec<_>, Vec<_>) =
            triangles.iter().copied().partition(|t| in_circle(&at, t, at[i]));
        let edges: Vec<[usize; 2]> =
            bad.iter().flat_map(|t| [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]]).collect();
        triangles = good;
        for edge in &edges {
            let twice = edges.contains(&[edge[1], edge[0]]);
            if !twice {
                triangles.push([edge[0], edge[1], i]);
            }
        }
    }
    triangles.retain(|t| t.iter().all(|&i| i < count));
    triangles
}

/// Whether a point lies in the circle around a triangle, whichever way round that is numbered.
fn in_circle(at: &[[f64; 2]], t: &Triangle, p: [f64; 2]) -> bool {
    let [a, b, c] = t.map(|i| [at[i][0] - p[0], at[i][1] - p[1]]);
    let square = |v: [f64; 2]| v[0] * v[0] + v[1] * v[1];
    let cross = |u: [f64; 2], v: [f64; 2]| u[0] * v[1] - u[1] * v[0];
    let inside = square(a) * cross(b, c) - square(b) * cross(a, c) + square(c) * cross(a, b);
    let [pa, pb, pc] = t.map(|i| at[i]);
    let turn = cross([pb[0] - pa[0], pb[1] - pa[1]], [pc[0] - pa[0], pc[1] - pa[1]]);
    if turn > 0.0 { inside > 0.0 } else { inside < 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_cover_a_grid_once() {
        let points: Vec<Point3> =
            (0..25).map(|i| [(i % 5) as f32 * 10.0, (i / 5) as f32 * 10.0, 0.0]).collect();
        let area: f32 = triangulate(&points)
            .iter()
            .map(|t| {
                let [a, b, c] = t.map(|i| points[i]);
                ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs() / 2.0
            })
            .sum();
        assert!((area - 1600.0).abs() < 1.0, "{area}");
    }
}
