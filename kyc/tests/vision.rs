//! Real models on real pictures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use support::{STILL, models, pictures};
use vbranch_domain::Mono;
use vbranch_kyc::vision::{FaceTracker, Picture};

/// Copies a picture once or twice onto a grey canvas of twice its width.
fn on_canvas(picture: &Picture, left: bool, right: bool) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let mut rgb = Vec::new();
    for row in picture.rgb().chunks(width * 3) {
        for shown in [left, right] {
            if shown { rgb.extend_from_slice(row) } else { rgb.resize(rgb.len() + row.len(), 127) }
        }
    }
    Picture::from_rgb(width * 2, height, rgb).unwrap()
}

fn mirrored(picture: &Picture) -> Picture {
    let mut rgb = Vec::new();
    for row in picture.rgb().chunks(picture.width() * 3) {
        row.chunks(3).rev().for_each(|pixel| rgb.extend_from_slice(pixel));
    }
    Picture::from_rgb(picture.width(), picture.height(), rgb).unwrap()
}

#[test]
fn a_face_is_found_and_read() {
    let Some(models) = models() else { return };
    let pictures = pictures(STILL);
    assert_eq!(pictures.len(), 40);
    let found = models.detector.detect(&pictures[0]).unwrap();
    assert_eq!(found.len(), 1);
    let [right_eye, left_eye, nose, ..] = found[0].points;
    assert!(right_eye.x < nose.x && nose.x < left_eye.x && nose.y > right_eye.y);

    let report = FaceTracker::default().look(&models, &pictures[0], Mono::ZERO).unwrap();
    let face = report.face.unwrap();
    assert!(face.presence > 0.9, "{face:?}");
    assert!(face.shapes.blink() < 0.4 && face.eye_aspect > 0.2, "eyes are open: {face:?}");
    assert!(face.pose.yaw.abs() < 15.0, "she looks at the camera: {face:?}");
    assert!(face.face.iou(&found[0].face) > 0.5, "mesh and detector agree: {face:?}");
}

#[test]
fn the_mirrored_face_is_turned_the_other_way() {
    let Some(models) = models() else { return };
    let picture = &pictures(STILL)[0];
    let yaw = |p: &Picture| {
        FaceTracker::default().look(&models, p, Mono::ZERO).unwrap().face.unwrap().pose.yaw
    };
    let (plain, flipped) = (yaw(picture), yaw(&mirrored(picture)));
    assert!((plain + flipped).abs() < 4.0, "{plain} and {flipped}");
}

#[test]
fn no_face_one_face_and_two_faces_are_told_apart() {
    let Some(models) = models() else { return };
    let picture = &pictures(STILL)[0];
    for (left, right, faces) in [(false, false, 0), (true, false, 1), (true, true, 2)] {
        let canvas = on_canvas(picture, left, right);
        let report = FaceTracker::default().look(&models, &canvas, Mono::ZERO).unwrap();
        assert_eq!((report.seen.faces, report.seen.face.is_some()), (faces, faces > 0));
    }
}

#[test]
fn noise_is_no_face() {
    let Some(models) = models() else { return };
    let mut state = 1_u32;
    let rgb = (0..320 * 240 * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let noise = Picture::from_rgb(320, 240, rgb).unwrap();
    let report = FaceTracker::default().look(&models, &noise, Mono::ZERO).unwrap();
    assert_eq!(report.seen.face, None);
}

#[test]
fn a_face_is_followed_without_detecting_every_time() {
    let Some(models) = models() else { return };
    let mut tracker = FaceTracker::default();
    let reports: Vec<_> = pictures(STILL)
        .iter()
        .enumerate()
        .map(|(n, p)| tracker.look(&models, p, Mono::from_millis(n as u64 * 100)).unwrap())
        .collect();
    assert!(reports.iter().all(|r| r.seen.face.is_some_and(|f| f.track == 1)));
    assert_eq!(reports.iter().filter(|r| r.detected).count(), 4, "once a second");
}
