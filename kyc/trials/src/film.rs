//! Films of faces and their annotations.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::{
    mesh::{FACE_POINTS, Point3, with_rings},
    picture::Rgb,
};

/// A film in memory, with the face of every picture.
pub struct Film {
    /// Its name, e.g. `d3`.
    pub name: String,
    /// Pictures a second.
    pub fps: f32,
    /// The pictures.
    pub pictures: Vec<Rgb>,
    /// The faces' points with their rings, in picture pixels.
    pub meshes: Vec<Vec<Point3>>,
}

#[derive(Deserialize)]
struct Annotation {
    film: String,
    width: usize,
    height: usize,
    fps: f32,
    frames: Vec<Option<Face>>,
}

#[derive(Deserialize)]
struct Face {
    mesh: Vec<f32>,
}

/// No side of a film is kept larger: more than a 640x480 camera shows is wasted.
const MAX_SIDE: usize = 640;

impl Film {
    /// Reads a film and its annotation `DIR/NAME.json`.
    ///
    /// # Errors
    /// When either is missing, or a picture of the film has no face.
    pub fn load(films: &Path, annotations: &Path, name: &str) -> anyhow::Result<Self> {
        let path = annotations.join(format!("{name}.json"));
        let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let notes: Annotation = serde_json::from_slice(&text).context("an annotation")?;
        let scale = (MAX_SIDE as f32 / notes.width.max(notes.height) as f32).min(1.0);
        let side = |n: usize| ((n as f32 * scale / 2.0).round() as usize * 2).max(2);
        let (width, height) = (side(notes.width), side(notes.height));
        let pictures = read(&films.join(&notes.film), width, height)?;
        let count = pictures.len().min(notes.frames.len());
        let meshes = notes
            .frames
            .iter()
            .take(count)
            .map(|face| {
                let face = face.as_ref().context("a picture without a face")?;
                let points: Vec<Point3> =
                    face.mesh.as_chunks::<3>().0.iter().map(|p| p.map(|v| v * scale)).collect();
                ensure!(points.len() >= FACE_POINTS, "a mesh of {} points", points.len());
                Ok(with_rings(&points))
            })
            .collect::<anyhow::Result<_>>()
            .with_context(|| format!("annotation of {name}"))?;
        Ok(Self { name: name.to_owned(), fps: notes.fps, pictures, meshes })
    }
}

fn read(film: &Path, width: usize, height: usize) -> anyhow::Result<Vec<Rgb>> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(film)
        .args(["-an", "-fps_mode", "passthrough", "-vf"])
        .arg(format!("scale={width}:{height}:flags=area"))
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .context("ffmpeg cannot be run")?;
    let mut bytes = Vec::new();
    ffmpeg.stdout.take().context("no pipe")?.read_to_end(&mut bytes)?;
    if !ffmpeg.wait()?.success() {
        bail!("{} cannot be read", film.display());
    }
    let (pixels, _) = bytes.as_chunks::<3>();
    Ok(pixels
        .chunks_exact(width * height)
        .map(|pixels| Rgb { width, height, pixels: pixels.to_vec() })
        .collect())
}
