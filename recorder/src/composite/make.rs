//! Makes a film: picture by picture along the recording's time, which is never shortened.

use std::time::Duration;

use vbranch_domain::{MediaKind, recording::TrackSource as Source};

use super::{
    FilmError, FilmOrder, Watch,
    file::{FPS, FilmSink, Movie},
    layout::{MOST_PANES, Stage},
    pane::Pane,
    picture::{Mask, Opacity, Picture},
    sound::{Mixer, Voice},
    source::{OpenSegment, TrackSource},
    text::Letters,
    words::{clock, offset, role_words},
};
use crate::manifest::{Gap, Manifest, Track};

/// What a film shows and what it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Tracks that have no place in the picture, or pictures in a coding that is not decoded.
    pub left_out: Vec<String>,
}

/// Makes the film of a recording. `open` gives its segments in clear.
pub(super) fn make(
    manifest: &Manifest,
    open: &OpenSegment<'_>,
    order: &FilmOrder,
    watch: &Watch,
    sink: &mut dyn FilmSink,
) -> Result<Shown, FilmError> {
    let total = Duration::from_micros(manifest.duration_us);
    watch.set_total(total);
    let mut scene = Scene::new(manifest, open, order)?;
    let name = format!("Film of recording {}. Derived; not the evidence.", manifest.recording);
    let made_at = Duration::from_millis(u64::try_from(order.at.0).unwrap_or(0));
    let mut movie = Movie::new(sink, scene.size(), &name, made_at)?;
    let mut mixer = Mixer::new()?;
    for tick in 0u32.. {
        let at = time_of(tick);
        if at >= total && tick > 0 {
            break;
        }
        if watch.is_cancelled() {
            return Err(FilmError::Cancelled);
        }
        watch.reach(at.min(total));
        movie.picture(scene.draw(at)?)?;
        while mixer.needs() <= time_of(tick + 1) {
            movie.sound(scene.mix(&mut mixer)?);
        }
    }
    movie.finish()?;
    watch.reach(total);
    Ok(Shown { left_out: scene.left_out })
}

/// When a picture is shown. Computed from its number, so that nothing adds up.
fn time_of(tick: u32) -> Duration {
    Duration::from_secs(1) * tick / FPS
}

/// One picture's length.
const TICK: Duration = Duration::from_nanos(1_000_000_000 / FPS as u64);

/// Everything that is drawn.
struct Scene<'a> {
    stage: Stage,
    letters: Letters,
    canvas: Picture,
    /// Cameras and screens that have a place.
    actors: Vec<(Pane, TrackSource<'a>)>,
    /// Voices of all tracks, shown or not, by their place in `actors` and `unseen`.
    voices: Vec<Voice>,
    /// Tracks without a place; they are heard.
    unseen: Vec<TrackSource<'a>>,
    mark: Watermark,
    clock: Clock,
    left_out: Vec<String>,
}

impl<'a> Scene<'a> {
    fn new(
        manifest: &'a Manifest,
        open: &'a OpenSegment<'a>,
        order: &FilmOrder,
    ) -> Result<Self, FilmError> {
        let mut letters = Letters::new().map_err(|_| FilmError::Font)?;
        let tracks = in_order(manifest);
        let (shown, unseen) = tracks.split_at(tracks.len().min(MOST_PANES));
        let is_camera = |track: &&&Track| track.source == Source::Camera;
        let cameras = shown.iter().filter(is_camera).count();
        let stage = Stage::new(order.layout, cameras, shown.len() - cameras);
        let mut actors = Vec::new();
        for (track, place) in shown.iter().zip(&stage.panes) {
            let label = label(manifest, track, order);
            let gaps = gaps_of(manifest, track);
            let pane = Pane::new(*place, track.source, &label, gaps, &mut letters)?;
            actors.push((pane, TrackSource::new(track, open)));
        }
        let voices = tracks.iter().map(|_| Voice::new()).collect::<Result<_, _>>()?;
        let mark = Watermark::new(manifest, order, &stage, &mut letters);
        Ok(Self {
            canvas: Picture::new(stage.width, stage.height),
            clock: Clock::new(manifest, &mut letters),
            left_out: left_out(manifest, shown, unseen, order),
            unseen: unseen.iter().map(|track| TrackSource::new(track, open)).collect(),
            stage,
            letters,
            actors,
            voices,
            mark,
        })
    }

    const fn size(&self) -> (usize, usize) {
        (self.stage.width, self.stage.height)
    }

    /// The picture at a moment.
    fn draw(&mut self, at: Duration) -> Result<&Picture, FilmError> {
        for (pane, source) in &mut self.actors {
            source.load(at)?;
            // The nearest picture in time, not the last one before: never off by more than half a tick.
            pane.advance(at + TICK / 2, source);
            pane.draw(at, TICK, source.is_over(), &mut self.letters, &mut self.canvas);
        }
        for source in &mut self.unseen {
            source.load(at)?;
            source.pictures.clear();
        }
        self.mark.draw(at, &mut self.canvas);
        self.clock.draw(at, &self.stage, &mut self.letters, &mut self.canvas);
        Ok(&self.canvas)
    }

