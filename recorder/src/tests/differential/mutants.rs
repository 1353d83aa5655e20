//! Spoilt bundles: what somebody without the bank's key can do, which has to fail, and what
//! somebody with it could do, about which both verifiers have to be of one mind.

use super::*;

/// A spoilt bundle.
pub(super) struct Mutant<'a> {
    pub original: &'a Original,
    pub files: Files,
    /// The key to check it against.
    pub key_file: PathBuf,
    pub kind: &'static str,
    /// What was done, for people.
    pub what: String,
    pub verdict: Verdict,
}

/// What a verifier has to say.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// Whatever the other one says.
    Either,
}

/// Does something to a bundle, or nothing if it cannot be done to this one; says what.
type Spoil = fn(&mut Mutant<'_>, &Originals, &mut Dice) -> String;

/// Without the bank's signing key.
const OUTSIDE: [(&str, Spoil); 14] = [
    ("bit", bit),
    ("cut", cut),
    ("longer", longer),
    ("remove", remove),
    ("swap", swap),
    ("copy", copy),
    ("foreign file", foreign_file),
    ("replayed segment", replayed_segment),
    ("added file", added_file),
    ("link", link),
    ("edited document", edited_document),
    ("wrong key", wrong_key),
    ("stranger's bundle", strangers_bundle),
    ("key spelling", key_spelling),
];

/// With it.
const INSIDE: [(&str, Spoil); 9] = [
    ("signed manifest", signed_manifest),
    ("signed ledger", signed_ledger),
    ("signed, chained", chained_manifest),
    ("signed export", signed_export),
    ("logged entry", logged_entry),
    ("signed object", signed_object),
    ("other wrapped key", other_wrapped_key),
    ("log proof", log_proof),
    ("log consistency", log_consistency),
];

/// The mutant these dice make.
pub(super) fn make<'a>(originals: &'a Originals, dice: &mut Dice) -> Mutant<'a> {
    loop {
        let original = &originals.all[dice.below(originals.all.len() as u64) as usize];
        let inside = dice.below(2) == 0;
        let (kind, spoil) = if inside {
            // Most that can be said wrongly is said in the manifest.
            INSIDE[(dice.below(14) as usize).saturating_sub(5)]
        } else {
            OUTSIDE[dice.below(OUTSIDE.len() as u64) as usize]
        };
        let mut mutant = Mutant {
            original,
            files: original.files.clone(),
            key_file: originals.key_file.clone(),
            kind,
            what: String::new(),
            verdict: if inside { Verdict::Either } else { Verdict::Fail },
        };
        mutant.what = spoil(&mut mutant, originals, dice);
        if mutant.files != original.files || mutant.key_file != originals.key_file {
            return mutant;
        }
    }
}

fn bit(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    with_file(mutant, dice, |bytes, dice| {
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << dice.below(8);
        format!("at {at}")
    })
}

fn cut(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    with_file(mutant, dice, |bytes, dice| {
        let len = bytes.len() as u64;
        bytes.truncate((if dice.below(2) == 0 { len - 1 } else { dice.below(len) }) as usize);
        format!("from {len} to {}", bytes.len())
    })
}

fn longer(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    with_file(mutant, dice, |bytes, dice| {
        let more: &[u8] = [&b"\n"[..], b"\0", b" ", b"0", b"}"][dice.below(5) as usize];
        if dice.below(2) == 0 {
            bytes.extend_from_slice(more);
        } else {
            bytes.splice(0..0, more.iter().copied());
        }
        format!("by {more:?}")
    })
}

fn remove(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let path = pick(mutant, dice, |_| true);
    mutant.files.remove(&path);
    if path == "data.key" {
        // The rest is still checked.
        mutant.verdict = Verdict::Pass;
    }
    path
}

fn swap(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let (a, b) = (pick(mutant, dice, |_| true), pick(mutant, dice, |_| true));
    let (one, other) = (mutant.files[&a].clone(), mutant.files[&b].clone());
    mutant.files.extend([(a.clone(), other), (b.clone(), one)]);
    format!("{a} and {b}")
}

fn copy(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let (a, b) = (pick(mutant, dice, |_| true), pick(mutant, dice, |_| true));
    mutant.files.insert(b.clone(), mutant.files[&a].clone());
    format!("{a} over {b}")
}

