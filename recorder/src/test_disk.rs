//! A disk in memory that fails on command, dies between any two steps, and at a power cut forgets
//! or tears whatever was not flushed. Everything it does follows from its seed.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    disk::{Disk, DiskFile},
    store::StoreError,
    test_media::Dice,
};

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The process is killed: what was written is there.
    Kill,
    /// The power is cut: what was not flushed may be gone, or torn.
    PowerCut,
}

/// What goes wrong below a folder, each once in so many steps; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A write, or a file or name that is made, fails; of a write some may be done.
    pub errors: u64,
    /// A flush fails, and what it should have flushed never reaches the disk.
    pub failed_syncs: u64,
    /// A write does less than it was asked.
    pub short_writes: u64,
}

/// See the module's documentation.
#[derive(Clone)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    /// The names as they are on the disk, and what was done to them since.
    durable: BTreeMap<PathBuf, Node>,
    undone: Vec<NameChange>,
    faults: BTreeMap<PathBuf, Faults>,
    full: Vec<PathBuf>,
    steps: u64,
    dies_at: Option<u64>,
    dead: bool,
    boot: u64,
}

#[derive(Default)]
struct Inode {
    data: Vec<u8>,
    /// Up to here it is on the disk.
    synced: usize,
    /// A flush failed: nothing more of it will ever be.
    doomed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Node {
    Folder,
    File(usize),
}

struct NameChange {
    changes: Vec<(PathBuf, Option<Node>)>,
    /// Its flush failed.
    doomed: bool,
}

impl TestDisk {
    pub(crate) fn new(seed: u64) -> Self {
        let root: BTreeMap<_, _> = [(PathBuf::from("/"), Node::Folder)].into();
        Self(Arc::new(Mutex::new(State {
            dice: Dice(seed),
            files: Vec::new(),
            names: root.clone(),
            durable: root,
            undone: Vec::new(),
            faults: BTreeMap::new(),
            full: Vec::new(),
            steps: 0,
            dies_at: None,
            dead: false,
            boot: 1,
        })))
    }

    /// From now on this goes wrong below a folder.
    pub(crate) fn set_faults(&self, folder: &Path, faults: Faults) {
        self.lock().faults.insert(folder.to_owned(), faults);
    }

    /// From now on a folder takes no more bytes, or takes them again.
    pub(crate) fn set_full(&self, folder: &Path, full: bool) {
        let mut state = self.lock();
        state.full.retain(|known| known != folder);
        if full {
            state.full.push(folder.to_owned());
        }
    }

    /// Puts a file there, flushed, with the folders above it: what was there before.
    pub(crate) fn lay(&self, path: &Path, data: Vec<u8>) {
        let mut state = self.lock();
        let file = Node::File(state.files.len());
        let folders = path.ancestors().skip(1).map(|above| (above.to_owned(), Node::Folder));
        let nodes: Vec<_> = folders.chain([(path.to_owned(), file)]).collect();
        state.names.extend(nodes.iter().cloned());
        state.durable.extend(nodes);
        let synced = data.len();
        state.files.push(Inode { data, synced, doomed: false });
    }