    /// The next packet of everybody's sound.
    fn mix(&mut self, mixer: &mut Mixer) -> Result<Vec<u8>, FilmError> {
        let seen = self.actors.iter_mut().map(|(_, source)| &mut source.sound);
        let sources = seen.chain(self.unseen.iter_mut().map(|source| &mut source.sound));
        mixer.packet(self.voices.iter_mut().zip(sources))
    }
}

/// Cameras first, the customer's before all; then screens.
fn in_order(manifest: &Manifest) -> Vec<&Track> {
    let rank = |track: &&Track| {
        let role = match manifest.role(track.participant) {
            Some("customer") => 0,
            Some("staff") => 1,
            Some("third_party") => 2,
            _ => 3,
        };
        (track.source == Source::Screen, role)
    };
    let mut tracks: Vec<&Track> = manifest.tracks.iter().collect();
    tracks.sort_by_key(rank);
    tracks
}

fn label(manifest: &Manifest, track: &Track, order: &FilmOrder) -> String {
    let role = manifest.role(track.participant).unwrap_or("unknown");
    let name = order.names.iter().find(|(of, _)| of == role).map(|(_, name)| name.as_str());
    let screen = if track.source == Source::Screen { " · 屏幕 screen" } else { "" };
    match name {
        Some(name) => format!("{} · {name}{screen}", role_words(role)),
        None => format!("{}{screen}", role_words(role)),
    }
}

fn gaps_of(manifest: &Manifest, track: &Track) -> Vec<Gap> {
    let is_screen = track.source == Source::Screen;
    let is_of = |gap: &&Gap| {
        gap.participant == track.participant && (gap.kind == MediaKind::Screen) == is_screen
    };
    manifest.gaps.iter().filter(is_of).copied().collect()
}

fn left_out(
    manifest: &Manifest,
    shown: &[&Track],
    unseen: &[&Track],
    order: &FilmOrder,
) -> Vec<String> {
    let is_vp8 = |track: &&&Track| {
        let mut codecs = track.inits.iter().flat_map(|init| &init.codecs);
        codecs.any(|codec| codec.codec.starts_with("vp08"))
    };
    let coded =
        shown.iter().filter(is_vp8).map(|track| format!("{}: VP8", label(manifest, track, order)));
    let no_room = unseen.iter().map(|track| format!("{}: no room", label(manifest, track, order)));
    coded.chain(no_room).collect()
}

/// Who asked for the film and when, over everything, and never for long in one place.
struct Watermark {
    line: Mask,
    /// The part that it wanders over.
    area: (usize, usize),
}

/// Lines of the watermark, one below the other.
const MARKS: usize = 3;
/// It stays for so long, so that it costs the coder little, then moves on.
const STAY: Duration = Duration::from_secs(5);
const MARK: u16 = 22;
const FAINT: Opacity = Opacity(96);

impl Watermark {
    fn new(manifest: &Manifest, order: &FilmOrder, stage: &Stage, letters: &mut Letters) -> Self {
        let recording = manifest.recording.to_string();
        let short = recording.get(..8).unwrap_or_default();
        let when = clock(order.at);
        let when = when.get(..16).unwrap_or_default();
        let words = format!("{} · {when} UTC · {short}", order.by);
        let line = letters.line(&words, MARK, stage.width * 9 / 10);
        Self { line, area: (stage.width, stage.strip.y) }
    }

    fn draw(&self, at: Duration, out: &mut Picture) {
        let moves = usize::try_from(at.as_secs() / STAY.as_secs()).unwrap_or(0);
        let room = self.area.0.saturating_sub(self.line.width).max(1);
        let height = (self.area.1 / MARKS).max(self.line.height + 1);
        for n in 0..MARKS {
            let x = (moves * 53 + n * room / 2) % room;
            let y = n * height + (moves * 29 + n * 41) % (height - self.line.height);
            out.draw(&self.line, x, y, FAINT);
        }
    }
}

/// Server time, the place in the recording, and which recording it is.
struct Clock {
    started: vbranch_domain::UnixMillis,
    right: Mask,
    drawn: Option<(u128, Mask)>,
}

const CLOCK: u16 = 26;

impl Clock {
    fn new(manifest: &Manifest, letters: &mut Letters) -> Self {
        let right = letters.line(&format!("{}", manifest.recording), 18, 400);
        Self { started: manifest.started_ms, right, drawn: None }
    }

    fn draw(&mut self, at: Duration, stage: &Stage, letters: &mut Letters, out: &mut Picture) {
        let tenth = at.as_millis() / 100;
        let known = self.drawn.take().filter(|(drawn, _)| *drawn == tenth);
        let (_, line) = self.drawn.insert(known.unwrap_or_else(|| {
            let ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
            let now = vbranch_domain::UnixMillis(self.started.0.saturating_add(ms));
            let words = format!("{}   {}", clock(now), offset(at));
            (tenth, letters.line(&words, CLOCK, stage.width))
        }));
        out.fill(stage.strip, 16);
        out.draw(line, 8, stage.strip.y + 6, Opacity(256));
        // Only where there is room for both.
        if line.width + self.right.width + 32 < stage.width {
            let x = stage.width - self.right.width - 8;
            out.draw(&self.right, x, stage.strip.y + 10, Opacity(170));
        }
    }
}
