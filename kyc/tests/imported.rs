//! Models that an operator brings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::{fs, path::Path};

use vbranch_kyc::{
    LivenessPolicy, ModelStore,
    liveness::{Action, PassivePolicy},
    models::{ImportError, ModelState},
    vision::{BoxF, Picture},
};

const REDDER: &[u8] = include_bytes!("data/redder.onnx");
const MANIFEST: &str = r#"
name = "redder"
sha256 = "DIGEST"
licence = "none: made for a test"

[passive]
size = [16, 16]
crop = 1.0
order = "rgb"
scale = [0.01, 0.01, 0.01]
outputs = 2
live = 0
activation = "softmax"
"#;

fn manifest() -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, REDDER);
    MANIFEST.replace("DIGEST", &hex::encode(digest))
}

/// Imports `model` with `manifest` into a fresh folder.
fn import(folder: &Path, model: &[u8], manifest: &str) -> Result<ModelStore, ImportError> {
    let (model_file, manifest_file) = (folder.join("in.onnx"), folder.join("in.toml"));
    fs::write(&model_file, model).unwrap();
    fs::write(&manifest_file, manifest).unwrap();
    let store = ModelStore::open(folder.join("models")).unwrap();
    store.import(&model_file, &manifest_file).map(|_| store)
}

/// A grey picture with a face-sized patch of a colour.
fn patch(rgb: [u8; 3]) -> Picture {
    let mut pixels = vec![128; 100 * 100 * 3];
    for y in 30..70 {
        for x in 30..70 {
            pixels[(y * 100 + x) * 3..][..3].copy_from_slice(&rgb);
        }
    }
    Picture::from_rgb(100, 100, pixels).unwrap()
}

const FACE: BoxF = BoxF { x: 30.0, y: 30.0, w: 40.0, h: 40.0 };

#[test]
fn an_imported_model_scores_a_face_as_its_manifest_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = import(folder.path(), REDDER, &manifest()).unwrap();
    let (model, manifest) = store.passive("redder").unwrap();
    assert_eq!(manifest.name, "redder");
    let score = |rgb| model.score(&patch(rgb), FACE).unwrap();
    let (red, blue, grey) = (score([250, 9, 9]), score([9, 9, 250]), score([77, 77, 77]));
    assert!(red > 0.98 && blue < 0.02 && (grey - 0.5).abs() < 0.01, "{red} {blue} {grey}");

    let turned = manifest_with(&[("\"rgb\"", "\"bgr\"")]);
    let store = import(folder.path(), REDDER, &turned).unwrap();
    let (model, _) = store.passive("redder").unwrap();
    assert!(model.score(&patch([250, 9, 9]), FACE).unwrap() < 0.02, "blue comes first now");
}

fn manifest_with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(manifest(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn what_the_manifest_says_must_be_true_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (changes, word) in [
        (&[("outputs = 2", "outputs = 3")][..], "no output of 3 numbers"),
        (&[("size = [16, 16]", "size = [16, 4]")], "size"),
        (&[("live = 0", "live = 2")], "live"),
        (&[("crop = 1.0", "crop = nan")], "crop"),
        (&[("scale = [0.01", "scale = [0.0")], "scale"),
        (&[("\"rgb\"", "\"gbr\"")], "gbr"),
        (&[("name = \"redder\"", "name = \"../redder\"")], "name"),
        (&[("name = \"redder\"", "name = \"yunet\"")], "name"),
        (&[("name = \"redder\"", "name = \"redder\"\nfile = \"x\"")], "file"),
        (&[("sha256 = \"", "sha256 = \"00")], "sha256"),
    ] {
        let Err(error) = import(folder.path(), REDDER, &manifest_with(changes)) else {
            panic!("{changes:?} was accepted")
        };
        let mut told = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            told.push_str(&error.to_string());
            source = error.source();
        }
        assert!(told.contains(word), "{changes:?}: {told}");
    }
    assert!(!folder.path().join("models").exists(), "nothing was copied");
}

#[test]
fn a_file_that_is_no_model_or_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let changed = import(folder.path(), b"not it", &manifest());
    assert!(changed.unwrap_err().to_string().contains("SHA-256"));
    for garbage in [&b"not a model"[..], &REDDER[..REDDER.len() / 2], &[0xff; 4096], b""] {
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, garbage));
        let result = import(folder.path(), garbage, &MANIFEST.replace("DIGEST", &digest));
        assert!(matches!(result, Err(ImportError::Model(_))), "{} bytes", garbage.len());
    }
}

#[test]
fn what_became_of_imported_models_is_listed_and_a_broken_one_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = import(folder.path(), REDDER, &manifest()).unwrap();
    let state = |store: &ModelStore| store.imported()[0].state;
    assert_eq!(state(&store), ModelState::Present);

    let kept = folder.path().join("models/imported");
    fs::write(kept.join("redder.onnx"), b"changed").unwrap();
    assert_eq!(state(&store), ModelState::Corrupt);
    assert!(store.passive("redder").is_err());
    fs::remove_file(kept.join("redder.onnx")).unwrap();
    assert_eq!(state(&store), ModelState::Missing);
    fs::write(kept.join("redder.toml"), b"\xff\xfe").unwrap();
    let status = &store.imported()[0];
    assert_eq!((status.state, status.manifest.is_none()), (ModelState::Corrupt, true));
    assert!(status.problem.is_some());
    assert!(store.passive("other").is_err() && store.passive("../redder").is_err());
}

#[test]
fn checks_ask_the_models_that_the_policy_names_and_say_which_they_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = import(folder.path(), REDDER, &manifest()).unwrap();
    let passive =
        |model: &str| PassivePolicy { model: model.to_owned(), live: 0.5, action: Action::Refer };
    let policy = LivenessPolicy {
        passive: vec![passive("gone"), passive("redder")],
        ..LivenessPolicy::default()
    };
    let Some(models) = support::models() else { return };
    let models = models.with_passive(&store, &policy);
    assert!(models.passive[0].is_err() && models.passive[1].is_ok());
    let digests: Vec<&str> = models.digests.iter().map(|model| model.name.as_str()).collect();
    assert!(digests.contains(&"redder") && !digests.contains(&"gone"), "{digests:?}");
}
