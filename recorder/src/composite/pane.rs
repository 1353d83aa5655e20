//! One track's place in the film: its newest picture, or a card that says why there is none.

use std::time::Duration;

use bytes::Buf as _;
use openh264::decoder::Decoder;
use shiguredo_mp4::bitstream::h264::parse_sps;
use vbranch_domain::{MediaKind, recording::TrackSource as Source};

use super::{
    FilmError,
    layout::Rect,
    picture::{DARK, Fitter, Mask, Opacity, Picture},
    source::{Coding, Sample, TrackSource},
    text::Letters,
    words::{Card, cause_words},
};
use crate::manifest::Gap;

/// The largest picture decoded: what a camera or a screen has. The decoder takes memory for what a
/// stranger's parameter sets say.
const MOST_PIXELS: usize = 4_096 * 2_304;
/// A gap is named for so long after it, as many are over before they can be read.
const LINGER: Duration = Duration::from_secs(1);
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;

/// See the module's documentation.
pub(super) struct Pane {
    place: Rect,
    source: Source,
    label: Mask,
    /// This track's lines of the gap ledger, by start.
    gaps: Vec<Gap>,
    /// Those before are over.
    next_gap: usize,
    decoder: PictureDecoder,
    fitter: Fitter,
    /// The newest picture, fitted, with nothing drawn upon it.
    picture: Picture,
    /// Until when it was shown; nothing was seen before the first.
    seen: Option<Duration>,
    coding: Coding,
    drawn: Drawn,
}

/// What was last written in the pane; drawn anew only when it changes.
#[derive(Default)]
struct Drawn {
    card: Option<(Card, [Mask; 2])>,
    note: Option<(String, Mask)>,
}

impl Pane {
    /// `gaps`: the track's lines of the ledger.
    pub(super) fn new(
        place: Rect,
        source: Source,
        label: &str,
        mut gaps: Vec<Gap>,
        letters: &mut Letters,
    ) -> Result<Self, FilmError> {
        gaps.sort_by_key(|gap| gap.start_us);
        Ok(Self {
            place,
            source,
            label: letters.line(label, LABEL, place.width.saturating_sub(4 * PAD)),
            gaps,
            next_gap: 0,
            decoder: PictureDecoder::new()?,
            fitter: Fitter::new(place.width, place.height),
            picture: Picture::new(place.width, place.height),
            seen: None,
            coding: Coding::H264,
            drawn: Drawn::default(),
        })
    }

    /// Decodes what begins until `at`. All pictures are decoded, since each rests on those before;
    /// only the newest is fitted.
    pub(super) fn advance(&mut self, at: Duration, track: &mut TrackSource<'_>) {
        while let Some(sample) = track.pictures.pop_front_if(|sample| sample.start <= at) {
            let is_newest = track.pictures.front().is_none_or(|next| next.start > at);
            self.seen = Some(sample.end.max(self.seen.unwrap_or_default()));
            self.coding = sample.coding;
            match sample.coding {
                Coding::H264 if is_newest => {
                    let out = Some((&mut self.fitter, &mut self.picture));
                    self.decoder.decode(&sample, out);
                }
                Coding::H264 => self.decoder.decode(&sample, None),
                Coding::Vp8 => self.decoder.need_key(),
            }
        }
    }

    /// Draws the pane as it is from `at` for as long as `tick`.
    pub(super) fn draw(
        &mut self,
        at: Duration,
        tick: Duration,
        over: bool,
        letters: &mut Letters,
        out: &mut Picture,
    ) {
        while self.gaps.get(self.next_gap).is_some_and(|gap| end(gap) + LINGER <= at) {
            self.next_gap += 1;
        }
        match self.card(at, tick, over) {
            None => out.put(self.place, &self.picture),
            Some(card) => self.draw_card(card, letters, out),
        }
        let note = self.note(at, tick);
        self.draw_label(note, letters, out);
    }

    /// Why there is no picture from `at` on, if there is none.
    fn card(&self, at: Duration, tick: Duration, over: bool) -> Option<Card> {
        let is_screen = self.source == Source::Screen;
        let missing = self.gaps_at(at, tick).find(|gap| gap.kind != MediaKind::Audio);
        if let Some(gap) = missing {
            return Some(Card::Missing(gap.cause));
        }
        match self.seen {
            None if is_screen => Some(Card::NotShared),
            None => Some(Card::NotHere),
            Some(until) if until <= at && is_screen => Some(Card::NotShared),
            Some(until) if until <= at && over => Some(Card::Gone),
            Some(_) if self.coding == Coding::Vp8 => Some(Card::NotShown("VP8")),
            Some(_) if self.decoder.awaits_key => Some(Card::Undecodable),
            Some(_) => None,
        }
    }

