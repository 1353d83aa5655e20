//! After a crash: what tails tell of segments that no store has is sealed again, entered into the
//! journal and stored.
//!
//! The journal knows of a segment before a store has it, also here: a crash in the middle of this
//! finds, at the next start, either the stored segment or its tail.

use std::{collections::BTreeMap, path::Path, time::Duration};

use vbranch_domain::{MediaKind, recording::TrackName};

use crate::{
    capture::tail::{Span, Tail},
    disk::replace_durable,
    error::RecorderError,
    hash::Sha256,
    journal,
    keys::DataKey,
    ledger::{Entry, Ledger},
    manifest::{Gap, InitEntry, SegmentEntry, chain_start, init_context, micros, segment_context},
    recording::describe,
    recovery::Recovery,
    seal::seal,
    segment::{GapCause, InitSegment, MAX_SEGMENT, Segment},
    store::ObjectName,
    tail,
};

/// Pauses up to this between what two tails hold are what frames' durations may be wrong by; a
/// frame of sound lasts longer.
const SLACK: Duration = Duration::from_millis(5);

/// Where streams end that were cut off, known from their tails.
pub(crate) type Ends = BTreeMap<(TrackName, MediaKind), u64>;

/// See the module's documentation.
pub(crate) struct Retriever<'a> {
    pub recovery: &'a Recovery<'a>,
    /// The recording's.
    pub folder: &'a Path,
}

/// What is put into the stores once the journal knows of it.
#[derive(Default)]
struct Made {
    objects: Vec<(ObjectName, Vec<u8>)>,
    ends: Ends,
}

impl Retriever<'_> {
    /// Makes segments of what tails have and no store has. Returns where streams were cut off.
    pub fn run(&self, ledger: &mut Ledger) -> Result<Ends, RecorderError> {
        let archive = self.recovery.archive;
        let recording = ledger.recording();
        let key = archive.kek.unwrap(recording, ledger.key())?;
        let mut made = Made::default();
        for (track, tails) in tail::read_all(&*archive.disk, recording, self.folder, &key)? {
            let alive = tails.iter().map(|tail| tail.at_us).max();
            ledger.note_alive(alive.unwrap_or_default());
            self.track(ledger, &key, track, tails, &mut made)?;
        }
        if made.objects.is_empty() {
            return Ok(made.ends);
        }
        let bytes = journal::lines(ledger.entries())?;
        replace_durable(&*archive.disk, &journal::path(self.folder), &bytes)
            .map_err(RecorderError::io("writing the journal"))?;
        for (name, bytes) in &made.objects {
            self.recovery.put(name, bytes)?;
        }
        tracing::warn!(%recording, objects = made.objects.len(), "media retrieved from tails");
        Ok(made.ends)
    }

    fn track(
        &self,
        ledger: &mut Ledger,
        key: &DataKey,
        track: TrackName,
        tails: Vec<Tail>,
        made: &mut Made,
    ) -> Result<(), RecorderError> {
        let mut tails = without_repeats(tails).into_iter().peekable();
        while let Some(mut tail) = tails.next() {
            if let Some(next) = tails.peek() {
                tail.end_before(next);
            }
            let listed = ledger.segment(track, tail.sequence).cloned();
            match &listed {
                Some(entry) if entry.lost => continue,
                Some(entry) if self.is_kept(ledger, track, entry)? => {
                    // It is of no use without what it needs.
                    if let Some(init) = tail.init(track).filter(|i| i.hash.0 == entry.init.0) {
                        self.init(ledger, key, &init, made)?;
                    }
                    continue;
                }
                _ => {}
            }
            let spans = tail.spans();
            if listed.is_none() {
                missing_before(ledger, track, &tail, &spans);
            }
            let sequence =
                listed.as_ref().map_or_else(|| ledger.next_sequence(track), |entry| entry.sequence);
            let Some((init, segment)) = tail.segment(track, sequence) else { continue };
            self.init(ledger, key, &init, made)?;
            let plain_sha256 = Sha256::of(&segment.bytes);
            self.segment(ledger, key, &segment, made)?;
            if listed.as_ref().is_some_and(|entry| entry.object.plain_sha256 == plain_sha256) {
                continue;
            }
            // Cut off: what follows, or the end of what it should have been, or the crash.
            let until = tails.peek().map(Tail::spans);
            for (kind, span) in spans {
                let end = span.map_or(segment.start, |(_, end)| end);
                let next = until.iter().flatten().find(|(other, _)| *other == kind);
                let next = next.and_then(|(_, span)| *span).map(|(start, _)| micros(start));
                let full = listed.as_ref().map(|e| e.start_us.saturating_add(e.duration_us));
                match next.or(full) {
                    Some(until) => hole(ledger, track, kind, micros(end), until),
                    None => {
                        made.ends.insert((track, kind), micros(end));
                    }
                }
            }
        }
        Ok(())
    }

    fn is_kept(
        &self,
        ledger: &Ledger,
        track: TrackName,
        entry: &SegmentEntry,
    ) -> Result<bool, RecorderError> {
        let name = ObjectName::segment(ledger.recording(), track, entry.sequence);
        self.recovery.is_kept(&name, entry.object.sealed_sha256)
    }

    fn init(
        &self,
        ledger: &mut Ledger,
        key: &DataKey,
        init: &InitSegment,
        made: &mut Made,
    ) -> Result<(), RecorderError> {
        let (recording, track) = (ledger.recording(), init.track);
        let hash = Sha256(init.hash.0);
        let name = ObjectName::init(recording, track, init.hash);
        let known = ledger.tracks().find(|known| known.name() == track);
        let entry = known.and_then(|t| t.inits.iter().find(|i| i.object.plain_sha256 == hash));
        if let Some(entry) = entry
            && self.recovery.is_kept(&name, entry.object.sealed_sha256)?
        {
            return Ok(());
        }
        if made.objects.iter().any(|(made, _)| *made == name) {
            return Ok(());
        }
        let sealed = seal(
            &key.track(recording, track)?,
            &init_context(recording, track, hash),
            &init.bytes,
        )?;
        let object = describe(&sealed, &init.bytes);
        ledger.retain_inits(|of, known| of != track || known.object.plain_sha256 != hash);
        let codecs = init.codecs.clone();
        ledger.apply(Entry::Init { track, init: InitEntry { codecs, object } });
        made.objects.push((name, sealed));
        Ok(())
    }

    fn segment(
        &self,
        ledger: &mut Ledger,
        key: &DataKey,
        segment: &Segment,
        made: &mut Made,
    ) -> Result<(), RecorderError> {
        let (recording, track) = (ledger.recording(), segment.track);
        let (sequence, init) = (segment.sequence, Sha256(segment.init.0));
        let context = segment_context(recording, track, sequence, init);
        let sealed = seal(&key.track(recording, track)?, &context, &segment.bytes)?;
        ledger.put_segment(
            track,
            SegmentEntry {
                sequence,
                init,
                start_us: micros(segment.start),
                duration_us: micros(segment.duration),
                keyframe: segment.has_keyframe,
                object: describe(&sealed, &segment.bytes),
                chain: chain_start(recording, track),
                lost: false,
            },
        );
        made.objects.push((ObjectName::segment(recording, track, sequence), sealed));
        Ok(())
    }
}

