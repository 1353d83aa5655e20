//! Model files that are not what they should be: each gives an error that names the model, and
//! nothing is loaded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::fs::{self, File};

use proptest::prelude::*;
use support::models_dir;
use vbranch_kyc::{
    ModelError, ModelStore,
    vision::{Embedder, FaceModels, MeshReader, Network},
};

/// The carried models as files.
const LANDMARKS: &[u8] = include_bytes!("../models/face_landmarks.onnx");
const BLENDSHAPES: &[u8] = include_bytes!("../models/face_blendshapes.onnx");

#[test]
fn a_model_in_the_place_of_another_is_refused_by_its_shape() {
    for (landmarks, blendshapes) in
        [(BLENDSHAPES, LANDMARKS), (LANDMARKS, LANDMARKS), (BLENDSHAPES, BLENDSHAPES)]
    {
        let error = MeshReader::load(landmarks, blendshapes).unwrap_err();
        assert!(error.to_string().contains("face_"), "{error}");
    }
    for wrong in [LANDMARKS, BLENDSHAPES] {
        let error = Embedder::load(wrong).unwrap_err();
        assert!(error.to_string().contains("sface"), "{error}");
    }
}

#[test]
fn an_input_of_another_shape_than_the_models_is_refused() {
    for shape in [&[1, 256, 256][..], &[3], &[1, 256, 256, 4]] {
        assert!(Network::load("face_landmarks", LANDMARKS, shape).is_err(), "{shape:?}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for part in [0, 1, 100, BLENDSHAPES.len() / 2, BLENDSHAPES.len() - 1_000] {
        let cut = &BLENDSHAPES[..part];
        assert!(Network::load("face_blendshapes", cut, &[1, 146, 2]).is_err(), "{part} bytes");
    }
}

#[test]
fn a_file_far_larger_than_a_model_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path()).unwrap();
    let name = &store.entry("yunet").unwrap().file;
    // A sparse file: it takes no room, but would take 20 GiB of memory.
    File::create(folder.path().join(name)).unwrap().set_len(20 << 30).unwrap();
    let error = store.read("yunet").unwrap_err();
    assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("yunet"), "{error}");
    let error = FaceModels::load(&store).unwrap_err();
    assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
}

#[test]
fn a_folder_or_a_single_changed_bit_in_the_place_of_a_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path()).unwrap();
    let name = store.entry("yunet").unwrap().file.clone();
    fs::create_dir(folder.path().join(&name)).unwrap();
    let error = store.read("yunet").unwrap_err();
    assert!(matches!(error, ModelError::Unreadable { .. }), "{error}");

    let Ok(mut bytes) = fs::read(models_dir().join(&name)) else {
        println!("skipped: no detector in the models folder");
        return;
    };
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_dir(folder.path().join(&name)).unwrap();
    fs::write(folder.path().join(&name), bytes).unwrap();
    let error = FaceModels::load(&store).unwrap_err();
    assert!(matches!(error, ModelError::Digest { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bytes_that_are_no_model_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        prop_assert!(Network::load("junk", &bytes, &[1, 146, 2]).is_err());
    }
}
