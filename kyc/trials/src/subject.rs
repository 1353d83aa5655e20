//! The people of the films: where in a film they rest, what they do in it, and how it is painted.

use std::path::Path;

use vbranch_domain::kyc::Challenge;

use crate::{
    film::Film,
    mesh::{Expression, Point3, Triangle, deform, triangulate},
    picture::Rgb,
    warp::{Placement, paint, paint_face},
};

/// Something a person does in their film, between two moments at rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gesture {
    /// What.
    pub kind: Challenge,
    /// First picture.
    pub from: usize,
    /// Last picture.
    pub to: usize,
}

/// A person.
pub struct Subject {
    /// Their film.
    pub film: Film,
    /// Pictures between which they rest, first and last.
    pub rest: (usize, usize),
    /// What the film has of gestures. Others are painted.
    pub gestures: Vec<Gesture>,
    /// A moment of the film, in seconds, that makes a portrait.
    pub portrait_at: f32,
}

/// What the annotations show of a film, by picture number: rest, a moment for a portrait (seconds),
/// gestures. Left and right are the person's own.
type Annotated = (&'static str, (usize, usize), f32, &'static [(Challenge, usize, usize)]);

#[rustfmt::skip]
const CAST: [Annotated; 5] = [
    ("d0", (3, 14), 0.0, &[(Challenge::Smile, 13, 72)]),
    ("d3", (74, 94), 6.0, &[
        (Challenge::Blink, 45, 66),
        (Challenge::TurnLeft, 238, 292),
        (Challenge::OpenMouth, 293, 350),
    ]),
    ("d13", (333, 351), 8.8, &[
        (Challenge::Blink, 40, 50),
        (Challenge::Blink, 78, 85),
        (Challenge::Smile, 186, 262),
    ]),
    ("d18", (48, 58), 0.1, &[
        (Challenge::Blink, 93, 105),
        (Challenge::OpenMouth, 12, 50),
        (Challenge::OpenMouth, 58, 104),
        (Challenge::Smile, 112, 160),
    ]),
    ("d20", (81, 96), 6.8, &[]),
];

/// The face whose triangles serve all: mouth and eyes open, straight.
const MODEL_FACE: (&str, usize) = ("d18", 75);

/// All people, and the triangles of a face.
pub struct Cast {
    /// The people.
    pub subjects: Vec<Subject>,
    /// Triangles that serve every mesh.
    pub triangles: Vec<Triangle>,
}

impl Cast {
    /// Reads films and annotations.
    ///
    /// # Errors
    /// When one is missing.
    pub fn load(films: &Path, annotations: &Path) -> anyhow::Result<Self> {
        let mut subjects = Vec::new();
        let mut triangles = Vec::new();
        for (name, rest, portrait_at, gestures) in CAST {
            let film = Film::load(films, annotations, name)?;
            if name == MODEL_FACE.0 {
                triangles = triangulate(&film.meshes[MODEL_FACE.1]);
            }
            let gestures =
                gestures.iter().map(|&(kind, from, to)| Gesture { kind, from, to }).collect();
            subjects.push(Subject { film, rest, gestures, portrait_at });
        }
        Ok(Self { subjects, triangles })
    }
}

/// What is painted of a person at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Picture of the film.
    pub picture: usize,
    /// Another picture that this one turns into, and how far that has got.
    pub towards: Option<(usize, f32)>,
    /// What is painted on top.
    pub expression: Expression,
}

impl Subject {
    /// Paints the person. Returns the face's points in camera pixels.
    pub fn paint(
        &self,
        look: &Look,
        placement: &Placement,
        triangles: &[Triangle],
        canvas: &mut Rgb,
    ) -> Vec<Point3> {
        let own = &self.film.meshes[look.picture];
        let (mut base, mut other) = (own.clone(), None);
        if let Some((picture, share)) = look.towards {
            let theirs = &self.film.meshes[picture];
            for (p, q) in base.iter_mut().zip(theirs) {
                (0..3).for_each(|k| p[k] += (q[k] - p[k]) * share);
            }
            other = Some((picture, share));
        }
        let shape = deform(&base, &look.expression);
        let points: Vec<Point3> = shape.iter().map(|&p| placement.place(p)).collect();
        let opened = look.expression.jaw > 0.0;
        let draw = |picture: usize, canvas: &mut Rgb| {
            let film = &self.film.pictures[picture];
            paint(canvas, film, placement);
            if !look.expression.is_none() || other.is_some() {
                let from = &self.film.meshes[picture];
                paint_face(canvas, film, triangles, from, &points, opened);
            }
        };
        draw(look.picture, canvas);
        if let Some((picture, share)) = other {
            let mut second = canvas.clone();
            draw(picture, &mut second);
            canvas.blend(&second, share);
        }
        points
    }

    /// A placement that fills a camera's picture with the film, `zoom` (1 or more) times as large
    /// as it must be for that from top to bottom.
    #[must_use]
    pub fn placement(
        &self,
        size: (usize, usize),
        zoom: f32,
        aside: f32,
        mirror: bool,
    ) -> Placement {
        let film = &self.film.pictures[0];
        let scale = size.1 as f32 / film.height as f32 * zoom;
        let points = &self.film.meshes[self.rest.0];
        let centre = points.iter().map(|p| p[0]).sum::<f32>() / points.len() as f32;
        let low = points.iter().map(|p| p[1]).fold(f32::MAX, f32::min);
        let high = points.iter().map(|p| p[1]).fold(f32::MIN, f32::max);
        let centre = if mirror { film.width as f32 - 1.0 - centre } else { centre };
        // The face in the middle as far as the film reaches.
        let top = size.1 as f32 / 2.0 - (low + high) / 2.0 * scale;
        let lowest = size.1 as f32 - film.height as f32 * scale;
        Placement {
            scale,
            offset: [size.0 as f32 * (0.5 + aside) - centre * scale, top.clamp(lowest, 0.0)],
            mirror: mirror.then_some(film.width as f32),
        }
    }
}