/// One or more documents of another bundle of the same bank.
fn foreign_file(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let donor = &originals.all[dice.below(originals.all.len() as u64) as usize];
    let manifest = |files: &Files| files.get("manifest.json").cloned();
    if manifest(&donor.files) == manifest(&mutant.files) {
        // Another export of this recording: its log proof and its export record are good too.
        mutant.verdict = Verdict::Either;
    }
    let sets = [
        &["manifest.json", "manifest.sig"][..],
        &["manifest.json", "manifest.sig", "log-entry.json", "log-proof.txt"],
        &["log-entry.json", "log-proof.txt"],
        &["export.json", "export.sig"],
        &["log-proof.txt"],
        &["key.json"],
        &["destruction.json", "destruction-proof.txt"],
        &[
            "manifest.json",
            "manifest.sig",
            "log-entry.json",
            "log-proof.txt",
            "log-consistency.txt",
        ],
        &["data.key"],
        &["manifest.sig"],
    ];
    let set = sets[dice.below(sets.len() as u64) as usize];
    for path in set {
        if let Some(content) = donor.files.get(*path) {
            mutant.files.insert((*path).to_owned(), content.clone());
        }
    }
    format!("{set:?} of {}", donor.name)
}

/// A segment or init section of any track of any recording in the place of one of this.
fn replayed_segment(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let donor = &originals.all[dice.below(originals.all.len() as u64) as usize];
    let is_object = |path: &str| path.starts_with("objects/");
    let from: Vec<_> = donor.files.iter().filter(|(path, _)| is_object(path)).collect();
    let (from, content) = from[dice.below(from.len() as u64) as usize];
    let to = pick(mutant, dice, is_object);
    mutant.files.insert(to.clone(), content.clone());
    format!("{from} of {} in place of {to}", donor.name)
}

fn added_file(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let from = pick(mutant, dice, |_| true);
    let beside = pick(mutant, dice, |path| path.starts_with("objects/"));
    let folder = beside.rsplit_once('/').map_or("", |(folder, _)| folder);
    let names = [
        format!("{folder}/00000099.seg"),
        format!("{folder}/0.seg"),
        format!("{folder}/deeper/00000000.seg"),
        "objects/extra".to_owned(),
        "media/customer-9.mp4".to_owned(),
        ".hidden".to_owned(),
        "a\nb".to_owned(),
    ];
    let to = names[dice.below(names.len() as u64) as usize].clone();
    mutant.files.insert(to.clone(), mutant.files[&from].clone());
    format!("{from} as {to}")
}

/// A link, to the very file as well.
fn link(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let path = pick(mutant, dice, |_| true);
    let itself = mutant.original.folder.join(&path).display().to_string();
    let targets = [itself, "/dev/zero".to_owned(), "nowhere".to_owned(), "..".to_owned()];
    let target = targets[dice.below(4) as usize].clone();
    mutant.files.insert(path.clone(), Content::Link(target.clone()));
    format!("{path} to {target}")
}

fn edited_document(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let path = pick(mutant, dice, |path| path.ends_with(".json"));
    format!("{path}{}", edit(mutant, &path, dice))
}

fn wrong_key(mutant: &mut Mutant<'_>, originals: &Originals, _: &mut Dice) -> String {
    mutant.key_file = originals.stranger_file.clone();
    String::new()
}

/// Signed by somebody else throughout, with their key beside it.
fn strangers_bundle(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    forge::sign_all(&mut mutant.files, originals.strangers_bank(), dice);
    let pem = originals.stranger.public().to_pem().into_bytes();
    forge::put(&mut mutant.files, "evidence.pub", pem);
    String::new()
}

fn key_spelling(mutant: &mut Mutant<'_>, _: &Originals, dice: &mut Dice) -> String {
    let path = pick(mutant, dice, |path| path == "data.key" || path == "evidence.pub");
    let text = String::from_utf8_lossy(forge::bytes(&mutant.files, &path)).into_owned();
    let changed = match dice.below(6) {
        0 => text.to_uppercase(),
        1 => text.replace('\n', "\r\n"),
        2 => text.replacen('\n', "\n\n", 1),
        3 => format!(" {text}"),
        4 => text.replace('\n', ""),
        _ => text.replace(|c: char| c.is_ascii_digit(), "0"),
    };
    forge::put(&mut mutant.files, &path, changed.into_bytes());
    path
}

