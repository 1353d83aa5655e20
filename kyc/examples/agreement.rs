//! The other half of `tools/compare_onnxruntime.py`, which starts it: reads pictures from standard
//! input (a line `WIDTH HEIGHT`, then RGB bytes), answers with what the models see in each as a
//! line of JSON, reads the reference's embedding (a line of JSON) and answers with the cosine.
#![allow(clippy::print_stdout, reason = "a tool that prints")]

use std::{
    error::Error,
    io::{self, BufRead as _, Read as _, Write as _},
};

use serde_json::json;
use vbranch_kyc::{
    ModelStore,
    vision::{CropFrame, Embedding, FaceModels, Picture},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: agreement MODELS-DIR")?;
    let models = FaceModels::load(&ModelStore::open(folder)?)?;
    let embedder = models.embedder.as_ref().map_err(ToString::to_string)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let mut sides = line.split_whitespace().map(str::parse::<usize>);
        let (Some(width), Some(height)) = (sides.next(), sides.next()) else {
            return Err("expected WIDTH HEIGHT".into());
        };
        let mut rgb = vec![0; width? * height? * 3];
        input.read_exact(&mut rgb)?;
        let mut sides = line.split_whitespace().map(str::parse::<usize>);
        let (width, height) = (sides.next().ok_or("width")??, sides.next().ok_or("height")??);
        let picture = Picture::from_rgb(width, height, rgb)?;

        let found = models.detector.detect(&picture)?;
        let face = found.iter().max_by(|a, b| a.face.area().total_cmp(&b.face.area()));
        let Some(face) = face else {
            writeln!(output, "null")?;
            output.flush()?;
            line.clear();
            continue;
        };
        let [first, second, ..] = face.points;
        let window = CropFrame::around(face.face, first, second).ok_or("no window")?;
        let mesh = models.mesh.read(&picture, window)?;
        let shapes = models.mesh.blendshapes(&mesh)?;
        let answer = json!({
            "box": [face.face.x, face.face.y, face.face.w, face.face.h],
            "points": face.points.map(|p| [p.x, p.y]),
            "window": [window.centre.x, window.centre.y, window.side, window.angle],
            "mesh": mesh.points().collect::<Vec<_>>(),
            "presence": mesh.presence,
            "shapes": shapes.all().as_slice(),
            "yaw": mesh.pose().yaw,
            "pitch": mesh.pose().pitch,
        });
        writeln!(output, "{answer}")?;
        output.flush()?;

        line.clear();
        input.read_line(&mut line)?;
        let reference: Vec<f32> = serde_json::from_str(&line)?;
        let reference = Embedding::of(&reference).ok_or("not an embedding")?;
        let ours = embedder.embed(&picture, &face.points)?;
        let from_mesh = mesh.five_points().ok_or("no points")?;
        let ours_from_mesh = embedder.embed(&picture, &from_mesh)?;
        writeln!(output, "{} {}", ours.cosine(&reference), ours_from_mesh.cosine(&ours))?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}
