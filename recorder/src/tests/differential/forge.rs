//! What someone with the bank's signing key could make: changed documents that are signed and on
//! the log all the same, so that the checks behind the signatures are put to work.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use serde_json::{Value, json};

use super::*;
use crate::{
    hash::Sha256,
    keys::EvidenceKey,
    log::{
        note::Checkpoint,
        proof::{Consistency, LogProof},
    },
};

const ORIGIN: &str = "bank.example/test";

/// Whoever forges: a signing key, and what was really on the log.
#[derive(Clone, Copy)]
pub(super) struct Bank<'a> {
    pub key: &'a EvidenceKey,
    pub log: &'a [Vec<u8>],
}

/// Signs the manifest anew and everything that names its hash.
pub(super) fn sign_all(files: &mut Files, bank: Bank<'_>, dice: &mut Dice) {
    let key = bank.key;
    let digest = Sha256::of(bytes(files, "manifest.json")).to_string();
    sign(files, "manifest", key);
    set(files, "log-entry.json", "sha256", &digest);
    set(files, "export.json", "manifest_sha256", &digest);
    if files.contains_key("key.json") {
        let digest = Sha256::of(bytes(files, "key.json")).to_string();
        set(files, "export.json", "key_sha256", &digest);
    }
    sign(files, "export", key);
    enter(files, bank, dice);
}

/// Signs a document as it is.
pub(super) fn sign(files: &mut Files, name: &str, key: &EvidenceKey) {
    let signature = key.sign(bytes(files, &format!("{name}.json")));
    files.insert(format!("{name}.sig"), Content::Bytes(signature.to_vec()));
}

/// Makes a log of any size that has the entry somewhere, behind what was really on the log before
/// the manifest.
pub(super) fn enter(files: &mut Files, bank: Bank<'_>, dice: &mut Dice) {
    let entry = bytes(files, "log-entry.json").to_vec();
    let old = entries_before(files).min(bank.log.len() as u64);
    let more = 1 + dice.below(40);
    let size = old + more;
    // Mostly behind the checkpoint that the manifest names.
    let index = if dice.below(8) > 0 { old + dice.below(more) } else { dice.below(size) };
    let mut tree = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    for n in 0..size {
        tree.push(match bank.log.get(n as usize) {
            _ if n == index => entry.clone(),
            Some(real) if n < old => real.clone(),
            _ => n.to_be_bytes().to_vec(),
        });
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(tree.root().as_bytes());
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: Sha256(hash) };
    let path = tree.prove_inclusion(index as usize).as_bytes().to_vec();
    let checkpoint = checkpoint.sign(bank.key);
    let proof = LogProof { entry, index, path, checkpoint: checkpoint.clone() };
    put(files, "log-proof.txt", proof.to_text().into_bytes());
    let path = if old == 0 {
        Vec::new()
    } else {
        tree.prove_consistency(more as usize).as_bytes().to_vec()
    };
    let consistency = Consistency { old, path, checkpoint };
    put(files, "log-consistency.txt", consistency.to_text().into_bytes());
}

/// Entries under the checkpoint that the manifest names, if it names one.
fn entries_before(files: &Files) -> u64 {
    let manifest = serde_json::from_slice::<Value>(bytes(files, "manifest.json"));
    let manifest = manifest.unwrap_or_default();
    let note = manifest["log"]["previous_checkpoint"].as_str().unwrap_or_default();
    note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}

/// Edits the proof that the log only grew.
pub(super) fn tamper_with_consistency(
    files: &mut Files,
    bank: Bank<'_>,
    dice: &mut Dice,
) -> String {
    enter(files, bank, dice);
    let text = String::from_utf8(bytes(files, "log-consistency.txt").to_vec()).unwrap();
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let second = text.lines().nth(1).unwrap_or_default();
    let changed = match dice.below(9) {
        0 => text.replacen("old ", "old 0", 1),
        1 => text.replacen("old ", "old 1", 1),
        2 => format!("old {}{}", dice.below(9), &text[text.find('\n').unwrap()..]),
        3 => text.replacen("\n\n", &format!("\n{hash}\n\n"), 1),
        4 => text.replacen('\n', &format!("\n{hash}\n"), 1),
        5 => text.replacen(&format!("{second}\n"), "", 1),
        6 => text.replacen('\n', "\r\n", 1),
        7 => text.replacen(second, hash, 1),
        _ => format!("{text}\u{2014} witness.example AAAAAAAB\n"),
    };
    let what = format!("{:?}", changed.split("\n\n").next());
    put(files, "log-consistency.txt", changed.into_bytes());
    what
}

