//! What must be true of the vault, on the real disk and on one that dies between any two steps.

use std::{fs, path::Path};

use super::*;
use crate::test_disk::{End, TestDisk};

const DAY: i64 = 24 * 3_600_000;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn later(ms: i64) -> UnixMillis {
    UnixMillis(NOW.0 + ms)
}

fn person(name: &str) -> PersonRef {
    PersonRef(format!("customer:{name}"))
}

fn config(dir: &Path) -> FaceVaultConfig {
    let (dir, key) = (dir.join("faces"), dir.join("keys/faces.key"));
    FaceVaultConfig { dir, key, persons_threshold: 10 }
}

/// The files of the folder, by name.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir.join("faces")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_portrait_is_there_until_its_time_is_over_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), b"first", later(DAY)).unwrap();
    vault.keep(&person("a"), b"second", later(2 * DAY)).unwrap();
    vault.keep(&person("b"), b"other", later(DAY)).unwrap();
    assert_eq!(vault.persons(), 2);
    drop(vault);
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    assert_eq!(vault.persons(), 2);
    assert_eq!(vault.portrait(&person("a"), later(DAY)).unwrap().unwrap(), b"second");
    assert_eq!(vault.portrait(&person("b"), later(DAY - 1)).unwrap().unwrap(), b"other");
    assert_eq!(vault.portrait(&person("b"), later(DAY)).unwrap(), None, "its time is over");
    assert_eq!((vault.persons(), files(dir.path()).len()), (1, 1), "and it is gone");
    assert_eq!(vault.sweep(later(2 * DAY)).unwrap(), Swept { expired: 1, refused: 0 });
    assert_eq!((vault.persons(), files(dir.path()).len()), (0, 0));
}

#[test]
fn what_is_over_at_a_start_is_gone_before_anybody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), b"face", later(DAY)).unwrap();
    drop(vault);
    let vault = FaceVault::open(&config(dir.path()), later(DAY)).unwrap();
    assert_eq!((vault.persons(), files(dir.path()).len()), (0, 0));
}

#[test]
fn whoever_is_forgotten_is_gone_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.forget(&person("nobody")).unwrap();
    vault.keep(&person("a"), b"a", later(DAY)).unwrap();
    vault.keep(&person("b"), b"b", later(DAY)).unwrap();
    vault.forget(&person("a")).unwrap();
    assert_eq!(vault.portrait(&person("a"), NOW).unwrap(), None);
    assert_eq!(vault.portrait(&person("b"), NOW).unwrap().unwrap(), b"b");
    assert_eq!((vault.persons(), files(dir.path()).len()), (1, 1));
}

#[test]
fn neither_names_nor_files_tell_whose_face_or_what_face_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    for hostile in ["../../etc/passwd", "C-0042", "客户", "", "a\0b"] {
        vault.keep(&person(hostile), b"the face itself", later(DAY)).unwrap();
    }
    let files = files(dir.path());
    assert_eq!(files.len(), 5);
    let unkeyed = ring::digest::digest(&ring::digest::SHA256, b"customer:C-0042");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(Name::of_file(name).is_some(), "{name}");
        assert!(!name.contains(&hex::encode(unkeyed)), "a hash that anybody can make");
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|w| w == b"the face" || w == b"customer"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(config(dir.path()).key), 0o600);
    assert_eq!(mode(config(dir.path()).dir), 0o700);
}

#[test]
fn a_changed_cut_or_lengthened_file_is_refused_by_its_hash_and_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), &[7; 100], later(DAY)).unwrap();
    let file = files(dir.path()).remove(0);
    let good = fs::read(&file).unwrap();
    let mut wrong: Vec<Vec<u8>> = (0..good.len())
        .map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    wrong.extend((0..good.len()).map(|end| good[..end].to_vec()));
    wrong.push([good.as_slice(), b"more"].concat());
    let hash = file.file_stem().unwrap().to_str().unwrap();
    for (n, bytes) in wrong.iter().enumerate() {
        fs::write(&file, bytes).unwrap();
        let error = vault.portrait(&person("a"), NOW).unwrap_err();
        assert!(matches!(&error, FaceVaultError::Refused { name, .. } if name == hash), "{n}");
        assert!(!error.to_string().contains("customer"));
    }
    fs::write(&file, &good).unwrap();
    assert_eq!(vault.portrait(&person("a"), NOW).unwrap().unwrap(), [7; 100]);
}

#[test]
fn an_expiry_cannot_be_put_off() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), b"face", later(DAY)).unwrap();
    let file = files(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8..16].copy_from_slice(&later(1_000 * DAY).0.to_be_bytes());
    fs::write(&file, bytes).unwrap();
    assert!(vault.portrait(&person("a"), later(DAY)).is_err());
    assert_eq!(vault.sweep(NOW).unwrap(), Swept { expired: 0, refused: 1 });
    assert_eq!(vault.persons(), 0, "nobody can be shown from it");
}

