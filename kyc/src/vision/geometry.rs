//! Points, boxes and the rotated square that the mesh model looks through.

/// A point in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Column.
    pub x: f32,
    /// Row.
    pub y: f32,
}

/// An upright box in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BoxF {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl BoxF {
    /// The area, zero for a degenerate box.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// Its middle.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Intersection over union with another box, in `0..=1`.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        let common = w.max(0.0) * h.max(0.0);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    /// The part of its area that lies within a picture of this size, in `0..=1`.
    #[must_use]
    pub fn visible_share(&self, width: f32, height: f32) -> f32 {
        let w = (self.x + self.w).min(width) - self.x.max(0.0);
        let h = (self.y + self.h).min(height) - self.y.max(0.0);
        if self.area() > 0.0 { w.max(0.0) * h.max(0.0) / self.area() } else { 0.0 }
    }
}

/// Evenly spaced sample points on a picture, in picture pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Where the first point lies.
    pub origin: Point,
    /// From one point to the next in a row.
    pub column: Point,
    /// From one row to the next.
    pub row: Point,
}

impl Grid {
    /// The point in this column and row.
    #[must_use]
    pub fn at(&self, column: f32, row: f32) -> Point {
        Point {
            x: self.origin.x + self.column.x * column + self.row.x * row,
            y: self.origin.y + self.column.y * column + self.row.y * row,
        }
    }

    /// The grid that reads a face so that its points come to lie on a template's: the inverse of
    /// the similarity (turn, scale, shift) from picture to template with the least squared error
    /// on the template, as face models are trained with (Umeyama 1991).
    ///
    /// `None` when the points do not tell (all in one place, or not finite).
    #[must_use]
    pub fn aligning<const N: usize>(picture: &[Point; N], template: &[Point; N]) -> Option<Self> {
        let (from, to) = (mean(picture), mean(template));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (p, t) in picture.iter().zip(template) {
            let (px, py, tx, ty) = (p.x - from.x, p.y - from.y, t.x - to.x, t.y - to.y);
            along += px * tx + py * ty;
            across += px * ty - py * tx;
            spread += px * px + py * py;
        }
        // The similarity is (cos, -sin; sin, cos) with its scale in it; the grid is its inverse.
        let (cos, sin) = (along / spread, across / spread);
        let square = cos * cos + sin * sin;
        let column = Point { x: cos / square, y: -sin / square };
        let row = Point { x: sin / square, y: cos / square };
        let origin = Point {
            x: from.x - column.x * to.x - row.x * to.y,
            y: from.y - column.y * to.x - row.y * to.y,
        };
        let numbers = [column.x, column.y, origin.x, origin.y];
        numbers.iter().all(|v| v.is_finite()).then_some(Self { origin, column, row })
    }
}

fn mean<const N: usize>(points: &[Point; N]) -> Point {
    let n = N as f32;
    Point {
        x: points.iter().map(|p| p.x).sum::<f32>() / n,
        y: points.iter().map(|p| p.y).sum::<f32>() / n,
    }
}

/// A square window on a picture, turned by an angle: where the mesh model looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropFrame {
    /// Middle of the square.
    pub centre: Point,
    /// Side in picture pixels.
    pub side: f32,
    /// Angle of the eye line against the picture's rows, radians, clockwise as seen.
    pub angle: f32,
}

/// The window is this much larger than the face's box: what the mesh model was trained with.
const CROP_MARGIN: f32 = 1.5;

impl CropFrame {
    /// The window around a face: a square of 1.5 times its box, turned so that the eyes are level.
    /// `first_eye` is the one further left in the picture when the head is upright.
    ///
    /// `None` when the numbers do not describe a window of at least one pixel.
    #[must_use]
    pub fn around(face: BoxF, first_eye: Point, second_eye: Point) -> Option<Self> {
        let (dx, dy) = (second_eye.x - first_eye.x, second_eye.y - first_eye.y);
        let frame = Self {
            centre: face.centre(),
            side: face.w.max(face.h) * CROP_MARGIN,
            angle: dy.atan2(dx),
        };
        let finite = [frame.centre.x, frame.centre.y, frame.side, frame.angle];
        (finite.iter().all(|v| v.is_finite()) && frame.side >= 1.0).then_some(frame)
    }

