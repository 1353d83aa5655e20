//! The parts of a policy, one for each thing that is judged.

use serde::{Deserialize, Serialize};

/// What follows when a signal fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is not looked for.
    Off,
    /// It is written down; with enough others of this kind the customer goes to staff.
    Count,
    /// The customer goes to staff.
    Refer,
    /// The check has failed.
    Fail,
}

/// What a passive model of the operator's counts for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassivePolicy {
    /// Name of an imported model.
    pub model: String,
    /// A face whose mean score over the check is less than this is not taken for a living one.
    pub live: f32,
    /// What follows then.
    pub action: Action,
}

/// When a movement is the gesture asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GesturePolicy {
    /// A gesture that begins sooner after the question is no answer to it.
    pub reaction_ms: u64,
    /// How long a face must be at rest after the question before a gesture counts.
    pub baseline_ms: u64,

    /// Eyes this closed or more are shut.
    pub blink_shut: f32,
    /// Eyes this closed or less are open.
    pub blink_open: f32,
    /// Narrow eyes, or eyes cast down on a screen, look half closed all the time. So eyes count as
    /// open up to the person's usual level and a little, but never beyond this.
    pub blink_open_most: f32,
    /// And they are shut only if closed by this much more than usual.
    pub blink_rise: f32,
    /// Eyes shut for longer than this are not a blink.
    pub blink_max_ms: u64,

    /// A head turned this far to the asked side has turned.
    pub turn_yaw: f32,
    /// A head turned no further than this looks straight.
    pub straight_yaw: f32,
    /// A turn, there and back, that takes less than this is none.
    pub turn_min_ms: u64,
    /// A turn that takes longer than this, there and back, is not one gesture.
    pub turn_max_ms: u64,

    /// A mouth open this far or more is open.
    pub mouth_open: f32,
    /// And it is opened only if open by this much more than usual.
    pub mouth_rise: f32,
    /// A head lowered by this many degrees against its usual pitch has nodded.
    pub nod_pitch: f32,
    /// A head within this many degrees of its usual pitch is level.
    pub level_pitch: f32,
    /// A smile this broad or more is one.
    pub smile_shown: f32,
    /// And it is one only if broader by this much than the usual face.
    pub smile_rise: f32,
    /// An open mouth, a nod or a smile that takes less than this is none.
    pub move_min_ms: u64,
    /// An open mouth, a nod or a smile that takes longer than this is not one gesture.
    pub move_max_ms: u64,

    /// Gestures of the pool done although others were asked for, in all: a turn or a nod is one, an
    /// open mouth or a smile half of one (people speak and smile), a blink none.
    pub wrong_most: f32,
    /// What follows when there are more.
    pub wrong: Action,
}

impl Default for GesturePolicy {
    fn default() -> Self {
        Self {
            reaction_ms: 150,
            baseline_ms: 150,
            blink_shut: 0.5,
            blink_open: 0.3,
            blink_open_most: 0.42,
            blink_rise: 0.2,
            blink_max_ms: 1_500,
            turn_yaw: 18.0,
            straight_yaw: 10.0,
            turn_min_ms: 300,
            turn_max_ms: 6_000,
            mouth_open: 0.3,
            mouth_rise: 0.2,
            nod_pitch: 9.0,
            level_pitch: 5.0,
            smile_shown: 0.5,
            smile_rise: 0.3,
            move_min_ms: 200,
            move_max_ms: 5_000,
            wrong_most: 2.0,
            wrong: Action::Fail,
        }
    }
}

/// When a picture is good enough to judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityPolicy {
    /// A face whose height is less than this share of the picture's shorter side is too small.
    pub min_face: f32,
    /// A face whose height is more than this share of it is too large.
    pub max_face: f32,
    /// A face of which less than this share is inside the picture is cut off: nothing is asked.
    pub min_visible: f32,
    /// The same while a gesture is asked for, if that is less: who nods leaves the picture a little.
    pub min_visible_moving: f32,
    /// A face whose middle is further from the picture's than this share of its sides is off.
    pub max_off_centre: f32,
    /// Mean brightness of the face below which it is too dark.
    pub min_brightness: f32,
    /// A face of which more than this share is burnt out is lit too brightly.
    pub max_burnt: f32,
    /// Light on the two cheeks differs by no more than this share of their sum.
    pub max_one_sided: f32,
    /// What is behind the face is no more than this many times as bright.
    pub max_backlight: f32,
    /// A face less sharp than this (see `docs/kyc.md` for the measure) is blurred.
    pub min_sharpness: f32,
    /// A face whose mouth or eyes look less like its own skin than this is covered.
    pub max_cover: f32,
    /// A mesh less certain than this is no face.
    pub min_presence: f32,
}

impl Default for QualityPolicy {
    fn default() -> Self {
        Self {
            min_face: 0.2,
            max_face: 0.95,
            min_visible: 0.9,
            min_visible_moving: 0.7,
            max_off_centre: 0.35,
            min_brightness: 0.15,
            max_burnt: 0.3,
            max_one_sided: 0.75,
            max_backlight: 12.0,
            min_sharpness: 0.006,
            max_cover: 1.0,
            min_presence: 0.5,
        }
    }
}