    /// How many steps were done.
    pub(crate) fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Everything ends in the middle of this step.
    pub(crate) fn die_at(&self, step: u64) {
        self.lock().dies_at = Some(step);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The machine (or only the process) starts again, with what is left, and a disk that is well.
    pub(crate) fn restart(&self, end: End) {
        let mut state = self.lock();
        if end == End::PowerCut {
            state.cut_power();
        }
        (state.dead, state.dies_at) = (false, None);
        state.faults.clear();
        state.full.clear();
    }

    /// Files below a folder that a power cut now would leave whole.
    pub(crate) fn durable_files(&self, folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let is_whole = |path: &Path| path.ancestors().all(|a| state.durable.contains_key(a));
        let files = state.durable.iter().filter(|(p, _)| p.starts_with(folder) && is_whole(p));
        files
            .filter_map(|(path, node)| {
                let Node::File(n) = node else { return None };
                let file = &state.files[*n];
                (file.synced == file.data.len()).then(|| (path.clone(), file.data.clone()))
            })
            .collect()
    }

    /// The files below a folder.
    pub(crate) fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let state = self.lock();
        let files = state.names.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, _)| path.clone()).filter(|path| path.starts_with(folder)).collect()
    }

    /// All that was ever written.
    pub(crate) fn every_byte(&self) -> Vec<Vec<u8>> {
        self.lock().files.iter().map(|file| file.data.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// What becomes of a step.
enum Fate {
    Done,
    /// Done, and then the end.
    Last,
}

impl State {
    fn cut_power(&mut self) {
        self.boot += 1;
        for change in std::mem::take(&mut self.undone) {
            if self.dice.below(2) == 0 {
                apply(&mut self.durable, &change.changes);
            }
        }
        self.names = self.durable.clone();
        // What lies in a folder that was lost is lost.
        let names = self.names.clone();
        self.names.retain(|path, _| path.ancestors().all(|above| names.contains_key(above)));
        self.durable = self.names.clone();
        for file in &mut self.files {
            let loose = file.data.len() - file.synced;
            let kept = file.synced + self.dice.below(loose as u64 + 1) as usize;
            if self.dice.below(3) == 0 {
                // The length reached the disk, the bytes did not.
                file.data[kept..].fill(0);
            } else {
                file.data.truncate(kept);
            }
            file.synced = file.data.len();
        }
    }

    /// Counts a step; whether it, and anything after it, happens.
    fn step(&mut self) -> io::Result<Fate> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.steps += 1;
        if self.dies_at == Some(self.steps) {
            self.dead = true;
            if self.dice.below(2) == 0 {
                return Err(io::Error::other("the process is dead"));
            }
            return Ok(Fate::Last);
        }
        Ok(Fate::Done)
    }

    fn faults(&self, path: &Path) -> Faults {
        let of = self.faults.iter().filter(|(folder, _)| path.starts_with(folder));
        of.map(|(_, faults)| *faults).next_back().unwrap_or_default()
    }

    fn deals(&mut self, once_in: u64) -> bool {
        once_in > 0 && self.dice.below(once_in) == 0
    }

    fn is_full(&self, path: &Path) -> bool {
        self.full.iter().any(|folder| path.starts_with(folder))
    }

    fn change(&mut self, path: &Path, changes: Vec<(PathBuf, Option<Node>)>) -> io::Result<()> {
        let fate = self.step()?;
        let errors = self.faults(path).errors;
        if self.deals(errors) {
            return Err(io::Error::other("input/output error"));
        }
        apply(&mut self.names, &changes);
        self.undone.push(NameChange { changes, doomed: false });
        finish(fate)
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(n)) => Ok(*n),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn must_be_new(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().and_then(|folder| self.names.get(folder));
        match (self.names.contains_key(path), folder) {
            (true, _) => Err(io::ErrorKind::AlreadyExists.into()),
            (false, Some(Node::Folder)) => Ok(()),
            (false, _) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, changes: &[(PathBuf, Option<Node>)]) {
    for (path, node) in changes {
        match node {
            Some(node) => drop(names.insert(path.clone(), *node)),
            None => drop(names.remove(path)),
        }
    }
}

fn finish(fate: Fate) -> io::Result<()> {
    match fate {
        Fate::Done => Ok(()),
        // It happened, and nobody was told.
        Fate::Last => Err(io::Error::other("the process is dead")),
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path, _mode: u32) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.must_be_new(path)?;
        let inode = state.files.len();
        state.files.push(Inode::default());
        state.change(path, vec![(path.to_owned(), Some(Node::File(inode)))])?;
        Ok(Arc::new(TestFile { disk: self.clone(), path: path.to_owned(), inode }))
    }

    fn reuse(&self, old: &Path, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.must_be_new(path)?;
        let from = state.file(old)?;
        // Under its old name: what was in it is gone, at once or with the next flush.
        let fate = state.step()?;
        let inode = &mut state.files[from];
        inode.synced = 0;
        let data = std::mem::take(&mut inode.data);
        // Remembered, without a name: it was written once.
        state.files.push(Inode { synced: data.len(), data, doomed: false });
        finish(fate)?;
        let node = Some(Node::File(from));
        state.change(old, vec![(old.to_owned(), None), (path.to_owned(), node)])?;
        Ok(Arc::new(TestFile { disk: self.clone(), path: path.to_owned(), inode: from }))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
        let state = self.lock();
        let inode = state.file(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound,
            _ => error.into(),
        })?;
        let data = &state.files[inode].data;
        if data.len() as u64 > limit { Err(StoreError::TooLarge) } else { Ok(data.clone()) }
    }

    fn len(&self, path: &Path) -> Result<u64, StoreError> {
        self.read(path, u64::MAX).map(|bytes| bytes.len() as u64)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.must_be_new(path)?;
        state.change(path, vec![(path.to_owned(), Some(Node::Folder))])
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let fate = state.step()?;
        let failed_syncs = state.faults(folder).failed_syncs;
        let fails = state.deals(failed_syncs);
        let is_in = |change: &NameChange| {
            change.changes.iter().any(|(path, _)| path.parent() == Some(folder))
        };
        let (these, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.undone).into_iter().partition(is_in);
        state.undone = others;
        let mut kept: Vec<NameChange> = Vec::new();
        for mut change in these {
            change.doomed |= fails;
            // What is done to a name later is never undone by what was done to it before.
            let again = |path: &Path| change.changes.iter().any(|(other, _)| other == path);
            kept.iter_mut().for_each(|before| before.changes.retain(|(path, _)| !again(path)));
            if !change.doomed {
                apply(&mut state.durable, &change.changes);
                change.changes.clear();
            }
            kept.push(change);
        }
        state.undone.extend(kept.into_iter().filter(|change| !change.changes.is_empty()));
        if fails {
            return Err(io::Error::other("input/output error"));
        }
        finish(fate)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        if state.names.get(folder) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.lock().names.contains_key(path))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.file(from)?;
        state.must_be_new(to)?;
        state.change(to, vec![(to.to_owned(), Some(Node::File(inode)))])
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.file(from)?;
        let changes = vec![(from.to_owned(), None), (to.to_owned(), Some(Node::File(inode)))];
        state.change(to, changes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.file(path)?;
        state.change(path, vec![(path.to_owned(), None)])
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.names.keys().any(|inside| inside.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(path, vec![(path.to_owned(), None)])
    }

    fn boot(&self) -> String {
        self.lock().boot.to_string()
    }
}

struct TestFile {
    disk: TestDisk,
    path: PathBuf,
    inode: usize,
}

impl std::fmt::Debug for TestFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestFile")
    }
}