    /// Picture coordinates of a point given in window coordinates of `size` pixels a side.
    #[must_use]
    pub fn to_picture(&self, p: Point, size: f32) -> Point {
        let scale = self.side / size;
        let (u, v) = ((p.x - size / 2.0) * scale, (p.y - size / 2.0) * scale);
        let (sin, cos) = self.angle.sin_cos();
        Point { x: self.centre.x + u * cos - v * sin, y: self.centre.y + u * sin + v * cos }
    }

    /// The grid of `size` by `size` points that fills the window.
    #[must_use]
    pub fn grid(&self, size: usize) -> Grid {
        let (sin, cos) = self.angle.sin_cos();
        let scale = self.side / size as f32;
        Grid {
            origin: self.to_picture(Point::default(), size as f32),
            column: Point { x: cos * scale, y: sin * scale },
            row: Point { x: -sin * scale, y: cos * scale },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_box_overlaps_itself_entirely_and_a_far_one_not_at_all() {
        let a = BoxF { x: 10.0, y: 10.0, w: 20.0, h: 30.0 };
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
        assert_eq!(a.iou(&BoxF { x: 100.0, ..a }), 0.0);
        assert_eq!(BoxF::default().iou(&BoxF::default()), 0.0);
    }

    #[test]
    fn half_a_face_over_the_edge_is_half_visible() {
        let face = BoxF { x: -10.0, y: 0.0, w: 20.0, h: 20.0 };
        assert!((face.visible_share(100.0, 100.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_tilted_head_is_made_level() {
        // Eyes on a line that falls to the right by 45 degrees.
        let face = BoxF { x: 0.0, y: 0.0, w: 100.0, h: 100.0 };
        let frame = CropFrame::around(face, Point { x: 30.0, y: 30.0 }, Point { x: 70.0, y: 70.0 })
            .unwrap();
        let left = frame.to_picture(Point { x: 100.0, y: 128.0 }, 256.0);
        let right = frame.to_picture(Point { x: 156.0, y: 128.0 }, 256.0);
        assert!(((right.y - left.y) - (right.x - left.x)).abs() < 1e-3, "{left:?} {right:?}");
    }

    #[test]
    fn a_turned_scaled_and_shifted_face_is_brought_back_onto_the_template() {
        let template = [(38.0, 52.0), (74.0, 51.0), (56.0, 72.0), (42.0, 92.0), (71.0, 92.0)]
            .map(|(x, y)| Point { x, y });
        let (sin, cos) = 0.6_f32.sin_cos();
        let moved = template.map(|p| Point {
            x: 300.0 + 2.5 * (cos * p.x - sin * p.y),
            y: -40.0 + 2.5 * (sin * p.x + cos * p.y),
        });
        let grid = Grid::aligning(&moved, &template).unwrap();
        for (t, m) in template.iter().zip(moved) {
            let at = grid.at(t.x, t.y);
            assert!((at.x - m.x).abs() < 1e-2 && (at.y - m.y).abs() < 1e-2, "{at:?} {m:?}");
        }
        assert_eq!(Grid::aligning(&[Point::default(); 5], &template), None);
        assert_eq!(Grid::aligning(&[Point { x: f32::NAN, y: 0.0 }; 5], &template), None);
    }

    #[test]
    fn a_box_of_nonsense_gives_no_window() {
        let eye = Point::default();
        assert_eq!(CropFrame::around(BoxF { w: f32::NAN, ..BoxF::default() }, eye, eye), None);
        assert_eq!(CropFrame::around(BoxF::default(), eye, eye), None);
    }
}