    /// Gaps that touch the time from `at` on.
    fn gaps_at(&self, at: Duration, tick: Duration) -> impl Iterator<Item = &Gap> {
        let from = self.gaps.get(self.next_gap..).unwrap_or_default();
        let begun = from.iter().take_while(move |gap| start(gap) < at + tick);
        begun.filter(move |gap| end(gap) > at)
    }

    /// What is said of gaps that are there or have just been: of sound, and of pictures that were
    /// missing for a moment.
    fn note(&self, at: Duration, tick: Duration) -> Option<String> {
        let near = self.gaps_at(at.saturating_sub(LINGER), tick + LINGER);
        let notes: Vec<String> = near
            .map(|gap| {
                let what = match gap.kind {
                    MediaKind::Audio => "声音缺失 no sound",
                    MediaKind::Video | MediaKind::Screen => "画面缺失 no picture",
                };
                let [zh, en] = cause_words(gap.cause);
                let tenths = gap.duration_us.div_ceil(100_000);
                format!("{what} {}.{} s {zh} {en}", tenths / 10, tenths % 10)
            })
            .take(2)
            .collect();
        (!notes.is_empty()).then(|| notes.join(" · "))
    }

    fn draw_card(&mut self, card: Card, letters: &mut Letters, out: &mut Picture) {
        out.fill(self.place, DARK);
        let widest = self.place.width.saturating_sub(2 * PAD);
        let size = if self.place.width < 300 { SMALL } else { LARGE };
        let known = self.drawn.card.take().filter(|(drawn, _)| *drawn == card);
        let (_, lines) =
            self.drawn.card.insert(known.unwrap_or_else(|| {
                (card, card.words().map(|line| letters.line(&line, size, widest)))
            }));
        let mut y = self.place.y + self.place.height / 2 - usize::from(size);
        for line in lines {
            let x = self.place.x + self.place.width.saturating_sub(line.width) / 2;
            out.draw(line, x, y, Opacity(256));
            y += usize::from(size);
        }
    }

    fn draw_label(&mut self, note: Option<String>, letters: &mut Letters, out: &mut Picture) {
        plate(out, &self.label, self.place.x + PAD, self.place.y + PAD);
        let Some(note) = note else { return };
        let widest = self.place.width.saturating_sub(4 * PAD);
        let known = self.drawn.note.take().filter(|(drawn, _)| *drawn == note);
        let (_, mask) = self.drawn.note.insert(known.unwrap_or_else(|| {
            let mask = letters.line(&note, SMALL, widest);
            (note, mask)
        }));
        let y = self.place.y + self.place.height - mask.height - PAD;
        plate(out, mask, self.place.x + PAD, y);
    }
}

/// Heights of letters, in pixels.
const LABEL: u16 = 20;
const SMALL: u16 = 18;
const LARGE: u16 = 28;
/// Room around them.
const PAD: usize = 6;

/// A line on a dark ground.
fn plate(out: &mut Picture, line: &Mask, x: usize, y: usize) {
    let even = |n: usize| n & !1;
    let width = even(line.width + 2 * PAD + 1);
    out.shade(Rect { x: even(x), y: even(y), width, height: even(line.height) });
    out.draw(line, x + PAD, y, Opacity(256));
}

fn start(gap: &Gap) -> Duration {
    Duration::from_micros(gap.start_us)
}

fn end(gap: &Gap) -> Duration {
    Duration::from_micros(gap.start_us.saturating_add(gap.duration_us))
}

/// Decodes one track's H.264.
struct PictureDecoder {
    decoder: Decoder,
    /// Nothing can be shown before the next key frame.
    awaits_key: bool,
    unit: Vec<u8>,
}

impl PictureDecoder {
    fn new() -> Result<Self, FilmError> {
        Ok(Self { decoder: Decoder::new()?, awaits_key: true, unit: Vec::new() })
    }

    const fn need_key(&mut self) {
        self.awaits_key = true;
    }

    /// Decodes a picture, and fits it where one is wanted. What cannot be decoded makes the pane
    /// wait for the next key frame.
    fn decode(&mut self, sample: &Sample, wanted: Option<(&mut Fitter, &mut Picture)>) {
        let Some(is_key) = self.collect(sample.data.chunk()) else { return self.need_key() };
        if self.awaits_key && !is_key {
            return;
        }
        match self.decoder.decode(&self.unit) {
            Ok(picture) => {
                self.awaits_key = false;
                if let (Some(picture), Some((fitter, out))) = (picture, wanted) {
                    fitter.fit(&picture, out);
                }
            }
            Err(_) => self.awaits_key = true,
        }
    }

