//! Whatever is done to a bundle, the check fails and says where.

use std::{fs, os::unix::fs::symlink, sync::OnceLock};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    keys::{EvidenceKey, EvidencePublicKey},
    verify::{Outcome, Report, verify},
};

/// A good bundle, to be copied and spoilt.
struct Good {
    _dir: tempfile::TempDir,
    folder: PathBuf,
    /// Another recording's, of the same branch.
    other: PathBuf,
    key: EvidencePublicKey,
    files: Vec<PathBuf>,
}

fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::start(&dir.path().join("data"));
        let (folder, other) = (dir.path().join("bundle"), dir.path().join("other"));
        let call = Call::shoot(3.5);
        let mut tap = rig.recorder.open(call.meta.clone(), START).unwrap();
        call.items.iter().for_each(|item| tap.push(item.clone()));
        let recording = call.meta.recording;
        rig.recorder.put_artifact(recording, "sign.png", b"ink".to_vec()).unwrap();
        rig.recorder.close(recording, call.end).unwrap();
        rig.export(recording, &folder, true);
        let second = rig.record(&Call::shoot(2.5));
        rig.export(second, &other, true);
        let key = rig.recorder.public_key();
        assert!(verify(&folder, &key, None).ok && verify(&other, &key, None).ok);
        for name in ["customer.mp4", "staff.mp4", "staff-screen.mp4"] {
            assert!(folder.join("media").join(name).exists(), "{name}");
        }
        let files = objects(&folder).into_iter().map(|(path, _)| path).collect();
        Good { _dir: dir, folder, other, key, files }
    })
}

/// A copy of the good bundle, spoilt and checked.
fn spoilt(spoil: impl FnOnce(&Path)) -> Report {
    let good = good();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("bundle");
    for file in &good.files {
        let to = folder.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(good.folder.join(file), to).unwrap();
    }
    spoil(&folder);
    verify(&folder, &good.key, None)
}

/// What a report calls a file: signatures are named by what they sign.
fn subject(path: &Path) -> String {
    path.to_str().unwrap().replace("manifest.sig", "manifest.json").replace(".sig", ".json")
}

#[track_caller]
fn assert_named(report: &Report, path: &Path) {
    let first = report.first_failure.as_deref().unwrap_or("nothing");
    assert!(!report.ok && first.contains(&subject(path)), "{path:?}, but: {first}");
}

