//! Checkpoints of the evidence log: C2SP `tlog-checkpoint` in a C2SP `signed-note`.
//!
//! ```text
//! <origin>\n<size>\n<base64 root>\n\n— <origin> <base64(key id || Ed25519 signature)>\n
//! ```

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    hash::Sha256,
    keys::{EvidenceKey, EvidencePublicKey},
};

/// Ed25519 in a signed note's key id.
const ALGORITHM_ED25519: u8 = 1;
/// The largest note read: three lines and some dozens of cosignatures, which may be
/// post-quantum ones of 5 kB.
const MAX_NOTE: usize = 128 * 1024;
/// The largest tree believed: 2^40 entries are a thousand visits a second for thirty years.
const MAX_SIZE: u64 = 1 << 40;

/// What a checkpoint says: at this size the log had this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 Merkle tree hash over them.
    pub root: Sha256,
}

/// Why a note is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed checkpoint.
    #[error("not a signed checkpoint")]
    Malformed,
    /// None of its signatures is by this key.
    #[error("checkpoint is not signed by this key")]
    Signature,
}

impl Checkpoint {
    /// The checkpoint as a note signed by the log itself.
    #[must_use]
    pub fn sign(&self, key: &EvidenceKey) -> String {
        let text = self.text();
        let id = key_id(&self.origin, &key.public());
        let signature = [id.as_slice(), &key.sign(text.as_bytes())].concat();
        format!("{text}\n\u{2014} {} {}\n", self.origin, BASE64_STANDARD.encode(signature))
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }

    /// Reads a note and checks that the log's own signature is `key`'s. Signatures by others
    /// (witnesses) are passed over.
    pub fn verify(note: &str, key: &EvidencePublicKey) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE || note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let checkpoint = Self::parse(text).ok_or(NoteError::Malformed)?;
        let signed = format!("{text}\n");
        let id = key_id(&checkpoint.origin, key);
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut is_signed = false;
        for line in lines.split('\n') {
            let (name, key_id, signature) = signature(line).ok_or(NoteError::Malformed)?;
            if name == checkpoint.origin && key_id == id {
                if !key.verifies(signed.as_bytes(), &signature) {
                    return Err(NoteError::Signature);
                }
                is_signed = true;
            }
        }
        if is_signed { Ok(checkpoint) } else { Err(NoteError::Signature) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|origin| is_origin(origin))?.to_owned();
        let size_text = lines.next()?;
        let size: u64 = size_text.parse().ok()?;
        let root = BASE64_STANDARD.decode(lines.next()?).ok()?;
        let root = Sha256(root.try_into().ok()?);
        // Extension lines would be allowed; this log writes none.
        let whole = lines.next().is_none() && size.to_string() == size_text && size <= MAX_SIZE;
        whole.then_some(Self { origin, size, root })
    }
}

/// A signature line's name, key id and signature.
fn signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    let (key_id, signature) = bytes.split_first_chunk::<4>()?;
    (is_name && !signature.is_empty()).then(|| (name, *key_id, signature.to_vec()))
}

/// Whether a text can name a log: it must fit into one word of a note.
#[must_use]
pub fn is_origin(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && name.chars().all(|c| c.is_ascii_graphic() && c != '+')
}

/// C2SP signed-note: the first four bytes of SHA-256(name || LF || algorithm || public key).
fn key_id(name: &str, key: &EvidencePublicKey) -> [u8; 4] {
    let hash = Sha256::of_parts(&[name.as_bytes(), b"\n", &[ALGORITHM_ED25519], key.as_bytes()]);
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_believed_only_with_the_logs_own_signature() {
        let dir = tempfile::tempdir().unwrap();
        let key = EvidenceKey::open(&dir.path().join("a")).unwrap();
        let other = EvidenceKey::open(&dir.path().join("b")).unwrap();
        let checkpoint =
            Checkpoint { origin: "bank.example/log".into(), size: 7, root: Sha256([3; 32]) };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::verify(&note, &key.public()), Ok(checkpoint));
        assert_eq!(Checkpoint::verify(&note, &other.public()), Err(NoteError::Signature));
        let edited = note.replacen("\n7\n", "\n8\n", 1);
        assert_eq!(Checkpoint::verify(&edited, &key.public()), Err(NoteError::Signature));
        for bad in ["", "\n\n", "a\n1\nAA==\n\n", &note.replace("\n7\n", "\n07\n")] {
            assert!(Checkpoint::verify(bad, &key.public()).is_err());
        }
        let cosigned = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert!(Checkpoint::verify(&cosigned, &key.public()).is_ok());
        // What stands under a checkpoint is signatures, and the log's own are all good.
        let own = format!(
            "\u{2014} bank.example/log {}\n",
            BASE64_STANDARD
                .encode([&key_id("bank.example/log", &key.public())[..], &[7; 64]].concat())
        );
        for more in
            ["\n", "nonsense\n", "\u{2014} witness.example AAAA\n", "\u{2014} x+y AAAAAAAA\n", &own]
        {
            assert!(Checkpoint::verify(&format!("{note}{more}"), &key.public()).is_err(), "{more}");
        }
        let carriage = note.trim_end().to_owned() + "\r\n";
        assert!(Checkpoint::verify(&carriage, &key.public()).is_err());
    }
}
