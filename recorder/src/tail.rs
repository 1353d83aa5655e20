//! Tails on the local disk: one sealed file per track and open segment, which grows with it, so
//! that the death of the process loses next to nothing. See `docs/adr/0007-sealed-tails.md`.
//!
//! A tail stays until its segment is safe elsewhere. What is there after a crash is made into
//! segments by [`crate::recovery`].

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use vbranch_domain::{RecordingId, recording::TrackName};

use crate::{
    capture::tail::Tail,
    disk::{Disk, DiskFile, create_dir_durable, remove_if_there, write_all_at},
    error::RecorderError,
    keys::DataKey,
    seal::{SealKey, StreamSealer, open_stream},
    segment::{TailEnd, TailRecord},
};

/// The largest tail read back: a segment's media, which are 8 MiB, told twice at most, with room.
const MAX_TAIL: u64 = 64 * 1024 * 1024;

/// The tails of one recording.
pub(crate) struct Tails {
    disk: Arc<dyn Disk>,
    recording: RecordingId,
    folder: PathBuf,
    keys: BTreeMap<TrackName, SealKey>,
    open: BTreeMap<(TrackName, u32), TailFile>,
    /// Complete tails by the segment they stand in for.
    complete: Vec<(TrackName, u32, PathBuf)>,
    /// Tails nobody needs any more, once the journal says why.
    over: Vec<PathBuf>,
    spares: Spares,
    /// Written since the last flush.
    unsynced: Vec<Arc<dyn DiskFile>>,
    buffer: Vec<u8>,
}

struct TailFile {
    sequence: u32,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    sealer: StreamSealer,
    written: u64,
}

