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

use support::{STILL, as_sent, face_film, models, pictures};
use vbranch_domain::Mono;
use vbranch_kyc::{
    LivenessPolicy,
    vision::{FaceTracker, Picture, Point},
};

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

/// Paints over every pixel that `covers` says, as shares of the distance of the eyes from the middle
/// between them (x to the picture's right, y down).
fn painted(
    picture: &Picture,
    [right_eye, left_eye]: [Point; 2],
    colour: [u8; 3],
    covers: impl Fn(f32, f32) -> bool,
) -> Picture {
    let (cx, cy) = (f32::midpoint(right_eye.x, left_eye.x), f32::midpoint(right_eye.y, left_eye.y));
    let apart = (left_eye.x - right_eye.x).hypot(left_eye.y - right_eye.y);
    let mut rgb = picture.rgb().to_vec();
    for (n, pixel) in rgb.chunks_mut(3).enumerate() {
        let (x, y) = ((n % picture.width()) as f32, (n / picture.width()) as f32);
        if covers((x - cx) / apart, (y - cy) / apart) {
            pixel.copy_from_slice(&colour);
        }
    }
    Picture::from_rgb(picture.width(), picture.height(), rgb).unwrap()
}

/// As a camera sees by an infrared lamp: without colours.
fn grey(picture: &Picture) -> Picture {
    let luma =
        |p: &[u8]| (u32::from(p[0]) * 30 + u32::from(p[1]) * 59 + u32::from(p[2]) * 11) / 100;
    let rgb = picture.rgb().chunks(3).flat_map(|p| [luma(p) as u8; 3]).collect();
    Picture::from_rgb(picture.width(), picture.height(), rgb).unwrap()
}

#[test]
fn sunglasses_and_masks_cover_a_face_and_shade_in_its_sockets_does_not() {
    let Some(models) = models() else { return };
    let most = LivenessPolicy::default().quality.max_cover;
    let sunglasses = |x: f32, y: f32| (x.abs() - 0.55).hypot(y) < 0.42;
    let mask = |x: f32, y: f32| y > 0.45 && x.abs() < 1.2 && y < 1.8;
    for name in ["d0.mp4", "d3.mp4", "d13.mp4", "d18.mp4", "d20.mp4"] {
        let Some(stream) = face_film(name).and_then(|film| as_sent(&film, 1.0, 1.2)) else {
            continue;
        };
        let plain = &pictures(&stream)[0];
        let [right_eye, left_eye, ..] = models.detector.detect(plain).unwrap()[0].points;
        let cover = |picture: &Picture| {
            let report = FaceTracker::default().look(&models, picture, Mono::ZERO).unwrap();
            report.seen.face.map(|face| face.cover)
        };
        let with = |colour, covers: &dyn Fn(f32, f32) -> bool| {
            cover(&painted(plain, [right_eye, left_eye], colour, covers))
        };
        println!(
            "FIGURE: cover of {name}: {:?}, sunglasses {:?}, {:?}, mask {:?}, {:?}",
            cover(plain),
            with([14, 14, 16], &sunglasses),
            with([40, 38, 40], &sunglasses),
            with([120, 170, 210], &mask),
            with([230, 230, 230], &mask),
        );
        assert!(cover(plain).unwrap() < 0.8 * most, "{name}");
        // With so much covered there may be no face at all, which is as well.
        assert!(with([14, 14, 16], &sunglasses).is_none_or(|c| c > most), "{name}");
        assert!(with([120, 170, 210], &mask).is_none_or(|c| c > most), "{name}");

        // Without colours darkness alone has to tell.
        let dark = painted(&grey(plain), [right_eye, left_eye], [14, 14, 14], sunglasses);
        println!("FIGURE: cover of {name} in grey: {:?}, {:?}", cover(&grey(plain)), cover(&dark));
        assert!(cover(&grey(plain)).unwrap() < most, "{name} in grey");
        assert!(cover(&dark).is_none_or(|c| c > most), "{name} in grey");
    }
}
