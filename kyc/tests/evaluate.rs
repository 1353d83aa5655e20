//! Clips and pairs judged as `vbranch kyc eval` and `match-eval` do, on tiny inputs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::{fs, path::Path};

use support::{STILL, face_film, ffmpeg, models};
use vbranch_kyc::{
    LivenessPolicy,
    evaluate::{Clips, compare, evaluate, read_pairs},
    vision::portrait::encode_jpeg,
};

/// A clip of coloured bars, without a face; `None` where there is no ffmpeg.
fn bars(file: &Path) -> Option<()> {
    let to = file.to_str().unwrap();
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=1", "-y", to]).map(drop)
}

#[test]
fn a_clip_without_a_face_and_a_script_for_another_are_not_accepted() {
    let Some(models) = models() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (live, attack) = (folder.path().join("live"), folder.path().join("attack"));
    fs::create_dir(&live).unwrap();
    fs::create_dir(&attack).unwrap();
    if bars(&live.join("bars.mp4")).is_none() {
        return;
    }
    // A still photograph that claims to have been recorded under some seed.
    fs::write(attack.join("still.h264"), STILL).unwrap();
    fs::write(attack.join("still.json"), format!("{{\"seed\": \"{}\"}}", "07".repeat(32))).unwrap();
    let attacks = [("still".to_owned(), attack)];
    let clips = Clips::find(&live, &attacks).unwrap();
    let mut heard = Vec::new();
    let report = evaluate(&models, &LivenessPolicy::default(), &clips, &mut |clip| {
        heard.push(clip.clip.clone());
    })
    .unwrap();
    assert_eq!(heard, ["bars.mp4", "still.h264"]);
    assert_eq!((report.bpcer.events, report.bpcer.trials), (1, 1), "{:?}", report.clips[0]);
    assert_eq!((report.apcer["still"].events, report.acer), (0, 0.5), "{:?}", report.clips[1]);
    assert!(!report.clips[0].scripted && report.clips[1].scripted);
    assert_eq!(report.policy_sha256, LivenessPolicy::default().sha256());
}

#[test]
fn a_file_that_is_no_clip_is_named() {
    let Some(models) = models() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("junk.mp4"), b"not a film").unwrap();
    let clips = Clips::find(folder.path(), &[]).unwrap();
    let error = evaluate(&models, &LivenessPolicy::default(), &clips, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("junk.mp4"), "{error}");
}

#[test]
fn one_person_is_taken_for_one_and_two_for_two() {
    let Some(models) = models() else { return };
    if models.embedder.is_err() {
        println!("skipped: no model that tells faces apart");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let still = &support::pictures(STILL)[0];
    fs::write(folder.path().join("still.jpg"), encode_jpeg(still).unwrap()).unwrap();
    fs::write(folder.path().join("still.h264"), STILL).unwrap();
    let mut list = "a,b,same\nstill.jpg,still.h264,1\n".to_owned();
    let film = face_film("d3.mp4");
    if let Some(film) = &film {
        list += &format!("still.jpg,{},0\n{0},{0},1\n", film.display());
    }
    let file = folder.path().join("pairs.csv");
    fs::write(&file, list).unwrap();
    let report = compare(&models, &read_pairs(&file).unwrap()).unwrap();
    assert_eq!(report.left_out, 0, "{:?}", report.unusable);
    let (lowest, _) = report.genuine_range.unwrap();
    assert!(lowest > 0.5, "{report:?}");
    if film.is_some() {
        assert!(report.impostor_range.unwrap().1 < 0.4, "{report:?}");
        let equal = report.equal_error.unwrap();
        assert_eq!((equal.fmr.events, equal.fnmr.events), (0, 0));
    }
}