impl Tails {
    /// Makes the folder for a new recording's tails.
    pub fn create(
        disk: Arc<dyn Disk>,
        recording: RecordingId,
        folder: &Path,
    ) -> Result<Self, RecorderError> {
        let folder = folder_of(folder);
        create_dir_durable(&*disk, &folder).map_err(RecorderError::io("making a folder"))?;
        Ok(Self {
            disk,
            recording,
            folder,
            keys: BTreeMap::new(),
            open: BTreeMap::new(),
            complete: Vec::new(),
            over: Vec::new(),
            spares: Spares::default(),
            unsynced: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// Writes a record down, where a killed process cannot lose it. After an error the tail cannot
    /// be continued: a number that may have sealed something must not seal anything else. It stays
    /// until all of it was told again.
    pub fn write(
        &mut self,
        record: &TailRecord,
        key: &DataKey,
        at_us: u64,
    ) -> Result<(), RecorderError> {
        let result = match record.end {
            TailEnd::Dropped => Ok(()),
            TailEnd::Open | TailEnd::Complete => self.write_record(record, key, at_us),
        };
        let path = path_of(&self.folder, record.track, record.tail);
        let file = match record.end {
            TailEnd::Open => self.open.get(&(record.track, record.tail)).map(|_| ()),
            _ => self.open.remove(&(record.track, record.tail)).map(|_| ()),
        };
        match (file, record.end) {
            (Some(()), TailEnd::Open) => {}
            (Some(()), TailEnd::Complete) => {
                self.complete.push((record.track, record.sequence, path));
            }
            (Some(()), TailEnd::Dropped) | (None, _) => self.over.push(path),
        }
        result
    }

    fn write_record(
        &mut self,
        record: &TailRecord,
        key: &DataKey,
        at_us: u64,
    ) -> Result<(), RecorderError> {
        self.buffer.clear();
        let mut started = if record.fresh { Some(self.start(record, key)?) } else { None };
        let known = self.open.get_mut(&(record.track, record.tail));
        let file = started.as_mut().or(known).ok_or(RecorderError::NotFound)?;
        let from = self.buffer.len();
        self.buffer.extend(StreamSealer::ROOM);
        record.encode(at_us, &mut self.buffer);
        file.sealer.seal(&mut self.buffer, from)?;
        write_all_at(&*file.file, file.written, &self.buffer)
            .map_err(RecorderError::io("writing a tail"))?;
        file.written = file.written.saturating_add(self.buffer.len() as u64);
        if !self.unsynced.iter().any(|known| Arc::ptr_eq(known, &file.file)) {
            self.unsynced.push(Arc::clone(&file.file));
        }
        if let Some(file) = started {
            self.supersede(record);
            self.open.insert((record.track, record.tail), file);
        }
        Ok(())
    }

    /// An earlier tail of the same segment was told again in this one.
    fn supersede(&mut self, record: &TailRecord) {
        let Self { open, over, .. } = self;
        open.retain(|(track, _), file| {
            let stays = *track != record.track || file.sequence != record.sequence;
            if !stays {
                over.push(file.path.clone());
            }
            stays
        });
    }

    /// A new file, with what it begins with in the buffer.
    fn start(&mut self, record: &TailRecord, key: &DataKey) -> Result<TailFile, RecorderError> {
        let (track, tail) = (record.track, record.tail);
        if !self.keys.contains_key(&track) {
            self.keys.insert(track, key.tail(self.recording, track)?);
        }
        let key = self.keys.get(&track).ok_or(RecorderError::NotOpen)?;
        let context = context(self.recording, track, tail);
        let (sealer, mut header) = StreamSealer::start(key, &context)?;
        self.buffer.append(&mut header);
        let path = path_of(&self.folder, track, tail);
        let spare = self.spares.take().and_then(|old| self.disk.reuse(&old, &path).ok());
        let file = match spare {
            Some(file) => file,
            None => self.disk.create(&path, 0o600).map_err(RecorderError::io("making a tail"))?,
        };
        let sequence = record.sequence;
        Ok(TailFile { sequence, path, file, sealer, written: 0 })
    }

    /// What to flush, so that a power cut cannot take what was written.
    pub fn take_unsynced(&mut self) -> Vec<Arc<dyn DiskFile>> {
        std::mem::take(&mut self.unsynced)
    }

    /// A flush failed: another flush of such a file would prove nothing, whatever is in it by then.
    pub fn distrust(&mut self) {
        self.over.extend(self.spares.close());
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets go of the tails of segments that are safe, and of those that are over. To be called
    /// when all that the ledger has is in the journal.
    pub fn let_go(&mut self, is_safe: impl Fn(TrackName, u32) -> bool) {
        let Self { complete, over, spares, disk, .. } = self;
        // Those in `over` ended in trouble: their files are not used again.
        let safe = complete.extract_if(.., |(track, sequence, _)| is_safe(*track, *sequence));
        over.extend(safe.filter_map(|(_, _, path)| spares.keep(path)));
        // One that cannot be removed now is removed with the folder, or after the next start.
        over.drain(..).for_each(|path| drop(remove_if_there(&**disk, &path)));
    }
}

/// Files of tails that are over, for the next ones: making a file costs more than writing it. Until
/// they are used they lie there under their old names, as after a crash before they could be
/// removed.
#[derive(Debug, Default)]
struct Spares {
    files: Vec<PathBuf>,
    /// No file of this recording is used again.
    closed: bool,
}

impl Spares {
    /// So many are kept: one or two a track, a call has two to four tracks.
    const MOST: usize = 4;

    /// Keeps a file, or gives it back.
    fn keep(&mut self, path: PathBuf) -> Option<PathBuf> {
        if self.closed || self.files.len() >= Self::MOST {
            return Some(path);
        }
        self.files.push(path);
        None
    }

    fn take(&mut self) -> Option<PathBuf> {
        self.files.pop()
    }

    /// Keeps none from now on, and gives back what there is.
    fn close(&mut self) -> Vec<PathBuf> {
        self.closed = true;
        std::mem::take(&mut self.files)
    }
}

/// Tails found after a crash, by track in order.
pub(crate) fn read_all(
    disk: &dyn Disk,
    recording: RecordingId,
    folder: &Path,
    key: &DataKey,
) -> Result<BTreeMap<TrackName, Vec<Tail>>, RecorderError> {
    let folder = folder_of(folder);
    let mut tails = BTreeMap::<TrackName, Vec<Tail>>::new();
    let mut files = list(disk, &folder).map_err(RecorderError::io("reading tails"))?;
    files.sort();
    for (track, number) in files {
        let sealed = disk.read(&path_of(&folder, track, number), MAX_TAIL)?;
        let key = key.tail(recording, track)?;
        let records = open_stream(&key, &context(recording, track, number), &sealed);
        tails.entry(track).or_default().extend(Tail::read(records));
    }
    Ok(tails)
}

/// Removes all tails of a recording: everything in them is safe elsewhere.
pub(crate) fn remove_all(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let folder = folder_of(folder);
    for (track, number) in list(disk, &folder)? {
        remove_if_there(disk, &path_of(&folder, track, number))?;
    }
    match disk.remove_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(TrackName, u32)>> {
    if !disk.exists(folder)? {
        return Ok(Vec::new());
    }
    let parse = |name: String| {
        let (track, number) = name.split_once('.')?;
        Some((track.parse().ok()?, number.parse().ok()?))
    };
    Ok(disk.list(folder)?.into_iter().filter_map(parse).collect())
}

/// `<recordings>/<recording>/tails`.
fn folder_of(recording: &Path) -> PathBuf {
    recording.join("tails")
}

fn path_of(folder: &Path, track: TrackName, tail: u32) -> PathBuf {
    folder.join(format!("{track}.{tail}"))
}

fn context(recording: RecordingId, track: TrackName, tail: u32) -> Vec<u8> {
    format!("vbranch/v1/tail|{recording}|{track}|{tail}").into_bytes()
}