    /// Lengths become start codes. Says whether a decoder can begin here; `None` where the bytes
    /// are not what they should be, or ask for too much.
    fn collect(&mut self, mut sample: &[u8]) -> Option<bool> {
        self.unit.clear();
        let mut is_key = false;
        while sample.has_remaining() {
            let length = usize::try_from(sample.try_get_u32().ok()?).ok()?;
            let (nal, rest) = sample.split_at_checked(length)?;
            sample = rest;
            let kind = nal.first()? & 0x1f;
            if kind == NAL_SPS {
                let sps = parse_sps(nal).ok()?;
                if usize::from(sps.width) * usize::from(sps.height) > MOST_PIXELS {
                    return None;
                }
            }
            is_key |= kind == NAL_IDR;
            self.unit.extend_from_slice(&[0, 0, 0, 1]);
            self.unit.extend_from_slice(nal);
        }
        Some(is_key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vbranch_domain::ParticipantId;

    use super::*;
    use crate::segment::GapCause;

    fn pane(gaps: Vec<Gap>, source: Source) -> Pane {
        let place = Rect { x: 0, y: 0, width: 480, height: 360 };
        Pane::new(place, source, "客户 customer", gaps, &mut Letters::new().unwrap()).unwrap()
    }

    fn gap(kind: MediaKind, start_ms: u64, ms: u64) -> Gap {
        Gap {
            participant: ParticipantId::random(),
            kind,
            start_us: start_ms * 1_000,
            duration_us: ms * 1_000,
            cause: GapCause::Loss,
        }
    }

    const TICK: Duration = Duration::from_millis(66);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_gap_is_a_card_for_as_long_as_it_lasts_and_is_named_a_little_longer() {
        let mut pane = pane(vec![gap(MediaKind::Video, 1_000, 500)], Source::Camera);
        (pane.seen, pane.decoder.awaits_key) = (Some(at(60_000)), false);
        assert_eq!(pane.card(at(900), TICK, false), None);
        for ms in [960, 1_000, 1_499] {
            assert_eq!(pane.card(at(ms), TICK, false), Some(Card::Missing(GapCause::Loss)), "{ms}");
        }
        assert_eq!(pane.card(at(1_500), TICK, false), None);
        let note = pane.note(at(2_000), TICK).unwrap();
        assert!(note.contains("no picture 0.5 s") && note.contains("loss"), "{note}");
        assert_eq!(pane.note(at(2_600), TICK), None);
    }

    #[test]
    fn missing_sound_is_named_over_the_picture() {
        let mut pane = pane(vec![gap(MediaKind::Audio, 1_000, 2_000)], Source::Camera);
        (pane.seen, pane.decoder.awaits_key) = (Some(at(60_000)), false);
        assert_eq!(pane.card(at(1_500), TICK, false), None);
        assert!(pane.note(at(1_500), TICK).unwrap().contains("no sound"));
    }

    #[test]
    fn who_is_not_there_has_a_card() {
        let mut camera = pane(Vec::new(), Source::Camera);
        assert_eq!(camera.card(at(0), TICK, false), Some(Card::NotHere));
        camera.seen = Some(at(1_000));
        assert_eq!(camera.card(at(500), TICK, false), Some(Card::Undecodable));
        assert_eq!(camera.card(at(1_000), TICK, true), Some(Card::Gone));
        camera.coding = Coding::Vp8;
        assert_eq!(camera.card(at(500), TICK, false), Some(Card::NotShown("VP8")));
        let mut screen = pane(Vec::new(), Source::Screen);
        assert_eq!(screen.card(at(0), TICK, false), Some(Card::NotShared));
        screen.seen = Some(at(1_000));
        assert_eq!(screen.card(at(1_000), TICK, false), Some(Card::NotShared));
    }

    proptest! {
        #[test]
        fn no_gap_that_touches_a_tick_is_passed_over(
            spans in proptest::collection::vec((0u64..20_000, 1u64..4_000), 1..12),
        ) {
            let gaps = spans.iter().map(|(from, ms)| gap(MediaKind::Video, *from, *ms)).collect();
            let mut pane = pane(gaps, Source::Camera);
            (pane.seen, pane.decoder.awaits_key) = (Some(at(60_000)), false);
            let mut letters = Letters::new().unwrap();
            let mut out = Picture::new(480, 360);
            for n in 0..380u32 {
                let now = TICK * n;
                pane.draw(now, TICK, false, &mut letters, &mut out);
                let touches = |(from, ms): &(u64, u64)| at(*from) < now + TICK && at(from + ms) > now;
                prop_assert_eq!(pane.card(now, TICK, false).is_some(), spans.iter().any(touches));
            }
        }

        #[test]
        fn no_bytes_break_the_decoder(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = PictureDecoder::new().unwrap();
            let sample = Sample {
                start: at(0), end: at(1), coding: Coding::H264, data: data.into(),
            };
            decoder.decode(&sample, None);
            prop_assert!(decoder.awaits_key || !sample.data.is_empty());
        }
    }
}
