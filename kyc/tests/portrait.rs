//! Portraits and faces compared, on photographs that lie beside the repository on some machines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use support::{STILL, face_film, models, pictures};
use vbranch_kyc::vision::{
    Embedder, Embedding, FaceModels, Picture, PortraitError, PortraitFace,
    portrait::{decode, encode_jpeg},
};

fn embedder(models: &FaceModels) -> Option<&Embedder> {
    models.embedder.as_ref().inspect_err(|error| println!("skipped: {error}")).ok()
}

fn photograph(name: &str) -> Option<Vec<u8>> {
    face_film(name).map(|file| std::fs::read(file).unwrap())
}

fn embedding(models: &FaceModels, name: &str) -> Option<Embedding> {
    let embedder = embedder(models)?;
    let portrait = PortraitFace::read(&models.detector, &photograph(name)?).unwrap();
    Some(embedder.embed(&portrait.picture, &portrait.face.points).unwrap())
}

#[test]
fn one_person_is_alike_on_two_photographs_and_two_people_are_not() {
    let Some(models) = models() else { return };
    let embed = |name| embedding(&models, name);
    let (Some(obama), Some(again), Some(biden)) =
        (embed("obama.jpg"), embed("obama2.jpg"), embed("biden.jpg"))
    else {
        return;
    };
    let (same, other) = (obama.cosine(&again), obama.cosine(&biden));
    println!("the same person {same:.3}, another {other:.3}");
    assert!(same > 0.55 && other < 0.35, "{same} {other}");
    assert_eq!(obama.best_of(&[biden, again]), Some(same));
}

#[test]
fn a_face_is_the_same_by_the_meshs_points_as_by_the_detectors() {
    let Some(models) = models() else { return };
    let Some(embedder) = embedder(&models) else { return };
    let picture = &pictures(STILL)[0];
    let face = models.detector.detect(picture).unwrap()[0];
    let [first, second, ..] = face.points;
    let window = vbranch_kyc::vision::CropFrame::around(face.face, first, second).unwrap();
    let mesh = models.mesh.read(picture, window).unwrap();
    let detected = embedder.embed(picture, &face.points).unwrap();
    let meshed = embedder.embed(picture, &mesh.five_points().unwrap()).unwrap();
    let alike = detected.cosine(&meshed);
    assert!(alike > 0.85, "{alike}");
}

#[test]
fn a_portrait_must_show_exactly_one_face() {
    let Some(models) = models() else { return };
    let read =
        |picture: &Picture| PortraitFace::read(&models.detector, &encode_jpeg(picture).unwrap());
    let still = &pictures(STILL)[0];
    assert!(read(still).unwrap().face.score > 0.6);

    let grey = Picture::from_rgb(300, 300, vec![127; 300 * 300 * 3]).unwrap();
    assert!(matches!(read(&grey), Err(PortraitError::NoFace)));

    let (width, rows) = (still.width() * 3, still.rgb().chunks(still.width() * 3));
    let twice: Vec<u8> = rows.flat_map(|row| [row, row].concat()).collect();
    let two = Picture::from_rgb(width / 3 * 2, still.height(), twice).unwrap();
    assert!(matches!(read(&two), Err(PortraitError::SeveralFaces(2))));

    let small: Vec<u8> =
        still.shrink(80, 80).as_flattened().iter().map(|v| v.round() as u8).collect();
    let small = Picture::from_rgb(80, 80, small).unwrap();
    assert!(matches!(read(&small), Err(PortraitError::FaceTooSmall(_))), "{:?}", read(&small));
}

#[test]
fn a_photograph_of_two_people_is_refused() {
    let Some(models) = models() else { return };
    let Some(file) = photograph("two_people.jpg") else { return };
    let read = PortraitFace::read(&models.detector, &file);
    assert!(matches!(read, Err(PortraitError::SeveralFaces(2))), "{read:?}");
}

#[test]
fn a_photograph_taken_with_the_phone_on_its_side_is_turned_upright() {
    let jpeg = encode_jpeg(&pictures(STILL)[0].clone()).unwrap();
    let wide = Picture::from_rgb(64, 32, vec![99; 64 * 32 * 3]).unwrap();
    let plain = encode_jpeg(&wide).unwrap();
    // An Exif segment that says "turn by 90 degrees", behind the start of the file.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&plain[..2], exif, &plain[2..]].concat();
    let picture = decode(&turned).unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 64));
    assert!(decode(&jpeg).is_ok());
}
