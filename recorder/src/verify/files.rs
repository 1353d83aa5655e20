//! The files of a bundle, looked at with suspicion: names come from a walk of the folder and never
//! from a document inside; links and devices are not opened; nothing is read beyond a limit.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{
    disk::read_limited,
    hash::{Sha256, of_reader},
    store::StoreError,
};

/// Files a bundle may have: a day of a two-party call has about 90,000.
const MAX_FILES: usize = 500_000;
/// `objects/<participant>/<file>` is as deep as it goes.
const MAX_DEPTH: usize = 3;

/// The regular files of a bundle by path, with their lengths.
pub(super) struct Files {
    root: PathBuf,
    lens: BTreeMap<String, u64>,
    /// What has no place in a bundle, whatever its name.
    pub odd: Vec<String>,
}

impl Files {
    /// Walks the bundle's folder.
    pub fn walk(root: &Path) -> std::io::Result<Self> {
        let mut files = Self { root: root.to_owned(), lens: BTreeMap::new(), odd: Vec::new() };
        files.folder("", 1)?;
        Ok(files)
    }

    fn folder(&mut self, prefix: &str, depth: usize) -> std::io::Result<()> {
        for entry in fs::read_dir(self.root.join(prefix))? {
            if self.lens.len() + self.odd.len() >= MAX_FILES {
                self.odd.push("more files than a bundle has".to_owned());
                return Ok(());
            }
            let entry = entry?;
            let name = entry.file_name();
            let path = match name.to_str() {
                Some(name) if prefix.is_empty() => name.to_owned(),
                Some(name) => format!("{prefix}/{name}"),
                None => {
                    self.odd.push(format!("{prefix}/{}", name.to_string_lossy()));
                    continue;
                }
            };
            // Of the entry itself: a link is a link, wherever it points.
            let kind = entry.file_type()?;
            if kind.is_file() {
                self.lens.insert(path, entry.metadata()?.len());
            } else if kind.is_dir() && depth < MAX_DEPTH {
                self.folder(&path, depth + 1)?;
            } else {
                self.odd.push(path);
            }
        }
        Ok(())
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.lens.keys().map(String::as_str)
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.lens.contains_key(path)
    }

    /// A file of at most `limit` bytes; the error is a sentence about it.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        if !self.has(path) {
            return Err("is missing".to_owned());
        }
        read_limited(&self.root.join(path), limit).map_err(|error| match error {
            StoreError::TooLarge => "is larger than it can be".to_owned(),
            other => format!("cannot be read: {other}"),
        })
    }

    /// Length of a file, if it is there.
    pub fn len(&self, path: &str) -> Option<u64> {
        self.lens.get(path).copied()
    }

    /// Hash of a file, in constant memory.
    pub fn hash(&self, path: &str) -> Result<Sha256, String> {
        let hash = File::open(self.root.join(path)).and_then(of_reader);
        hash.map(|(hash, _)| hash).map_err(|error| format!("cannot be read: {}", error.kind()))
    }
}