#[test]
fn a_file_moved_to_another_person_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), b"a", later(DAY)).unwrap();
    let a = files(dir.path()).remove(0);
    vault.keep(&person("b"), b"b", later(DAY)).unwrap();
    let b = files(dir.path()).into_iter().find(|file| *file != a).unwrap();
    fs::copy(&a, &b).unwrap();
    assert!(matches!(vault.portrait(&person("b"), NOW), Err(FaceVaultError::Refused { .. })));
    assert_eq!(vault.portrait(&person("a"), NOW).unwrap().unwrap(), b"a");
    assert_eq!(vault.sweep(NOW).unwrap().refused, 1);
    // Handed in again, all is well.
    vault.keep(&person("b"), b"b", later(DAY)).unwrap();
    assert_eq!(vault.portrait(&person("b"), NOW).unwrap().unwrap(), b"b");
}

#[test]
fn without_its_key_nothing_can_be_read_ever_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    vault.keep(&person("a"), b"face", later(DAY)).unwrap();
    let old = files(dir.path()).remove(0);
    drop(vault);
    fs::remove_file(config(dir.path()).key).unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    assert_eq!(vault.persons(), 0);
    assert_eq!(vault.portrait(&person("a"), NOW).unwrap(), None, "another name under another key");
    // Even under its new name.
    vault.keep(&person("a"), b"new", later(DAY)).unwrap();
    let new = files(dir.path()).into_iter().find(|file| *file != old).unwrap();
    fs::copy(&old, &new).unwrap();
    assert!(vault.portrait(&person("a"), NOW).is_err());
}

#[test]
fn what_is_no_entry_is_left_alone_and_half_an_entry_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    let faces = dir.path().join("faces");
    let hash = "0".repeat(64);
    let foreign = ["notes.txt".to_owned(), format!("{hash}.template"), format!("{hash}.portrait")];
    for name in &foreign {
        fs::write(faces.join(name), b"x").unwrap();
    }
    fs::write(faces.join(format!("{hash}.new")), b"half").unwrap();
    assert_eq!(vault.sweep(NOW).unwrap(), Swept { expired: 0, refused: 3 });
    assert_eq!(files(dir.path()).len(), 3);
}

#[test]
fn the_warning_comes_at_nine_tenths_of_the_threshold() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FaceVault::open(&config(dir.path()), NOW).unwrap();
    for n in 0..9 {
        assert!(!vault.is_near(vault.persons()), "{n}");
        vault.keep(&person(&n.to_string()), b"face", later(DAY)).unwrap();
    }
    assert!(vault.is_near(vault.persons()));
}

/// What a story of the vault has been told is done, and what is under way.
#[derive(Default)]
struct Told {
    a: Option<&'static [u8]>,
    b: Option<&'static [u8]>,
}

type Step = fn(&FaceVault) -> Result<(), FaceVaultError>;

/// Each step with what it leads to.
fn story() -> Vec<(Step, Told)> {
    const A: [&[u8]; 3] = [b"face of a, one", b"face of a, two", b"face of b"];
    vec![
        (|v| v.keep(&person("a"), A[0], later(DAY)), Told { a: Some(A[0]), b: None }),
        (|v| v.keep(&person("a"), A[1], later(DAY)), Told { a: Some(A[1]), b: None }),
        (|v| v.keep(&person("b"), A[2], later(DAY)), Told { a: Some(A[1]), b: Some(A[2]) }),
        (|v| v.forget(&person("a")), Told { a: None, b: Some(A[2]) }),
        (|v| v.keep(&person("a"), A[0], later(DAY)), Told { a: Some(A[0]), b: Some(A[2]) }),
        (|v| v.forget(&person("b")), Told { a: Some(A[0]), b: None }),
    ]
}

#[test]
fn whenever_it_is_killed_what_was_acknowledged_holds_and_nothing_is_half() {
    let real = tempfile::tempdir().unwrap();
    let config = FaceVaultConfig { dir: PathBuf::from("/data/faces"), ..config(real.path()) };
    let mut deaths = 0;
    for end in [End::Kill, End::PowerCut] {
        for die_at in 1.. {
            let disk = TestDisk::new(die_at);
            disk.die_at(die_at);
            let mut allowed = vec![Told::default()];
            if let Ok(vault) = FaceVault::open_on(Arc::new(disk.clone()), &config, NOW) {
                for (step, leads_to) in story() {
                    let done = step(&vault).is_ok();
                    if done {
                        allowed.clear();
                    }
                    allowed.push(leads_to);
                    if !done {
                        break;
                    }
                }
            }
            if !disk.is_dead() {
                break;
            }
            deaths += 1;
            disk.restart(end);
            let vault = FaceVault::open_on(Arc::new(disk.clone()), &config, NOW).unwrap();
            let found = [person("a"), person("b")].map(|p| vault.portrait(&p, NOW).unwrap());
            let fits = allowed
                .iter()
                .any(|told| found[0].as_deref() == told.a && found[1].as_deref() == told.b);
            assert!(fits, "{end:?} at step {die_at}: {found:?}");
            let there = found.iter().flatten().count();
            assert_eq!(vault.persons(), there as u64, "{end:?} at step {die_at}");
            assert_eq!(disk.files(&config.dir).len(), there, "{end:?} at step {die_at}");
            for bytes in disk.every_byte() {
                assert!(!bytes.windows(7).any(|w| w == b"face of"), "in clear on the disk");
            }
        }
    }
    assert!(deaths > 40, "only {deaths} steps were tried");
}
