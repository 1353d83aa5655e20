//! How well faces are told apart: scores of pairs, and the errors that follow at each threshold.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::rates::Rate;
use crate::{
    analyze::{AnalyzeError, ClipFrames},
    models::ModelError,
    vision::{Embedder, Embedding, FaceModels, InferenceError, PortraitError, PortraitFace},
};

/// Why pairs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// The list of pairs cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A line of it is not a pair.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no pair in it.
    #[error("no pair is listed")]
    Empty,
    /// A clip cannot be read.
    #[error("{}: {source}", file.display())]
    Clip {
        /// Which.
        file: PathBuf,
        /// Why.
        source: AnalyzeError,
    },
    /// The model that tells faces apart is not there.
    #[error("faces cannot be compared: {0}")]
    NoModel(String),
    /// A model failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// Two pictures or clips, and whether they show one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// One.
    pub a: PathBuf,
    /// The other.
    pub b: PathBuf,
    /// Whether it is the same person.
    pub same: bool,
}

/// Errors at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Faces at least this alike (cosine) are taken for one person.
    pub threshold: f32,
    /// False match rate: pairs of two people that are taken for one.
    pub fmr: Rate,
    /// False non-match rate: pairs of one person that are not.
    pub fnmr: Rate,
}

/// What comparing the pairs showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchReport {
    /// Pairs of one person that were compared.
    pub genuine: u32,
    /// Pairs of two people that were compared.
    pub impostor: u32,
    /// Files without one clear face, with the reason. Their pairs were left out.
    pub unusable: BTreeMap<String, String>,
    /// Pairs left out.
    pub left_out: u32,
    /// Lowest and highest score of one person's pairs.
    pub genuine_range: Option<(f32, f32)>,
    /// Lowest and highest score of two people's pairs.
    pub impostor_range: Option<(f32, f32)>,
    /// Errors over thresholds.
    pub thresholds: Vec<AtThreshold>,
    /// Equal error rate, with the threshold at which both errors are closest to each other.
    pub equal_error: Option<AtThreshold>,
    /// The lowest thresholds with a false match rate of at most 1e-3 and 1e-4. With fewer than
    /// 1000 (10000) pairs of two people, that means none at all, and the bounds tell how little
    /// that says.
    pub at_fmr: Vec<(f64, AtThreshold)>,
}

/// Pictures of a clip that are tried; the closest counts, as in a check.
const CLIP_FACES: usize = 5;
/// A clip is looked at so often a second.
const CLIP_FPS: u32 = 2;
/// Thresholds of the table, in hundredths.
const TABLE: std::ops::RangeInclusive<i16> = 20..=70;
/// Their distance.
const TABLE_STEP: usize = 5;

/// Reads a list of pairs: `a,b,same` a line, files relative to the list's folder, `same` one of
/// `1`, `0`, `true`, `false`, `yes`, `no`. A first line that says `a,b,same` is skipped. File names
/// cannot hold commas.
///
/// # Errors
/// Names the line that is not a pair.
pub fn read_pairs(list: &Path) -> Result<Vec<Pair>, MatchError> {
    let text =
        fs::read_to_string(list).map_err(|e| MatchError::Unreadable(list.to_path_buf(), e))?;
    parse_pairs(&text, list.parent().unwrap_or(Path::new("")))
}

fn parse_pairs(text: &str, folder: &Path) -> Result<Vec<Pair>, MatchError> {
    let mut pairs = Vec::new();
    for (n, line) in text.lines().map(str::trim).enumerate() {
        let wrong = |what| MatchError::Line { line: n + 1, what };
        if line.is_empty() || (n == 0 && line.replace(' ', "") == "a,b,same") {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [a, b, same] = fields[..] else { return Err(wrong("not `a,b,same`")) };
        if a.is_empty() || b.is_empty() {
            return Err(wrong("a file name is empty"));
        }
        let same = match same.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            _ => return Err(wrong("`same` is neither yes nor no")),
        };
        pairs.push(Pair { a: folder.join(a), b: folder.join(b), same });
    }
    if pairs.is_empty() { Err(MatchError::Empty) } else { Ok(pairs) }
}

/// Compares all pairs.
///
/// # Errors
/// When a file cannot be read or a model is missing or fails. A file without one clear face is no
/// error: it is listed, and its pairs are left out.
pub fn compare(models: &FaceModels, pairs: &[Pair]) -> Result<MatchReport, MatchError> {
    let embedder =
        models.embedder.as_ref().map_err(|e: &ModelError| MatchError::NoModel(e.to_string()))?;
    let mut faces: BTreeMap<&Path, Result<Vec<Embedding>, String>> = BTreeMap::new();
    for file in pairs.iter().flat_map(|p| [p.a.as_path(), p.b.as_path()]) {
        if !faces.contains_key(file) {
            faces.insert(file, faces_of(models, embedder, file)?);
        }
    }
    let (mut genuine, mut impostor, mut left_out) = (Vec::new(), Vec::new(), 0);
    for pair in pairs {
        let (Some(Ok(a)), Some(Ok(b))) = (faces.get(pair.a.as_path()), faces.get(pair.b.as_path()))
        else {
            left_out += 1;
            continue;
        };
        let Some(score) = a.iter().filter_map(|face| face.best_of(b)).max_by(f32::total_cmp) else {
            left_out += 1;
            continue;
        };
        if pair.same { genuine.push(score) } else { impostor.push(score) }
    }
    let unusable = faces
        .into_iter()
        .filter_map(|(file, found)| Some((file.display().to_string(), found.err()?)))
        .collect();
    Ok(MatchReport { unusable, left_out, ..errors(genuine, impostor) })
}

