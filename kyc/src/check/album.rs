//! The pictures that a verdict rests on: the best one of the face at rest, and one of each
//! gesture. Few, bounded, and wiped when the check goes.

use std::collections::BTreeMap;

use crate::{
    liveness::{FaceObservation, Moment},
    vision::{Picture, TrackedFace, portrait::encode_jpeg},
};

use super::trace::Landmarks;

/// What is kept of a check.
#[derive(Default)]
pub(super) struct Album {
    best: Option<Best>,
    /// JPEG of the height of each gesture, by its place in the row.
    peaks: BTreeMap<usize, Vec<u8>>,
}

struct Best {
    worth: f32,
    picture: Picture,
    landmarks: Landmarks,
}

/// A picture is kept instead of the best one only if it is better by this share: copying costs.
const BETTER: f32 = 1.05;

impl Album {
    pub(super) fn look(
        &mut self,
        picture: &Picture,
        face: &TrackedFace,
        seen: &FaceObservation,
        moment: Moment,
    ) {
        match moment {
            Moment::AtRest => self.at_rest(picture, face, seen),
            Moment::Peak(index) => self.peak(picture, index),
            Moment::None => {}
        }
    }

    /// A gesture that was broken off is made again: the last time is the one that counted.
    fn peak(&mut self, picture: &Picture, index: usize) {
        if let Ok(jpeg) = encode_jpeg(picture) {
            self.peaks.insert(index, jpeg);
        }
    }

    fn at_rest(&mut self, picture: &Picture, face: &TrackedFace, seen: &FaceObservation) {
        let worth = worth(seen);
        if self.best.as_ref().is_some_and(|best| worth < best.worth * BETTER) {
            return;
        }
        let landmarks = Landmarks::of(face, picture.width(), picture.height());
        self.best = Some(Best { worth, picture: picture.clone(), landmarks });
    }

    /// Gives out the pictures as JPEG, each with its place in the artifact's name, and the points
    /// of the best one.
    pub(super) fn finish(self) -> (Vec<(String, Vec<u8>)>, Option<Landmarks>) {
        let mut pictures = Vec::new();
        let mut landmarks = None;
        if let Some(best) = self.best
            && let Ok(jpeg) = encode_jpeg(&best.picture)
        {
            pictures.push(("face".to_owned(), jpeg));
            landmarks = Some(best.landmarks);
        }
        pictures.extend(self.peaks.into_iter().map(|(n, jpeg)| (format!("challenge-{n}"), jpeg)));
        (pictures, landmarks)
    }
}

/// How well a face can be told from a picture: sharp, large, straight, with its eyes open, evenly
/// lit.
pub(super) fn worth(seen: &FaceObservation) -> f32 {
    let straight = 1.0 - (seen.yaw.abs() + (seen.pitch.abs() - 10.0).max(0.0)) / 45.0;
    let open = 1.0 - seen.blink;
    let calm = 1.0 - 0.5 * seen.mouth;
    let light = 1.0 - seen.burnt - 0.5 * seen.one_sided;
    let sharp = seen.sharpness.min(0.1);
    let worth = sharp * seen.size.min(0.6) * straight.max(0.05) * open * calm * light.max(0.05);
    if worth.is_finite() { worth.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gesture_made_twice_leaves_one_picture_of_the_last_time() {
        let picture = |shade: u8| Picture::from_rgb(16, 16, vec![shade; 3 * 16 * 16]).unwrap();
        let mut album = Album::default();
        for (shade, index) in [(10, 1), (20, 0), (200, 1)] {
            album.peak(&picture(shade), index);
        }
        let (pictures, _) = album.finish();
        let named =
            |n: usize, shade: u8| (format!("challenge-{n}"), encode_jpeg(&picture(shade)).unwrap());
        assert_eq!(pictures, [named(0, 20), named(1, 200)]);
    }
}
