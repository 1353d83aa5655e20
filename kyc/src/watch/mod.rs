//! Watching a face in the call: is somebody there, one only, the same as before, awake, and does
//! the camera see anything?
//!
//! [`Watch`] looks at pictures, about one a second; the states and their times are those of a small
//! engine over numbers. No sockets, no decoder, no clock.

mod states;

use std::{collections::VecDeque, time::Duration};

use vbranch_domain::{Mono, kyc::WatchEvent};

use crate::{
    liveness::{WatchPolicy, millis},
    vision::{
        BoxF, CropFrame, Detection, Embedding, FaceModels, InferenceError, Picture, SceneReader,
        largest_of,
    },
};
pub use states::{Seen, WatchStates};

/// The watch over one party.
pub struct Watch {
    policy: WatchPolicy,
    scene: SceneReader,
    states: WatchStates,
    /// The face that it should be.
    reference: Option<Embedding>,
    /// The face at the last look.
    followed: Option<Followed>,
    faces: u32,
    looked_closely: Option<Mono>,
    out: VecDeque<WatchEvent>,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    face: BoxF,
    /// When it was last held against the face that it should be.
    compared: Option<Mono>,
    /// Since when it has been the same; `None` while it is another.
    same_since: Option<Mono>,
    /// When its eyes were last read, and whether they were shut.
    eyes: Option<(Mono, bool)>,
}

/// The small detector misses small faces, so the large one looks this often, and whenever there is
/// not one face.
const CLOSE_LOOK_EVERY: Duration = Duration::from_secs(5);
/// A face that is followed without a break is compared this often. A comparison costs more than
/// all the rest of a look; a face cannot become another while it is followed, but the watch
/// might be led from one to the next.
const COMPARE_EVERY: Duration = Duration::from_secs(10);
/// Open eyes are read this often.
const EYES_EVERY: Duration = Duration::from_secs(3);
/// A face that overlaps the one before this much is taken for the same.
const SAME_FACE: f32 = 0.3;
/// The nose of a face to be compared is no further from the middle between the eyes than this share of
/// their distance, sideways: a turn of about 15 degrees.
const STRAIGHT: f32 = 0.2;
/// A head turned further (degrees) hides whether its eyes are shut.
const EYES_SEEN: f32 = 20.0;
/// A mesh less certain than this is not of a face.
const MESH_SURE: f32 = 0.5;

impl Watch {
    /// A watch over a person who should look like `reference`, or like the first face seen.
    #[must_use]
    pub fn new(policy: WatchPolicy, reference: Option<Embedding>) -> Self {
        Self {
            states: WatchStates::new(policy.clone()),
            policy,
            scene: SceneReader::default(),
            reference,
            followed: None,
            faces: 0,
            looked_closely: None,
            out: VecDeque::new(),
        }
    }

    /// Looks at one picture.
    ///
    /// # Errors
    /// When a model fails. The next picture may be looked at all the same.
    pub fn look(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<(), InferenceError> {
        let content = self.scene.read(picture).content();
        let found = self.detect(models, picture, at)?;
        let largest = largest_of(&found);
        self.faces = largest.map_or(0, |(_, faces)| faces);
        let mut seen = Seen {
            faces: self.faces,
            same: None,
            eyes: None,
            covered: content < self.policy.min_content && largest.is_none(),
        };
        self.followed = match largest {
            None => None,
            Some((face, _)) => {
                let mut followed = self.follow(face);
                seen.same = self.compare(&mut followed, models, picture, face, at)?;
                seen.eyes = self.read_eyes(&mut followed, models, picture, face, at)?;
                Some(followed)
            }
        };
        self.out.extend(self.states.handle(at, &seen));
        Ok(())
    }

    fn detect(
        &mut self,
        models: &FaceModels,
        picture: &Picture,
        at: Mono,
    ) -> Result<Vec<Detection>, InferenceError> {
        let close = |last: Mono| at.since(last) >= CLOSE_LOOK_EVERY;
        if self.faces == 1 && !self.looked_closely.is_none_or(close) {
            let found = models.quick.detect(picture)?;
            if largest_of(&found).is_some_and(|(_, faces)| faces == 1) {
                return Ok(found);
            }
        }
        self.looked_closely = Some(at);
        models.detector.detect(picture)
    }

    fn follow(&self, face: &Detection) -> Followed {
        let same = |before: &Followed| before.face.iou(&face.face) >= SAME_FACE;
        let new = Followed { face: face.face, compared: None, same_since: None, eyes: None };
        self.followed.filter(same).map_or(new, |before| Followed { face: face.face, ..before })
    }

    /// How much the face is like the one that it should be, where that is to be told now: a new face
    /// at once, and then at every look until it has been the same for as long as an alarm
    /// needs to end.
    fn compare(
        &mut self,
        followed: &mut Followed,
        models: &FaceModels,
        picture: &Picture,
        face: &Detection,
        at: Mono,
    ) -> Result<Option<f32>, InferenceError> {
        let settled = millis(self.policy.clear_ms);
        let due = followed.compared.is_none_or(|last| {
            followed.same_since.is_none_or(|since| last.since(since) < settled)
                || at.since(last) >= COMPARE_EVERY
        });
        let Ok(embedder) = &models.embedder else { return Ok(None) };
        if !due || !is_straight(face) {
            return Ok(None);
        }
        let now = embedder.embed(picture, &face.points)?;
        let cosine = self.reference.get_or_insert_with(|| now.clone()).cosine(&now);
        followed.compared = Some(at);
        followed.same_since =
            (cosine >= self.policy.same).then(|| followed.same_since.unwrap_or(at));
        Ok(Some(cosine))
    }

    /// How closed the eyes are, where that is to be told now: at every look while they are shut.
    fn read_eyes(
        &self,
        followed: &mut Followed,
        models: &FaceModels,
        picture: &Picture,
        face: &Detection,
        at: Mono,
    ) -> Result<Option<f32>, InferenceError> {
        if followed.eyes.is_some_and(|(last, shut)| !shut && at.since(last) < EYES_EVERY) {
            return Ok(None);
        }
        let [first, second, ..] = face.points;
        let Some(window) = CropFrame::around(face.face, first, second) else { return Ok(None) };
        let mesh = models.mesh.read(picture, window)?;
        if mesh.presence < MESH_SURE || mesh.pose().yaw.abs() > EYES_SEEN {
            return Ok(None);
        }
        let blink = models.mesh.blendshapes(&mesh)?.blink();
        followed.eyes = Some((at, blink >= self.policy.eyes_shut));
        Ok(Some(blink))
    }

    /// The next news.
    pub fn poll(&mut self) -> Option<WatchEvent> {
        self.out.pop_front()
    }
}

/// A face turned aside looks less like itself.
fn is_straight(face: &Detection) -> bool {
    let [right_eye, left_eye, nose, ..] = face.points;
    let between = (left_eye.x - right_eye.x).abs();
    let aside = (nose.x - (left_eye.x + right_eye.x) / 2.0).abs();
    aside <= between * STRAIGHT
}

/// What it holds tells a person from others.
impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("states", &self.states).finish_non_exhaustive()
    }
}
