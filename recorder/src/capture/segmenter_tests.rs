use bytes::Bytes;
use proptest::prelude::*;

use super::{super::codec::VideoCoding, *};

fn config(profile: u8) -> Arc<VideoConfig> {
    Arc::new(VideoConfig {
        coding: VideoCoding::H264 {
            sps: Bytes::from(vec![profile]),
            pps: Bytes::new(),
            profile: [profile, 0, 31],
        },
        width: 160,
        height: 120,
    })
}

/// One byte, which no frame in these tests has.
fn conceal(kind: MediaKind) -> Option<Conceal> {
    let plays = Duration::from_millis(20);
    (kind == MediaKind::Audio).then(|| Conceal { packet: Bytes::from_static(&[0]), plays })
}

/// What may happen to a participant's streams.
#[derive(Debug, Clone)]
enum Event {
    Frame { kind: MediaKind, after_ms: u64, late_ms: u64, sync: bool, profile: u8 },
    Wait { ms: u64 },
    Missing(MediaKind),
    Interrupt,
}

fn event() -> impl Strategy<Value = Event> {
    let sound = (prop_oneof![20 => Just(20u64), 1 => 0u64..3000], 0u64..100).prop_map(
        |(after_ms, late_ms)| Event::Frame {
            kind: MediaKind::Audio,
            after_ms,
            late_ms,
            sync: true,
            profile: 0,
        },
    );
    let picture = (
        prop_oneof![20 => 30u64..40, 2 => 900u64..1100, 1 => 0u64..5000],
        0u64..100,
        prop::bool::weighted(0.1),
        prop_oneof![30 => Just(66u8), 1 => Just(77u8)],
    )
        .prop_map(|(after_ms, late_ms, sync, profile)| Event::Frame {
            kind: MediaKind::Video,
            after_ms,
            late_ms,
            sync,
            profile,
        });
    prop_oneof![
        20 => sound,
        15 => picture,
        2 => (0u64..3000).prop_map(|ms| Event::Wait { ms }),
        1 => prop_oneof![Just(MediaKind::Audio), Just(MediaKind::Video)].prop_map(Event::Missing),
        1 => Just(Event::Interrupt),
    ]
}

/// What went in, per kind: numbers in order.
#[derive(Default)]
struct Run {
    segmenter: Segmenter,
    now: Duration,
    next: PerKind<Duration>,
    sent: PerKind<u32>,
    cuts: Vec<Cut>,
    gaps: Vec<(MediaKind, Duration, Duration)>,
}

impl Run {
    fn step(&mut self, event: &Event) {
        match *event {
            Event::Frame { kind, after_ms, late_ms, sync, profile } => {
                let at = *self.next.get(kind) + Duration::from_millis(after_ms);
                *self.next.get_mut(kind) = at;
                self.wait_until(at + Duration::from_millis(late_ms));
                let number = *self.sent.get(kind);
                *self.sent.get_mut(kind) += 1;
                self.segmenter.push(TimedFrame {
                    kind,
                    at,
                    arrived: self.now,
                    nominal: Duration::from_millis(20),
                    sync,
                    conceal: conceal(kind),
                    config: (kind == MediaKind::Video).then(|| config(profile)),
                    data: Bytes::copy_from_slice(&number.to_be_bytes()),
                });
            }
            Event::Wait { ms } => self.wait_until(self.now + Duration::from_millis(ms)),
            Event::Missing(kind) => self.segmenter.missing(kind, GapCause::Loss),
            Event::Interrupt => self.segmenter.interrupt(GapCause::Reconnect),
        }
        self.collect();
    }

    fn wait_until(&mut self, until: Duration) {
        while let Some(at) = self.segmenter.poll_timeout().filter(|at| *at <= until) {
            self.segmenter.handle_timeout(at);
            assert!(self.segmenter.poll_timeout().is_none_or(|next| next > at));
        }
        self.now = self.now.max(until);
    }

