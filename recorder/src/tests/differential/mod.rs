//! Our verifier against the independent one in `recorder/verifier`, which shares no
//! code with it, only `docs/recording-format.md`: over thousands of spoilt bundles they have to agree.
//!
//! Every mutant is made from its number alone. `VBRANCH_MUTANTS=4000` says how many there are (a
//! few hundred otherwise), `VBRANCH_MUTANT=17` runs one, `VBRANCH_PYTHON` names the interpreter
//! that has `cryptography`; where that is not said and Python has none, nothing is compared.

mod forge;
mod json;
mod mutants;
mod originals;
mod python;

use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

use super::*;
use crate::{test_media::Dice, verify::verify};

use mutants::{Mutant, Verdict};
use originals::{Original, Originals};
use python::Python;

/// Mutants of a plain `cargo test`; `make test` asks for more.
const QUICK: u64 = 400;
/// Mutants on disk at a time, so that the two verifiers seldom wait for one another. The other
/// one's questions and our reading of its answers share two pipes: more could fill both.
const AT_ONCE: usize = 32;
/// Spreads the mutants' numbers over all seeds.
const SPREAD: u64 = 0x2545_f491_4f6c_dd1d;

/// What a mutant's files are: those of the original it was made from, and changes.
type Files = BTreeMap<String, Content>;

/// A file of a mutant.
#[derive(Clone, PartialEq)]
enum Content {
    Bytes(Vec<u8>),
    Link(String),
}

#[test]
fn both_verifiers_agree_on_every_mutant() {
    let Some(mut python) = Python::start() else {
        return println!("SKIPPED: no Python with `cryptography`; one verifier has no second");
    };
    let dir = tempfile::tempdir().unwrap();
    let originals = Originals::record(dir.path());
    for original in &originals.all {
        let report = verify(&original.folder, &originals.key.public(), None);
        assert!(report.ok, "{}: {report:#?}", original.name);
        let theirs = python.verify(&originals.key_file, &original.folder);
        assert!(theirs.ok, "{}: {theirs:?}", original.name);
    }
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let numbers = match number("VBRANCH_MUTANT") {
        Some(one) => one..one + 1,
        None => 0..number("VBRANCH_MUTANTS").unwrap_or(QUICK),
    };
    let mut tally = Tally::default();
    let mut left = numbers.peekable();
    while left.peek().is_some() {
        let mutants: Vec<_> = left
            .by_ref()
            .take(AT_ONCE)
            .map(|n| (n, mutants::make(&originals, &mut Dice(n.wrapping_mul(SPREAD)))))
            .collect();
        let folders: Vec<_> = mutants
            .iter()
            .map(|(n, mutant)| {
                let folder = dir.path().join(format!("mutant-{n}"));
                write(&folder, mutant);
                python.ask(&mutant.key_file, &folder);
                folder
            })
            .collect();
        for ((n, mutant), folder) in mutants.iter().zip(folders) {
            let key = originals.key_of(&mutant.key_file);
            let ours = verify(&folder, &key, None);
            tally.add(*n, mutant, ours.first_failure, python.answer().first_failure);
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    nonsense(&dir.path().join("nonsense"), &originals, &mut python);
    tally.print();
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
}

/// What is no file of bytes, or one that has far too many: both say no, and soon.
fn nonsense(folder: &Path, originals: &Originals, python: &mut Python) {
    let good = &originals.all[0];
    let terabyte = |path: &Path| {
        let file = fs::OpenOptions::new().write(true).truncate(true).open(path).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let elsewhere = |path: &Path| {
        let to = path.with_extension("elsewhere");
        fs::rename(path, &to).unwrap();
        symlink(to, path).unwrap();
    };
    for path in good.files.keys() {
        for spoil in [&terabyte as &dyn Fn(&Path), &pipe, &elsewhere] {
            for (path, content) in &good.files {
                let Content::Bytes(bytes) = content else { continue };
                let to = folder.join(path);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(to, bytes).unwrap();
            }
            spoil(&folder.join(path));
            let ours = verify(folder, &originals.key.public(), None);
            let theirs = python.verify(&originals.key_file, folder);
            assert!(!ours.ok && !theirs.ok, "{path}: {ours:?}, {theirs:?}");
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

/// Writes a mutant; what it shares with its original is linked.
fn write(folder: &Path, mutant: &Mutant<'_>) {
    for (path, content) in &mutant.files {
        let to = folder.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        match content {
            content if mutant.original.files.get(path) == Some(content) => {
                fs::hard_link(mutant.original.folder.join(path), to).unwrap();
            }
            Content::Bytes(bytes) => fs::write(to, bytes).unwrap(),
            Content::Link(target) => symlink(target, to).unwrap(),
        }
    }
}

/// What came of all mutants.
#[derive(Default)]
struct Tally {
    /// By what was done: how many passed, how many failed.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, n: u64, mutant: &Mutant<'_>, ours: Option<String>, theirs: Option<String>) {
        let kind = self.kinds.entry(mutant.kind).or_default();
        let passed = ours.is_none();
        *(if passed { &mut kind.0 } else { &mut kind.1 }) += 1;
        let expected = match mutant.verdict {
            Verdict::Fail => !passed,
            Verdict::Pass => passed,
            Verdict::Either => true,
        };
        if !expected || passed != theirs.is_none() {
            let say = |failure: Option<String>| failure.unwrap_or_else(|| "passes".to_owned());
            self.wrong.push(format!(
                "mutant {n}: {} of {}: {}\n    ours: {}\n  theirs: {}",
                mutant.kind,
                mutant.original.name,
                mutant.what,
                say(ours),
                say(theirs)
            ));
        }
    }

    fn print(&self) {
        let sum = |of: fn(&(u64, u64)) -> u64| self.kinds.values().map(of).sum::<u64>();
        for (kind, (passed, failed)) in &self.kinds {
            println!("{kind:<20} {passed:>6} passed {failed:>6} failed");
        }
        let (passed, failed) = (sum(|kind| kind.0), sum(|kind| kind.1));
        println!(
            "FIGURE: two verifiers agree on {} of {} mutants, {failed} of them bad",
            passed + failed - self.wrong.len() as u64,
            passed + failed,
        );
    }
}
