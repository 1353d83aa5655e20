//! A film while it is kept: sealed blocks in a file that has no name, under a key that exists in
//! memory only. When the process ends, however it ends, the file is gone and could not be opened.

use std::{
    fs::{File, OpenOptions, remove_file},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use vbranch_domain::FilmId;

use super::{
    FilmError,
    file::{FilmSink, HEAD},
};
use crate::{
    error::RecorderError,
    hash::{Hasher, Sha256},
    keys::KeyError,
    seal::{SealKey, open, seal, sealed_len},
};

/// Bytes of the film in a block. Larger: more is opened for a reader who wants little; smaller: more
/// of the file is salts and tags.
const BLOCK: usize = 1 << 20;

/// A film that is being written.
pub(super) struct SealedWriter {
    film: SealedFilm,
    /// The first block: the end of the film changes it.
    first: Vec<u8>,
    /// The block that is being filled; the first one while there is no other.
    last: Vec<u8>,
}

/// A film that can be read anywhere.
pub(super) struct SealedFilm {
    id: FilmId,
    file: File,
    key: SealKey,
    len: u64,
}

impl SealedWriter {
    /// A film in `folder`, on whose disk it takes its room.
    pub(super) fn new(folder: &Path, id: FilmId) -> Result<Self, FilmError> {
        let mut key = SealKey([0; 32]);
        SystemRandom::new()
            .fill(&mut key.0)
            .map_err(|_| FilmError::Recorder(RecorderError::Key(KeyError::Crypto)))?;
        let path = folder.join(format!(".film-{id}"));
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        // From now on it has no name, and goes with whoever holds it.
        remove_file(&path)?;
        let film = SealedFilm { id, file, key, len: 0 };
        Ok(Self { film, first: Vec::new(), last: Vec::new() })
    }

    /// Seals what is left.
    pub(super) fn finish(self) -> Result<SealedFilm, FilmError> {
        let Self { film, first, last } = self;
        if first.is_empty() {
            film.write(0, &last)?;
        } else {
            film.write(0, &first)?;
            film.write((film.len - last.len() as u64) / BLOCK as u64, &last)?;
        }
        Ok(film)
    }

    fn block_is_full(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.last, Vec::with_capacity(BLOCK));
        if self.first.is_empty() {
            self.first = full;
            return Ok(());
        }
        self.film.write(self.film.len / BLOCK as u64 - 1, &full)
    }
}

impl FilmSink for SealedWriter {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK - self.last.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.last.extend_from_slice(now);
            self.film.len += now.len() as u64;
            bytes = later;
            if self.last.len() == BLOCK {
                self.block_is_full()?;
            }
        }
        Ok(())
    }

    fn patch(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let head = if self.first.is_empty() { &mut self.last } else { &mut self.first };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let to = from.saturating_add(bytes.len());
        let there = head.get_mut(from..to).filter(|_| to <= HEAD);
        there.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
        Ok(())
    }
}

impl SealedFilm {
    /// Its length in bytes.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// What begins at `from`: some of it, at least a byte unless it is the end.
    pub(super) fn read(&self, from: u64) -> Result<Vec<u8>, FilmError> {
        if from >= self.len {
            return Ok(Vec::new());
        }
        let block = from / BLOCK as u64;
        let begin = block * BLOCK as u64;
        let plain = (self.len - begin).min(BLOCK as u64);
        let size = usize::try_from(sealed_len(plain)).map_err(|_| FilmError::BadSegment)?;
        let mut sealed = vec![0; size];
        self.file.read_exact_at(&mut sealed, place(block))?;
        let mut bytes =
            open(&self.key, &self.context(block), &sealed).map_err(RecorderError::from)?;
        let skipped = usize::try_from(from - begin).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.split_off(skipped))
    }

    /// SHA-256 of the film in clear.
    pub(super) fn sha256(&self) -> Result<Sha256, FilmError> {
        let (mut hasher, mut at) = (Hasher::default(), 0);
        while at < self.len {
            let bytes = self.read(at)?;
            hasher.update(&bytes);
            at += bytes.len() as u64;
        }
        Ok(hasher.finish())
    }

    fn write(&self, block: u64, plain: &[u8]) -> io::Result<()> {
        let sealed = seal(&self.key, &self.context(block), plain).map_err(io::Error::other)?;
        self.file.write_all_at(&sealed, place(block))
    }

    fn context(&self, block: u64) -> Vec<u8> {
        format!("vbranch/v1/film|{}|{block}", self.id).into_bytes()
    }
}

/// Where a block is in the file.
const fn place(block: u64) -> u64 {
    block * sealed_len(BLOCK as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read_wherever_one_begins(
            pieces in proptest::collection::vec(1usize..900_000, 1..6),
            from in any::<proptest::sample::Index>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = SealedWriter::new(dir.path(), FilmId::random()).unwrap();
            let mut whole = Vec::new();
            for (n, size) in pieces.iter().enumerate() {
                let piece: Vec<u8> = (0..*size).map(|i| (i * 31 + n) as u8).collect();
                writer.append(&piece).unwrap();
                whole.extend(piece);
            }
            let patch = [9; 16];
            if whole.len() >= 16 {
                writer.patch(0, &patch).unwrap();
                whole[..16].copy_from_slice(&patch);
            }
            prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it has no name");
            let film = writer.finish().unwrap();
            prop_assert_eq!(film.len(), whole.len() as u64);
            prop_assert_eq!(film.sha256().unwrap(), Sha256::of(&whole));
            let from = from.index(whole.len());
            let read = film.read(from as u64).unwrap();
            prop_assert!(!read.is_empty() && whole[from..].starts_with(&read));
            prop_assert!(film.read(film.len()).unwrap().is_empty());
        }
    }

    #[test]
    fn the_file_holds_nothing_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SealedWriter::new(dir.path(), FilmId::random()).unwrap();
        let clear = b"moov mdat picture of a customer ".repeat(100_000);
        writer.append(&clear).unwrap();
        let film = writer.finish().unwrap();
        let mut sealed = vec![0; usize::try_from(film.file.metadata().unwrap().len()).unwrap()];
        film.file.read_exact_at(&mut sealed, 0).unwrap();
        assert!(sealed.len() > clear.len());
        assert!(!sealed.windows(16).any(|window| window == &clear[..16]));
    }

    #[test]
    fn only_the_head_can_be_patched() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SealedWriter::new(dir.path(), FilmId::random()).unwrap();
        writer.append(&vec![0; 3 * BLOCK]).unwrap();
        assert!(writer.patch(HEAD as u64 - 4, &[1; 8]).is_err());
        assert!(writer.patch(u64::MAX, &[1; 8]).is_err());
        writer.patch(8, &[1; 8]).unwrap();
        assert_eq!(writer.finish().unwrap().read(0).unwrap()[8..16], [1; 8]);
    }
}