    fn collect(&mut self) {
        while let Some(piece) = self.segmenter.poll() {
            match piece {
                Piece::Cut(cut) => self.cuts.push(cut),
                Piece::Gap { kind, start, duration, .. } => self.gaps.push((kind, start, duration)),
            }
        }
    }

    fn samples(&self, kind: MediaKind) -> impl Iterator<Item = &Sample> {
        self.cuts.iter().flat_map(move |cut| cut.tracks.get(kind))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_frame_comes_out_once_and_time_is_covered(
        events in prop::collection::vec(event(), 1..300),
    ) {
        let mut run = Run::default();
        for event in &events {
            run.step(event);
        }
        run.segmenter.finish(run.now);
        run.collect();

        for cut in &run.cuts {
            prop_assert!(cut.duration() <= MAX_SEGMENT);
            prop_assert!(cut.samples() > 0);
            // A cut never holds what its set-up does not announce.
            prop_assert!(cut.setup.audio || cut.tracks.get(MediaKind::Audio).is_empty());
            prop_assert!(
                cut.setup.video.is_some() || cut.tracks.get(MediaKind::Video).is_empty()
            );
        }
        for kind in PerKind::<()>::KINDS {
            let numbers: Vec<u32> = run
                .samples(kind)
                .filter(|s| s.data.len() > 1)
                .map(|s| u32::from_be_bytes(s.data.as_ref().try_into().unwrap()))
                .collect();
            let sent: Vec<u32> = (0..*run.sent.get(kind)).collect();
            prop_assert_eq!(numbers, sent, "once and in order");

            check_coverage(&run, kind)?;
        }
    }
}

/// Time never runs backwards, and where no frame plays the ledger has a gap.
fn check_coverage(run: &Run, kind: MediaKind) -> Result<(), TestCaseError> {
    let mut before: Option<&Sample> = None;
    let mut media_end: Option<u64> = None;
    for sample in run.samples(kind) {
        prop_assert!(sample.duration > 0);
        if let Some(before) = before {
            prop_assert!(sample.start > before.start, "time runs backwards");
            // Only a picture held for long may be declared too long.
            let overlaps = sample.start < before.end();
            prop_assert!(!overlaps || kind == MediaKind::Video, "overlap");
        }
        before = Some(sample);
        if sample.data.len() == 1 {
            continue;
        }
        if let Some(end) = media_end {
            let (from, to) = (from_ticks(kind, end), from_ticks(kind, sample.start));
            let rounding = Duration::from_micros(100);
            let declared = run.gaps.iter().any(|&(k, start, duration)| {
                k == kind && start <= from + rounding && start + duration + rounding >= to
            });
            prop_assert!(
                to.saturating_sub(from) <= MAX_SLACK || declared,
                "{kind:?}: from {from:?} to {to:?} is not on the ledger"
            );
        }
        media_end = Some(sample.end());
    }
    Ok(())
}

fn frame(kind: MediaKind, ms: u64, sync: bool) -> TimedFrame {
    let at = Duration::from_millis(ms);
    TimedFrame {
        kind,
        at,
        arrived: at,
        nominal: Duration::from_millis(20),
        sync,
        conceal: conceal(kind),
        config: (kind == MediaKind::Video).then(|| config(66)),
        data: Bytes::from_static(&[1]),
    }
}

fn cuts(segmenter: &mut Segmenter) -> Vec<Cut> {
    std::iter::from_fn(|| segmenter.poll())
        .filter_map(|piece| match piece {
            Piece::Cut(cut) => Some(cut),
            Piece::Gap { .. } => None,
        })
        .collect()
}

#[test]
fn a_key_frame_near_the_target_starts_a_segment() {
    let mut segmenter = Segmenter::default();
    for n in 0..100 {
        let ms = n * 20;
        segmenter.push(frame(MediaKind::Audio, ms, true));
        segmenter.push(frame(MediaKind::Video, ms, ms == 0 || ms == 700));
    }
    segmenter.finish(Duration::from_secs(2));
    let cuts = cuts(&mut segmenter);
    assert!(cuts[0].end <= Duration::from_millis(720));
    assert!(cuts[1].has_keyframe());
    assert!(!cuts[2].has_keyframe());
}

#[test]
fn pictures_that_come_late_do_not_make_more_segments() {
    let mut segmenter = Segmenter::default();
    let late = 1_000;
    for ms in (0..60_000).step_by(20) {
        segmenter.push(frame(MediaKind::Audio, ms, true));
        if ms >= late && (ms - late) % 40 == 0 {
            segmenter.push(frame(MediaKind::Video, ms - late, (ms - late) % 5_000 == 0));
        }
    }
    let made = cuts(&mut segmenter).len();
    assert!((55..=75).contains(&made), "{made} cuts in a minute");
}

#[test]
fn the_first_cut_waits_for_the_other_kind() {
    let mut segmenter = Segmenter::default();
    for n in 0..120 {
        segmenter.push(frame(MediaKind::Audio, n * 20, true));
        if n >= 60 {
            segmenter.push(frame(MediaKind::Video, n * 20, n == 60));
        }
    }
    segmenter.finish(Duration::from_millis(2400));
    let cuts = cuts(&mut segmenter);
    assert!(cuts.iter().all(|cut| cut.setup.is_complete()));
}

/// One kind comes up `late_ms` after the other.
fn late_start(late: MediaKind, late_ms: u64) -> Run {
    let mut run = Run::default();
    *run.next.get_mut(late) = Duration::from_millis(late_ms);
    for n in 0..100 {
        for (kind, after_ms) in [(MediaKind::Audio, 20), (MediaKind::Video, 33)] {
            let ready = *run.next.get(kind) <= Duration::from_millis(n * 20);
            if ready {
                let sync = kind == MediaKind::Audio || *run.sent.get(kind) == 0;
                run.step(&Event::Frame { kind, after_ms, late_ms: 0, sync, profile: 66 });
            }
        }
    }
    run.segmenter.finish(run.now);
    run.collect();
    run
}

#[test]
fn sound_and_picture_begin_together_and_the_ledger_says_which_was_late() {
    for late in [MediaKind::Video, MediaKind::Audio] {
        let run = late_start(late, 300);
        let begins = |kind| from_ticks(kind, run.samples(kind).next().unwrap().start);
        let apart = begins(MediaKind::Audio).abs_diff(begins(MediaKind::Video));
        assert!(apart < Duration::from_millis(1), "{late:?} late: {apart:?} apart");
        let (kind, start, duration) = *run.gaps.first().expect("on the ledger");
        assert_eq!((kind, start), (late, begins(late)));
        // The other kind's first frame is one frame in: 20 ms of sound, 33 ms of picture.
        let expected = Duration::from_millis(280)..Duration::from_millis(320);
        assert!(expected.contains(&duration), "{late:?} late: {duration:?} declared");
    }
}

/// A camera that a busy machine holds up sends its last picture well before the last sound.
#[test]
fn sound_and_picture_end_together_however_slow_the_camera_was() {
    for picture_every_ms in [20, 100, 400] {
        for end in [Segmenter::finish, |segmenter: &mut Segmenter, _| {
            segmenter.interrupt(GapCause::Reconnect);
        }] {
            let mut segmenter = Segmenter::default();
            for ms in (0..2000).step_by(20) {
                segmenter.push(frame(MediaKind::Audio, ms, true));
                if ms % picture_every_ms == 0 {
                    segmenter.push(frame(MediaKind::Video, ms, ms == 0));
                }
            }
            end(&mut segmenter, Duration::from_secs(2));
            let cuts = cuts(&mut segmenter);
            let ends = |kind| {
                let last = cuts.iter().flat_map(|cut| cut.tracks.get(kind)).last();
                from_ticks(kind, last.expect("a sample").end())
            };
            let apart = ends(MediaKind::Audio).abs_diff(ends(MediaKind::Video));
            assert!(apart < Duration::from_millis(1), "{picture_every_ms} ms: {apart:?} apart");
        }
    }
}