/// A segment's tail may have been told twice, when the first could not be written to its end: the
/// one that got further counts.
fn without_repeats(tails: Vec<Tail>) -> Vec<Tail> {
    let mut kept: Vec<Tail> = Vec::new();
    for tail in tails {
        match kept.last_mut() {
            Some(last) if last.sequence == tail.sequence => {
                if tail.end() >= last.end() {
                    *last = tail;
                }
            }
            _ => kept.push(tail),
        }
    }
    kept
}

/// Segments between the last one listed and this tail are gone without a trace but their numbers.
fn missing_before(ledger: &mut Ledger, track: TrackName, tail: &Tail, spans: &[Span]) {
    let missing = tail.sequence.saturating_sub(ledger.next_sequence(track));
    if missing == 0 {
        return;
    }
    let begins = spans.iter().filter_map(|(_, span)| *span).map(|(start, _)| start).min();
    let begins = begins.unwrap_or_default();
    let longest = MAX_SEGMENT.saturating_mul(missing);
    let before = ledger.end(track).unwrap_or_else(|| micros(begins.saturating_sub(longest)));
    for (kind, span) in spans {
        let until = span.map_or(begins, |(start, _)| start);
        hole(ledger, track, *kind, before, micros(until));
    }
}

fn hole(ledger: &mut Ledger, track: TrackName, kind: MediaKind, start_us: u64, end_us: u64) {
    let duration_us = end_us.saturating_sub(start_us);
    if duration_us > micros(SLACK) {
        let participant = track.participant;
        ledger.declare(Gap { participant, kind, start_us, duration_us, cause: GapCause::Crash });
    }
}