/// Has the chains run over what the manifest lists now.
pub(super) fn chain_anew(files: &mut Files) {
    let Ok(mut manifest) = serde_json::from_slice::<Value>(bytes(files, "manifest.json")) else {
        return;
    };
    let recording = manifest["recording"].as_str().unwrap_or_default().to_owned();
    for track in members(manifest.get_mut("tracks")) {
        let screen = if track["source"] == "screen" { "-screen" } else { "" };
        let name = format!("{}{screen}", track["participant"].as_str().unwrap_or_default());
        let mut chain = Sha256::of(format!("vbranch/v1/chain|{recording}|{name}").as_bytes());
        for segment in members(track.get_mut("segments")) {
            let hash = |of: &str| segment["object"][of].as_str().and_then(Sha256::from_hex);
            let (Some(sealed), Some(plain)) = (hash("sealed_sha256"), hash("plain_sha256")) else {
                return;
            };
            let sequence = segment["sequence"].as_u64().unwrap_or_default() as u32;
            chain = Sha256::of_parts(&[&chain.0, &sequence.to_be_bytes(), &sealed.0, &plain.0]);
            set_in(segment, "chain", &chain.to_string());
        }
    }
    put(files, "manifest.json", manifest.to_string().into_bytes());
}

/// Has the manifest list other bytes in place of an object's.
pub(super) fn account_for(files: &mut Files, before: &[u8], after: &[u8], dice: &mut Dice) {
    let mut manifest: Value = serde_json::from_slice(bytes(files, "manifest.json")).unwrap();
    let honest = dice.below(4) > 0;
    relist(&mut manifest, &Sha256::of(before).to_string(), after, honest);
    put(files, "manifest.json", manifest.to_string().into_bytes());
}

fn relist(value: &mut Value, before: &str, after: &[u8], honest: bool) {
    if value["sealed_sha256"] == before {
        let chunks = after.len().saturating_sub(56) / (16_384 + 16) + 1;
        value["sealed_sha256"] = json!(Sha256::of(after).to_string());
        value["sealed_len"] = json!(after.len());
        if honest {
            value["plain_len"] = json!(after.len().saturating_sub(56 + 16 * chunks));
        }
        return;
    }
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|member| relist(member, before, after, honest));
        }
        Value::Array(items) => items.iter_mut().for_each(|i| relist(i, before, after, honest)),
        _ => {}
    }
}

/// Has `key.json` hold some other text as wrapped key, and the manifest name it.
pub(super) fn wrap_anew(files: &mut Files, dice: &mut Dice) {
    let inside = vec![7; [60, 60, 59, 61, 0][dice.below(5) as usize]];
    let mut text = BASE64_STANDARD.encode(inside);
    match dice.below(6) {
        0 => text = text.replace('=', ""),
        1 => text.push('='),
        2 => text.insert(text.len() / 2, '\n'),
        3 => text = text.replace("Bw=", "Bx="),
        4 => text.push_str("==="),
        _ => {}
    }
    let kek = ["file-0011223344556677", "file-", "kms/1", ""][dice.below(4) as usize];
    set(files, "key.json", "wrapped", &text);
    set(files, "key.json", "kek", kek);
    let mut manifest: Value = serde_json::from_slice(bytes(files, "manifest.json")).unwrap();
    manifest["key"]["kek"] = json!(kek);
    put(files, "manifest.json", manifest.to_string().into_bytes());
    let mut key: Value = serde_json::from_slice(bytes(files, "key.json")).unwrap();
    if dice.below(2) == 0 {
        let len = [80, 80, 79, 81, 0][dice.below(5) as usize];
        let sealed = BASE64_STANDARD.encode(vec![9; len]);
        key["escrow"] = json!([{ "holder": "x25519-0011223344556677", "sealed": sealed }]);
    }
    if dice.below(8) == 0 {
        key["id"] = json!(Sha256::of(b"another key").to_string());
    }
    put(files, "key.json", key.to_string().into_bytes());
}