fn segments() -> Vec<&'static PathBuf> {
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|e| e == "seg");
    good().files.iter().filter(is_segment).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_is_caught_and_named(file: Index, at: Index, bit in 0u8..8) {
        let path = file.get(&good().files);
        let report = spoilt(|folder| {
            let mut bytes = fs::read(folder.join(path)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            fs::write(folder.join(path), bytes).unwrap();
        });
        assert_named(&report, path);
    }

    #[test]
    fn a_cut_or_longer_file_is_caught_and_named(file: Index, at: Index, longer: bool) {
        let path = file.get(&good().files);
        let report = spoilt(|folder| {
            let mut bytes = fs::read(folder.join(path)).unwrap();
            if longer { bytes.push(b'\n') } else { bytes.truncate(at.index(bytes.len())) }
            fs::write(folder.join(path), bytes).unwrap();
        });
        // More lines under a checkpoint are other people's signatures on it.
        if !(longer && path.ends_with("log-proof.txt")) {
            assert_named(&report, path);
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for path in &good().files {
        let report = spoilt(|folder| fs::remove_file(folder.join(path)).unwrap());
        // Without the key in clear the rest is still checked.
        if path.ends_with("data.key") {
            assert!(report.ok);
        } else {
            assert_named(&report, path);
        }
    }
}

#[test]
fn swapped_segments_are_named() {
    let segments = segments();
    let (a, b) = (segments[0], segments[1]);
    let report = spoilt(|folder| {
        let (first, second) =
            (fs::read(folder.join(a)).unwrap(), fs::read(folder.join(b)).unwrap());
        fs::write(folder.join(a), second).unwrap();
        fs::write(folder.join(b), first).unwrap();
    });
    assert_named(&report, a);
    assert!(report.first_failure.unwrap().ends_with("holds segment 1 instead"));
}

#[test]
fn an_added_segment_is_named() {
    let segment = segments()[0];
    let added = segment.with_file_name("00000099.seg");
    let report = spoilt(|folder| {
        fs::copy(folder.join(segment), folder.join(&added)).unwrap();
    });
    assert_named(&report, &added);
}

#[test]
fn an_edited_manifest_is_named_even_if_it_is_consistent() {
    let report = spoilt(|folder| {
        let path = folder.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("demo-loan@1", "demo-loan@2")).unwrap();
    });
    assert_named(&report, Path::new("manifest.json"));
}

#[test]
fn another_recordings_documents_do_not_pass() {
    let good = good();
    let swap = |names: &[&str]| {
        spoilt(|folder| {
            for name in names {
                fs::copy(good.other.join(name), folder.join(name)).unwrap();
            }
        })
    };
    let manifest = ["manifest.json", "manifest.sig"];
    assert_named(&swap(&manifest), Path::new("log-entry.json"));
    let with_log =
        ["manifest.json", "manifest.sig", "log-entry.json", "log-proof.txt", "log-consistency.txt"];
    assert_named(&swap(&with_log), Path::new("key.json"));
    assert_named(&swap(&["log-entry.json", "log-proof.txt"]), Path::new("log-entry.json"));
    assert_named(&swap(&["log-proof.txt"]), Path::new("log-proof.txt"));
    assert_named(&swap(&["log-consistency.txt"]), Path::new("log-consistency.txt"));
    assert_named(&swap(&["key.json"]), Path::new("key.json"));
    assert_named(&swap(&["export.json", "export.sig"]), Path::new("export.json"));
}

#[test]
fn a_bundle_signed_by_someone_else_does_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    let stranger = EvidenceKey::open(&dir.path().join("key")).unwrap().public();
    let report = verify(&good().folder, &stranger, None);
    assert_named(&report, Path::new("manifest.json"));
    // Nothing a stranger's manifest lists is read.
    let rest = report.checks.iter().filter(|check| check.check != "signature");
    assert!(rest.clone().count() >= 10, "{report:#?}");
    assert!(rest.into_iter().all(|check| check.outcome == Outcome::Skipped), "{report:#?}");
}

#[test]
fn links_and_nonsense_only_make_it_fail() {
    let report = spoilt(|folder| symlink("/dev/zero", folder.join("objects/zero")).unwrap());
    assert_named(&report, Path::new("objects/zero"));
    let report = spoilt(|folder| {
        fs::remove_file(folder.join("manifest.json")).unwrap();
        symlink("/dev/zero", folder.join("manifest.json")).unwrap();
    });
    assert!(!report.ok);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let report = spoilt(|folder| fs::write(folder.join("manifest.json"), deep).unwrap());
    assert_named(&report, Path::new("manifest.json"));
    let report = spoilt(|folder| {
        // Sparse: a terabyte by name.
        let file = fs::OpenOptions::new().write(true).open(folder.join("manifest.json")).unwrap();
        file.set_len(1 << 40).unwrap();
    });
    assert_named(&report, Path::new("manifest.json"));
    let segment = segments()[0];
    let report = spoilt(|folder| {
        let file = fs::OpenOptions::new().write(true).open(folder.join(segment)).unwrap();
        file.set_len(1 << 40).unwrap();
    });
    assert_named(&report, segment);
    assert!(!verify(Path::new("/nonexistent"), &good().key, None).ok);
}

/// The first thing the format's description tells an outsider to do.
#[test]
fn openssl_checks_the_manifests_signature() {
    let verify = |manifest: &Path| {
        std::process::Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"])
            .arg(good().folder.join("evidence.pub"))
            .arg("-in")
            .arg(manifest)
            .arg("-sigfile")
            .arg(good().folder.join("manifest.sig"))
            .output()
    };
    match verify(&good().folder.join("manifest.json")) {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => return println!("skipped: no openssl here"),
    }
    assert!(!verify(&good().folder.join("export.json")).unwrap().status.success());
}
