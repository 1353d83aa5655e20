//! The proof that an entry is on the log, as it travels in a bundle (C2SP `tlog-proof`):
//!
//! ```text
//! c2sp.org/tlog-proof@v1\nindex <n>\n<base64 hash>\n...\n\n<checkpoint>
//! ```

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ct_merkle::{InclusionProof, RootHash};

use super::note::{Checkpoint, NoteError};
use crate::keys::EvidencePublicKey;

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
    /// The path does not lead from the entry to the root.
    #[error("the entry is not on the log under this checkpoint")]
    NotIncluded,
}

impl LogProof {
    /// The proof as text, without the entry.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}index {}\n", self.index);
        for step in self.path.chunks(32) {
            text.push_str(&BASE64_STANDARD.encode(step));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof for `entry`.
    pub fn parse(text: &str, entry: Vec<u8>) -> Result<Self, ProofError> {
        let parse = || {
            let (head, checkpoint) = text.strip_prefix(HEADER)?.split_once("\n\n")?;
            let mut lines = head.split('\n');
            let index = lines.next()?.strip_prefix("index ")?;
            let number: u64 = index.parse().ok().filter(|n: &u64| n.to_string() == index)?;
            let mut path = Vec::new();
            for line in lines {
                let step: [u8; 32] = BASE64_STANDARD.decode(line).ok()?.try_into().ok()?;
                path.extend_from_slice(&step);
            }
            let short = path.len() <= MAX_PATH * 32;
            let checkpoint = checkpoint.to_owned();
            short.then_some(Self { entry, index: number, path, checkpoint })
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