impl DiskFile for TestFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let fate = state.step();
        if let Err(error) = fate {
            if state.dies_at == Some(state.steps) {
                // Killed in the middle of it.
                let part = state.dice.below(bytes.len() as u64) as usize;
                state.files[self.inode].write(offset, &bytes[..part]);
                state.dies_at = None;
            }
            return Err(error);
        }
        let faults = state.faults(&self.path);
        if state.is_full(&self.path) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.deals(faults.errors) {
            let part = state.dice.below(bytes.len() as u64) as usize;
            state.files[self.inode].write(offset, &bytes[..part]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut len = bytes.len();
        if len > 1 && state.deals(faults.short_writes) {
            len = 1 + state.dice.below(len as u64 - 1) as usize;
        }
        state.files[self.inode].write(offset, &bytes[..len]);
        Ok(len)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let fate = state.step()?;
        let failed_syncs = state.faults(&self.path).failed_syncs;
        let fails = state.deals(failed_syncs);
        let file = &mut state.files[self.inode];
        file.doomed |= fails;
        if !file.doomed {
            file.synced = file.data.len();
        }
        if fails {
            return Err(io::Error::other("input/output error"));
        }
        finish(fate)
    }
}

impl Inode {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (offset, end) = (offset as usize, offset as usize + bytes.len());
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[offset..end].copy_from_slice(bytes);
        self.synced = self.synced.min(offset);
    }
}
