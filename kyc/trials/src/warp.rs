//! Painting a face: its film's picture, drawn through the triangles of the face that it is to be.

use crate::{
    mesh::{Point3, Triangle, is_mouth},
    picture::{Rgb, to_byte},
};

/// Where a film's picture lies on the camera's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Camera pixels per film pixel.
    pub scale: f32,
    /// Column and row of the film's left (right, where mirrored) upper corner.
    pub offset: [f32; 2],
    /// The film's width in its own pixels, where the mirror image is shown.
    pub mirror: Option<f32>,
}

impl Placement {
    /// A point of the film on the camera's picture.
    #[must_use]
    pub fn place(&self, p: Point3) -> Point3 {
        let x = self.mirror.map_or(p[0], |width| width - 1.0 - p[0]);
        [x * self.scale + self.offset[0], p[1] * self.scale + self.offset[1], p[2] * self.scale]
    }
}

/// Paints a film's picture whole.
pub fn paint(canvas: &mut Rgb, film: &Rgb, placement: &Placement) {
    let step = 1.0 / placement.scale;
    let width = canvas.width;
    for (row, line) in canvas.pixels.chunks_mut(width).enumerate() {
        let y = (row as f32 - placement.offset[1]) * step;
        for (column, pixel) in line.iter_mut().enumerate() {
            let x = (column as f32 - placement.offset[0]) * step;
            let x = placement.mirror.map_or(x, |width| width - 1.0 - x);
            *pixel = film.sample(x, y).map(to_byte);
        }
    }
}

/// Paints triangles of the film over it: `from` in film pixels, `to` in camera pixels.
pub fn paint_face(
    canvas: &mut Rgb,
    film: &Rgb,
    triangles: &[Triangle],
    from: &[Point3],
    to: &[Point3],
    opened: bool,
) {
    let mut order: Vec<&Triangle> = triangles.iter().collect();
    // The furthest first, so that a nose hides the cheek behind it.
    let depth = |t: &Triangle| t.iter().map(|&i| to[i][2]).sum::<f32>();
    order.sort_by(|a, b| depth(b).total_cmp(&depth(a)));
    for triangle in order {
        let (source, target) = (triangle.map(|i| from[i]), triangle.map(|i| to[i]));
        let mouth = opened && is_mouth(triangle);
        each_pixel(canvas.width, canvas.height, &target, |at, [a, b, c]| {
            canvas.pixels[at] = if mouth {
                [48, 20, 20]
            } else {
                let x = a * source[0][0] + b * source[1][0] + c * source[2][0];
                let y = a * source[0][1] + b * source[1][1] + c * source[2][1];
                film.sample(x, y).map(to_byte)
            };
        });
    }
}

/// Calls for every pixel of a triangle with its position in the picture and its weights.
pub fn each_pixel(
    width: usize,
    height: usize,
    triangle: &[Point3; 3],
    mut each: impl FnMut(usize, [f32; 3]),
) {
    let [a, b, c] = triangle;
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
    if area.abs() < 1e-3 {
        return;
    }
    let low = |k: usize| a[k].min(b[k]).min(c[k]).floor().max(0.0) as usize;
    let high = |k: usize, most: usize| {
        (a[k].max(b[k]).max(c[k]).ceil().max(-1.0) + 1.0).min(most as f32) as usize
    };
    for y in low(1)..high(1, height) {
        for x in low(0)..high(0, width) {
            let (px, py) = (x as f32, y as f32);
            let wb = ((px - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (py - a[1])) / area;
            let wc = ((b[0] - a[0]) * (py - a[1]) - (px - a[0]) * (b[1] - a[1])) / area;
            let wa = 1.0 - wb - wc;
            // A little more than the triangle, so that no seams are left open.
            if wa >= -1e-3 && wb >= -1e-3 && wc >= -1e-3 {
                each(y * width + x, [wa, wb, wc]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_carries_its_picture_along() {
        let mut film = Rgb::filled(20, 20, [10; 3]);
        film.pixels[5 * 20 + 5] = [250; 3];
        let mut canvas = Rgb::filled(20, 20, [0; 3]);
        let from = [[0.0, 0.0, 0.0], [15.0, 0.0, 0.0], [0.0, 15.0, 0.0]];
        let to = from.map(|p| [p[0] + 3.0, p[1] + 2.0, 0.0]);
        paint_face(&mut canvas, &film, &[[0, 1, 2]], &from, &to, false);
        assert_eq!(canvas.pixels[7 * 20 + 8], [250; 3]);
        assert_eq!(canvas.pixels[19 * 20 + 19], [0; 3]);
    }

    #[test]
    fn a_mirrored_film_is_placed_and_painted_alike() {
        let mut film = Rgb::filled(8, 4, [0; 3]);
        film.pixels[1] = [200; 3];
        let placement = Placement { scale: 1.0, offset: [0.0, 0.0], mirror: Some(8.0) };
        let mut canvas = Rgb::filled(8, 4, [0; 3]);
        paint(&mut canvas, &film, &placement);
        let at = placement.place([1.0, 0.0, 0.0]);
        assert_eq!((at[0], canvas.pixels[6]), (6.0, [200; 3]));
    }
}