fn signed_manifest(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let what = edit(mutant, "manifest.json", dice);
    forge::sign_all(&mut mutant.files, originals.bank(), dice);
    what
}

/// Segments and gaps that may no longer account for the whole time.
fn signed_ledger(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let bytes = forge::bytes(&mutant.files, "manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let what: Vec<_> =
        (0..=dice.below(3)).map(|_| json::edit_ledger(&mut manifest, dice)).collect();
    let has_holes = ["troubled", "recovered"].contains(&mutant.original.name);
    if has_holes && manifest["gaps"].as_array().is_some_and(Vec::is_empty) {
        mutant.verdict = Verdict::Fail;
    }
    forge::put(&mut mutant.files, "manifest.json", manifest.to_string().into_bytes());
    forge::sign_all(&mut mutant.files, originals.bank(), dice);
    what.join(", ")
}

fn chained_manifest(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let what = edit(mutant, "manifest.json", dice);
    forge::chain_anew(&mut mutant.files);
    forge::sign_all(&mut mutant.files, originals.bank(), dice);
    what
}

fn signed_export(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let what = edit(mutant, "export.json", dice);
    forge::sign(&mut mutant.files, "export", &originals.key);
    what
}

fn logged_entry(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let what = edit(mutant, "log-entry.json", dice);
    forge::enter(&mut mutant.files, originals.bank(), dice);
    what
}

/// Another object, of which the manifest says that it should be there.
fn signed_object(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    let path = pick(mutant, dice, |path| path.starts_with("objects/"));
    let before = forge::bytes(&mutant.files, &path).to_vec();
    let mut after = before.clone();
    match dice.below(4) {
        0 => after.truncate(dice.below(before.len() as u64) as usize),
        1 => after.truncate([0, 23, 55, 56, 71, 72, 16_456, 16_472][dice.below(8) as usize]),
        2 => after.push(0),
        _ => after[dice.below(before.len() as u64) as usize] ^= 1,
    }
    forge::account_for(&mut mutant.files, &before, &after, dice);
    forge::put(&mut mutant.files, &path, after);
    forge::chain_anew(&mut mutant.files);
    forge::sign_all(&mut mutant.files, originals.bank(), dice);
    path
}

fn other_wrapped_key(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    if !mutant.files.contains_key("key.json") {
        return String::new();
    }
    forge::wrap_anew(&mut mutant.files, dice);
    forge::sign_all(&mut mutant.files, originals.bank(), dice);
    String::from_utf8_lossy(forge::bytes(&mutant.files, "key.json")).into_owned()
}

fn log_proof(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    forge::tamper_with_proof(&mut mutant.files, originals.bank(), dice)
}

fn log_consistency(mutant: &mut Mutant<'_>, originals: &Originals, dice: &mut Dice) -> String {
    forge::tamper_with_consistency(&mut mutant.files, originals.bank(), dice)
}

fn edit(mutant: &mut Mutant<'_>, path: &str, dice: &mut Dice) -> String {
    let (bytes, what) = json::edit(forge::bytes(&mutant.files, path), dice);
    forge::put(&mut mutant.files, path, bytes);
    what
}

/// One of the files whose path is as wanted.
fn pick(mutant: &Mutant<'_>, dice: &mut Dice, wanted: impl Fn(&str) -> bool) -> String {
    let paths: Vec<_> = mutant.files.keys().filter(|path| wanted(path)).collect();
    paths[dice.below(paths.len() as u64) as usize].clone()
}

fn with_file(
    mutant: &mut Mutant<'_>,
    dice: &mut Dice,
    change: impl Fn(&mut Vec<u8>, &mut Dice) -> String,
) -> String {
    let path = pick(mutant, dice, |_| true);
    let mut bytes = forge::bytes(&mutant.files, &path).to_vec();
    let what = change(&mut bytes, dice);
    forge::put(&mut mutant.files, &path, bytes);
    format!("{path} {what}")
}