/// Edits what stands around a good checkpoint, and sometimes the checkpoint, which is then
/// signed again.
pub(super) fn tamper_with_proof(files: &mut Files, bank: Bank<'_>, dice: &mut Dice) -> String {
    enter(files, bank, dice);
    let text = String::from_utf8(bytes(files, "log-proof.txt").to_vec()).unwrap();
    let own = text.lines().last().unwrap_or_default().to_owned();
    let bad_own = own.replacen(|c: char| c.is_ascii_lowercase(), "A", 3);
    let witness = "\u{2014} witness.example AAAAAAAB";
    let more = [
        "",
        "\n",
        witness,
        &own,
        &bad_own,
        "\u{2014} w AAAA",
        "\u{2014} w+x AAAAAAAA",
        "- w AAAAAAAA",
        "\u{2014} w AAAAAAA",
        "\u{2014} w AAAAAAB=",
        "\u{2014}  AAAAAAAA",
        "\u{2014} w\u{a0}x AAAAAAAA",
        "\u{2014} w\u{1c}x AAAAAAAA",
        "\u{2014} w AAAAAAAA ",
        "\u{2014} w AAAAAAAA\r",
        "\u{2014} \u{e9} AAAAAAAA",
        "\u{2014} w\u{200b} AAAAAAAA",
        "\u{2014} w\u{85}x AAAAAAAA",
        "\n\u{2014} w AAAAAAAA",
    ];
    let line = more[dice.below(more.len() as u64) as usize];
    let changed = match dice.below(9) {
        0 => text.replacen("index ", "index 0", 1),
        1 => text.replacen("index ", "index +", 1),
        2 => text.replacen("\nindex ", "\nextra AAAA\nindex ", 1),
        3 => text.replacen("\n\n", "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n", 1),
        4 => text.replacen('\n', "\r\n", 1),
        5 => resign_note(&text, bank.key, dice),
        _ => format!("{text}{line}\n"),
    };
    let what = format!("{:?}", changed.lines().last());
    // Mostly the other proof is under the same note.
    if let Some((_, note)) = changed.split_once("\n\n")
        && dice.below(8) > 0
    {
        let text = String::from_utf8(bytes(files, "log-consistency.txt").to_vec()).unwrap();
        let head = text.split_once("\n\n").map_or("", |(head, _)| head);
        put(files, "log-consistency.txt", format!("{head}\n\n{note}").into_bytes());
    }
    put(files, "log-proof.txt", changed.into_bytes());
    what
}

/// Changes a checkpoint's lines and signs them.
fn resign_note(text: &str, key: &EvidenceKey, dice: &mut Dice) -> String {
    let Some((head, note)) = text.split_once("\n\n") else { return text.to_owned() };
    let body = note.split_once("\n\n").map_or(note, |(body, _)| body).to_owned() + "\n";
    let size = body.lines().nth(1).unwrap_or_default().to_owned();
    let with_size =
        |other: String| body.replacen(&format!("\n{size}\n"), &format!("\n{other}\n"), 1);
    let (body, name) = match dice.below(9) {
        0 => (with_size(format!("0{size}")), ORIGIN),
        1 => (with_size(format!("+{size}")), ORIGIN),
        2 => (with_size("18446744073709551615".to_owned()), ORIGIN),
        3 => (with_size((1u64 << (38 + dice.below(4))).to_string()), ORIGIN),
        4 => (format!("{body}extension\n"), ORIGIN),
        5 => (body.replacen(ORIGIN, "bank.example/other", 1), "bank.example/other"),
        6 => (body.replacen(ORIGIN, "b\u{e4}nk", 1), "b\u{e4}nk"),
        7 => (format!("\n{body}"), ORIGIN),
        _ => (body, ORIGIN),
    };
    let id = Sha256::of_parts(&[name.as_bytes(), b"\n\x01", key.public().as_bytes()]);
    let signature = [&id.0[..4], &key.sign(body.as_bytes())].concat();
    format!("{head}\n\n{body}\n\u{2014} {name} {}\n", BASE64_STANDARD.encode(signature))
}

fn members(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn set_in(value: &mut Value, member: &str, text: &str) {
    if let Some(members) = value.as_object_mut() {
        members.insert(member.to_owned(), json!(text));
    }
}

pub(super) fn bytes<'a>(files: &'a Files, path: &str) -> &'a [u8] {
    match files.get(path) {
        Some(Content::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

pub(super) fn put(files: &mut Files, path: &str, bytes: Vec<u8>) {
    files.insert(path.to_owned(), Content::Bytes(bytes));
}

fn set(files: &mut Files, path: &str, member: &str, value: &str) {
    let mut document: Value = serde_json::from_slice(bytes(files, path)).unwrap();
    set_in(&mut document, member, value);
    put(files, path, document.to_string().into_bytes());
}