/// The colours on the customer's screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlashPolicy {
    /// How many colours, 4 to 12.
    pub colours: u32,
    /// Each holds at least this long: no more than three changes a second (WCAG 2.3.1).
    pub hold_min_ms: u64,
    /// And at most this long.
    pub hold_max_ms: u64,
    /// Shortest time from telling the page to seeing its light.
    pub lag_min_ms: u64,
    /// Longest. Light that follows later than this comes by a detour.
    pub lag_max_ms: u64,
    /// How often the colours are shown at most, where the answer is not seen. With 0 there are none.
    pub tries: u32,
    /// How well the skin must follow the colours (correlation).
    pub correlation: f32,
    /// How much better it must follow them than any sequence that was not shown.
    pub margin: f32,
    /// How much light of the screen must come back, as a share of the other light.
    pub gain: f32,
    /// How well each part of the face must follow.
    pub region_correlation: f32,
    /// Changes of the skin's light that are larger than this and do not follow are those of another
    /// light: a film.
    pub foreign: f32,
    /// What follows when no answer is seen, or a late one: the room is too bright or the network too
    /// slow, or it is a film.
    pub unseen: Action,
    /// What follows when the skin's light changes, but not with the colours.
    pub mismatch: Action,
    /// How much the answer must differ over the face: a flat picture answers evenly.
    pub relief: f32,
    /// What follows when it does not.
    pub flat: Action,
}

impl Default for FlashPolicy {
    fn default() -> Self {
        Self {
            colours: 6,
            hold_min_ms: 400,
            hold_max_ms: 520,
            lag_min_ms: 50,
            lag_max_ms: 800,
            tries: 2,
            correlation: 0.75,
            margin: 0.05,
            gain: 0.02,
            region_correlation: 0.6,
            foreign: 0.05,
            unseen: Action::Refer,
            mismatch: Action::Fail,
            relief: 0.12,
            flat: Action::Count,
        }
    }
}

/// Whether the head that turns is solid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParallaxPolicy {
    /// How far points move by their depth, against a head turned as far: 1 for a solid head, 0 for
    /// a picture however bent.
    pub depth: f32,
    /// How much of the movement that no bent picture explains is explained by depth.
    pub agreement: f32,
    /// What follows when it is less.
    pub flat: Action,
}

impl Default for ParallaxPolicy {
    fn default() -> Self {
        Self { depth: 0.5, agreement: 0.3, flat: Action::Fail }
    }
}

/// Whether the video comes from a camera, now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamPolicy {
    /// Two stretches of video whose faces move alike to less than this share of the movement are
    /// one film shown twice.
    pub loop_difference: f32,
    /// What follows.
    pub looped: Action,
    /// Faces that jump, at rest before and after, this often: a film that was cut.
    pub max_jumps: u32,
    /// What follows when there are more.
    pub jumps: Action,
    /// Share of pictures that repeat the one before exactly.
    pub max_frozen: f32,
    /// What follows when there are more.
    pub frozen: Action,
    /// Pictures must differ by this much (of 255) even where nothing moves: cameras have noise.
    pub min_noise: f32,
    /// What follows when they differ less.
    pub noiseless: Action,
    /// Pictures must come this unevenly (standard deviation of their spacing, ms).
    pub min_jitter_ms: f32,
    /// What follows when they come more evenly.
    pub even: Action,
    /// What follows when the camera's name is that of a known virtual one.
    pub virtual_camera: Action,
    /// What follows when the video is not of the size or shape that the page claims.
    pub other_size: Action,
}

impl Default for StreamPolicy {
    fn default() -> Self {
        Self {
            loop_difference: 0.04,
            looped: Action::Fail,
            max_jumps: 1,
            jumps: Action::Refer,
            max_frozen: 0.5,
            frozen: Action::Refer,
            min_noise: 0.02,
            noiseless: Action::Off,
            min_jitter_ms: 0.02,
            even: Action::Count,
            virtual_camera: Action::Refer,
            other_size: Action::Count,
        }
    }
}

/// Whose face it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityPolicy {
    /// How often the face is compared with the one before.
    pub every_ms: u64,
    /// Faces less alike (cosine) are not one person.
    pub same: f32,
    /// What follows when the face changes within the check.
    pub changed: Action,
    /// Live face and portrait this alike are one person.
    pub pass: f32,
    /// Between this and `pass` staff decide.
    pub unsure: f32,
    /// What follows when live face and portrait are less alike than that.
    pub no_match: Action,
}

impl Default for IdentityPolicy {
    fn default() -> Self {
        Self {
            every_ms: 1_200,
            same: 0.4,
            changed: Action::Fail,
            pass: 0.45,
            unsure: 0.33,
            no_match: Action::Fail,
        }
    }
}

/// The watch over faces in the call. Each state must last `…_ms` to be told, and be over for
/// `clear_ms` to be taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchPolicy {
    /// How often the picture is looked at.
    pub every_ms: u64,
    /// Nobody is there.
    pub absent_ms: u64,
    /// More than one is.
    pub several_ms: u64,
    /// Somebody else is.
    pub different_ms: u64,
    /// The eyes are shut.
    pub eyes_closed_ms: u64,
    /// The camera shows nothing.
    pub covered_ms: u64,
    /// How long a state must be over.
    pub clear_ms: u64,
    /// Faces less alike (cosine) are not one person.
    pub same: f32,
    /// Eyes this closed or more are shut.
    pub eyes_shut: f32,
    /// A picture whose brightness varies less than this (of 255) over itself has no content.
    pub min_content: f32,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            every_ms: 1_000,
            absent_ms: 5_000,
            several_ms: 4_000,
            different_ms: 4_000,
            eyes_closed_ms: 10_000,
            covered_ms: 3_000,
            clear_ms: 2_000,
            same: 0.3,
            eyes_shut: 0.5,
            min_content: 6.0,
        }
    }
}
