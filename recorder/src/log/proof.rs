//! The proof that an entry is on the log, as it travels in a bundle (C2SP `tlog-proof`):
//!
//! ```text
//! c2sp.org/tlog-proof@v1\nindex <n>\n<base64 hash>\n...\n\n<checkpoint>
//! ```

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};

use super::note::{Checkpoint, NoteError};
use crate::{hash::Sha256, keys::EvidencePublicKey};

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
/// A path is as long as the tree is high.
const MAX_PATH: usize = 64;

/// An entry, its place and the way up to a signed root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The entry as logged.
    pub entry: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// RFC 6962 audit path, 32 bytes a step.
    pub path: Vec<u8>,
    /// The signed note over the root.
    pub checkpoint: String,
}

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a proof.
    #[error("not a log proof")]
    Malformed,
    /// The checkpoint is not the log's.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log did not only grow.
    #[error("the log does not contain what was on it at the earlier checkpoint")]
    NotConsistent,
    /// The path does not lead from the entry to the root.
    #[error("the entry is not on the log under this checkpoint")]
    NotIncluded,
}

impl LogProof {
    /// The proof as text, without the entry.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}index {}\n", self.index);
        push_path(&mut text, &self.path);
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof for `entry`.
    pub fn parse(text: &str, entry: Vec<u8>) -> Result<Self, ProofError> {
        let parse = || {
            let (head, checkpoint) = text.strip_prefix(HEADER)?.split_once("\n\n")?;
            let mut lines = head.split('\n');
            let index = lines.next()?.strip_prefix("index ")?;
            let (index, path) = (number(index)?, path(lines)?);
            Some(Self { entry, index, path, checkpoint: checkpoint.to_owned() })
        };
        parse().ok_or(ProofError::Malformed)
    }

    /// Checks that the entry is under a checkpoint signed by `key`; returns the checkpoint.
    pub fn verify(&self, key: &EvidencePublicKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, key)?;
        let root = RootHash::<sha2::Sha256>::new(checkpoint.root.0.into(), checkpoint.size);
        let path =
            InclusionProof::try_from_bytes(self.path.clone()).map_err(|_| ProofError::Malformed)?;
        root.verify_inclusion(&self.entry, self.index, &path)
            .map_err(|_| ProofError::NotIncluded)?;
        Ok(checkpoint)
    }
}

/// The proof that a log only grew since an earlier checkpoint, as it travels in a bundle: the body
/// of an `add-checkpoint` request of C2SP `tlog-witness`.
///
/// ```text
/// old <n>\n<base64 hash>\n...\n\n<checkpoint>
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// Entries under the earlier checkpoint.
    pub old: u64,
    /// RFC 6962 consistency proof, 32 bytes a step.
    pub path: Vec<u8>,
    /// The later checkpoint.
    pub checkpoint: String,
}

impl Consistency {
    /// The proof as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        push_path(&mut text, &self.path);
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let parse = || {
            let (head, checkpoint) = text.split_once("\n\n")?;
            let mut lines = head.split('\n');
            let old = number(lines.next()?.strip_prefix("old ")?)?;
            Some(Self { old, path: path(lines)?, checkpoint: checkpoint.to_owned() })
        };
        parse().ok_or(ProofError::Malformed)
    }

    /// Checks that the entries under `earlier` (size and root) are under the later checkpoint, in
    /// the same places.
    pub fn verify(
        &self,
        earlier: (u64, Sha256),
        key: &EvidencePublicKey,
    ) -> Result<Checkpoint, ProofError> {
        let later = Checkpoint::verify(&self.checkpoint, key)?;
        let (size, root) = earlier;
        let holds = if self.old != size || size > later.size {
            false
        } else if size == 0 {
            self.path.is_empty() && root == Sha256::of(b"")
        } else if size == later.size {
            self.path.is_empty() && root == later.root
        } else {
            let path = ConsistencyProof::try_from_bytes(self.path.clone())
                .map_err(|_| ProofError::Malformed)?;
            let new = RootHash::<sha2::Sha256>::new(later.root.0.into(), later.size);
            new.verify_consistency(&RootHash::new(root.0.into(), size), &path).is_ok()
        };
        if holds { Ok(later) } else { Err(ProofError::NotConsistent) }
    }
}

fn push_path(text: &mut String, path: &[u8]) {
    for step in path.chunks(32) {
        text.push_str(&BASE64_STANDARD.encode(step));
        text.push('\n');
    }
    text.push('\n');
}

fn path<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    for line in lines {
        let step: [u8; 32] = BASE64_STANDARD.decode(line).ok()?.try_into().ok()?;
        path.extend_from_slice(&step);
    }
    (path.len() <= MAX_PATH * 32).then_some(path)
}

/// A number in its one spelling.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
