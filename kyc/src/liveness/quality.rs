//! Is the picture good enough to judge, and if not, what would make it so?

use vbranch_domain::kyc::Advice;

use super::{look::FrameObservation, policy::QualityPolicy};

/// What makes a picture unusable, the most important first.
///
/// Comparisons are written so that NaN counts as an obstacle.
/// A face that does what was `asked` may leave the picture further: who nods does.
pub(super) fn obstacle(
    seen: &FrameObservation,
    policy: &QualityPolicy,
    asked: bool,
) -> Option<Advice> {
    let least = policy.min_visible;
    let least = if asked { policy.min_visible_moving.min(least) } else { least };
    let at_least = |value: f32, limit: f32| value >= limit;
    let at_most = |value: f32, limit: f32| value <= limit;
    if seen.faces > 1 {
        return Some(Advice::SeveralFaces);
    }
    let Some(f) = &seen.face else { return Some(Advice::NoFace) };
    let numbers = [f.yaw, f.pitch, f.blink, f.mouth, f.smile];
    let whole = numbers.iter().all(|v| v.is_finite()) && f.rigid.is_finite();
    if !whole || !at_least(f.presence, policy.min_presence) {
        Some(Advice::NoFace)
    } else if !at_least(f.visible, least) {
        Some(Advice::CenterFace)
    } else if !at_least(f.size, policy.min_face) {
        Some(Advice::ComeCloser)
    } else if !at_most(f.size, policy.max_face) {
        Some(Advice::MoveBack)
    } else if !at_most(f.off_centre, policy.max_off_centre) {
        Some(Advice::CenterFace)
    } else if !at_least(f.brightness, policy.min_brightness) {
        // A lamp in front of the face helps against a window behind it as well.
        Some(Advice::MoreLight)
    } else {
        None
    }
}

/// What makes a picture too poor to begin with. A gesture under way is not stopped by it: turned
/// heads are lit from one side, moving ones are blurred.
pub(super) fn shortcoming(seen: &FrameObservation, policy: &QualityPolicy) -> Option<Advice> {
    let at_most = |value: f32, limit: f32| value <= limit;
    let f = seen.face.as_ref()?;
    if !at_most(f.burnt, policy.max_burnt)
        || !at_most(f.one_sided, policy.max_one_sided)
        || !at_most(f.backlight, policy.max_backlight)
    {
        Some(Advice::SofterLight)
    } else if !at_most(f.cover, policy.max_cover) {
        Some(Advice::UncoverFace)
    } else if f.sharpness.is_nan() || f.sharpness < policy.min_sharpness {
        Some(Advice::HoldStill)
    } else {
        None
    }
}

/// The verdict's word for a picture that stayed unusable.
pub(super) const fn failure_of(advice: Advice) -> &'static str {
    match advice {
        Advice::NoFace => "no_face",
        Advice::SeveralFaces => "several_faces",
        Advice::ComeCloser
        | Advice::MoveBack
        | Advice::CenterFace
        | Advice::MoreLight
        | Advice::SofterLight
        | Advice::HoldStill
        | Advice::UncoverFace
        | Advice::LookStraight
        | Advice::Good => "poor_picture",
    }
}