/// The faces of a picture or clip; a word where there is none.
fn faces_of(
    models: &FaceModels,
    embedder: &Embedder,
    file: &Path,
) -> Result<Result<Vec<Embedding>, String>, MatchError> {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    if ["jpg", "jpeg", "png"].iter().any(|known| extension == *known) {
        let bytes = fs::read(file).map_err(|e| MatchError::Unreadable(file.to_path_buf(), e))?;
        return match PortraitFace::read(&models.detector, &bytes) {
            Ok(found) => Ok(Ok(vec![embedder.embed(&found.picture, &found.face.points)?])),
            Err(PortraitError::Inference(error)) => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        };
    }
    let clip = |source| MatchError::Clip { file: file.to_path_buf(), source };
    let mut faces = Vec::new();
    for picture in ClipFrames::open(file, CLIP_FPS).map_err(clip)? {
        let picture = picture.map_err(clip)?;
        let found = models.detector.detect(&picture)?;
        let [face] = found.as_slice() else { continue };
        faces.push(embedder.embed(&picture, &face.points)?);
        if faces.len() == CLIP_FACES {
            break;
        }
    }
    Ok(if faces.is_empty() {
        Err("no picture with exactly one face".to_owned())
    } else {
        Ok(faces)
    })
}

/// The errors that scores lead to.
fn errors(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> MatchReport {
    genuine.sort_by(f32::total_cmp);
    impostor.sort_by(f32::total_cmp);
    let at = |threshold: f32| AtThreshold {
        threshold,
        fmr: Rate::of(
            count(impostor.len() - impostor.partition_point(|s| *s < threshold)),
            count(impostor.len()),
        ),
        fnmr: Rate::of(count(genuine.partition_point(|s| *s < threshold)), count(genuine.len())),
    };
    // Errors change only at scores.
    let mut candidates: Vec<f32> = genuine.iter().chain(&impostor).copied().collect();
    // Just above the highest score nothing matches at all.
    candidates.extend(impostor.last().map(|s| s.next_up()));
    candidates.sort_by(f32::total_cmp);
    let both = !genuine.is_empty() && !impostor.is_empty();
    let apart = |e: &AtThreshold| (e.fmr.rate - e.fnmr.rate).abs();
    let equal_error = candidates
        .iter()
        .map(|t| at(*t))
        .min_by(|a, b| apart(a).total_cmp(&apart(b)))
        .filter(|_| both);
    let lowest = |most: f64| {
        let threshold = *candidates.iter().find(|t| at(**t).fmr.rate <= most)?;
        Some((most, at(threshold)))
    };
    let at_fmr =
        if both { [1e-3, 1e-4].into_iter().filter_map(lowest).collect() } else { Vec::new() };
    let range = |scores: &[f32]| Some((*scores.first()?, *scores.last()?));
    MatchReport {
        genuine: count(genuine.len()),
        impostor: count(impostor.len()),
        unusable: BTreeMap::new(),
        left_out: 0,
        genuine_range: range(&genuine),
        impostor_range: range(&impostor),
        thresholds: TABLE.step_by(TABLE_STEP).map(|t| at(f32::from(t) / 100.0)).collect(),
        equal_error,
        at_fmr,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_relative_to_their_list() {
        let pairs =
            parse_pairs("a,b,same\nx.jpg, y.mp4 ,yes\n\n/z.png,x.jpg,0\n", Path::new("dir"));
        let pairs = pairs.unwrap();
        assert_eq!(pairs[0], Pair { a: "dir/x.jpg".into(), b: "dir/y.mp4".into(), same: true });
        assert_eq!(pairs[1].a, Path::new("/z.png"));
        assert!(!pairs[1].same);
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        for (text, line) in [("x,y", 1), ("a,b,same\nx,y,1\nx,y,maybe", 3), (",y,1", 1)] {
            let error = parse_pairs(text, Path::new("")).unwrap_err();
            assert!(error.to_string().starts_with(&format!("line {line}:")), "{error}");
        }
        assert!(matches!(parse_pairs("a,b,same\n", Path::new("")), Err(MatchError::Empty)));
    }

    #[test]
    fn scores_that_do_not_overlap_have_no_errors_between_them() {
        let report = errors(vec![0.6, 0.8, 0.7], vec![0.1, 0.3, 0.2, 0.25]);
        let equal = report.equal_error.unwrap();
        assert_eq!((equal.fmr.events, equal.fnmr.events), (0, 0));
        assert!(equal.threshold > 0.3 && equal.threshold <= 0.6, "{equal:?}");
        assert_eq!(report.at_fmr.len(), 2);
        assert!(report.at_fmr[0].1.threshold > 0.3);
    }

    #[test]
    fn scores_that_overlap_are_counted_on_both_sides_of_the_threshold() {
        let report = errors(vec![0.2, 0.5, 0.6, 0.9], vec![0.1, 0.3, 0.4, 0.55]);
        let half = report.thresholds.iter().find(|t| (t.threshold - 0.5).abs() < 1e-6).unwrap();
        assert_eq!((half.fmr.events, half.fnmr.events), (1, 1));
        assert_eq!(report.equal_error.unwrap().fmr.events, 1);
        // No false match: above the highest score of two people.
        assert_eq!(report.at_fmr[0].1.fnmr.events, 2);
    }
}
