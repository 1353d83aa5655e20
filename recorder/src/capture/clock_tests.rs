use proptest::prelude::*;
use vbranch_domain::{Leg, ParticipantId, TrackId, tap::NtpTime};

use super::*;
use crate::test_media::Dice;

/// A sender whose clock, like each stream's RTP clock, runs at its own speed.
struct Sender {
    participant: ParticipantId,
    dice: Dice,
    /// Parts per million: wall clock, sound, picture.
    ppm: [f64; 3],
    jitter_ms: u64,
    outliers: bool,
}

impl Sender {
    fn ticks(&self, kind: MediaKind, t: f64) -> RtpTime {
        let ppm = if kind == MediaKind::Audio { self.ppm[1] } else { self.ppm[2] };
        let base = if kind == MediaKind::Audio { 4_294_900_000.0 } else { 77_777.0 };
        RtpTime((base + t * (1.0 + ppm * 1e-6) * f64::from(kind.clock_rate())) as u64)
    }

    fn report(&mut self, kind: MediaKind, t: f64) -> SenderReport {
        let mut wall = t * (1.0 + self.ppm[0] * 1e-6) + 3.97e9;
        if self.outliers && self.dice.below(8) == 0 {
            wall += self.dice.below(4000) as f64 / 1000.0 - 2.0;
        }
        SenderReport {
            track: TrackId { participant: self.participant, kind },
            leg: Leg(0),
            ntp: NtpTime((wall * 4_294_967_296.0) as u64),
            rtp_time: self.ticks(kind, t),
            arrived: self.arrive(t, 0.0),
        }
    }

    fn arrive(&mut self, t: f64, encode: f64) -> Mono {
        let jitter = self.dice.below(self.jitter_ms * 1000 + 1) as f64 / 1e6;
        Mono::from_nanos(((100.0 + t + encode + 0.03 + jitter) * 1e9) as u64)
    }
}

/// Runs a call and returns the largest distance of sound from picture after the first `settle`
/// seconds, in milliseconds. Fails when time runs backwards or a frame lies after its arrival.
fn worst_skew_ms(mut sender: Sender, seconds: u64, settle: f64) -> f64 {
    let mut clock = LegClock::default();
    let mut error = PerKind::<f64>::default();
    let mut before = PerKind::<Mono>::default();
    let mut worst: f64 = 0.0;
    // Ten frames a second of each kind are plenty for the engine.
    for n in 0..seconds * 10 {
        let t = n as f64 / 10.0;
        for (kind, encode) in [(MediaKind::Audio, 0.022), (MediaKind::Video, 0.09)] {
            let arrived = sender.arrive(t, encode);
            let at = clock.place(kind, sender.ticks(kind, t), arrived);
            assert!(at >= *before.get(kind), "time ran backwards at {t} s");
            *before.get_mut(kind) = at;
            *error.get_mut(kind) = at.as_nanos() as f64 / 1e6 - (100.0 + t) * 1e3;
            if n % 31 == 5 + encode as u64 {
                clock.report(&sender.report(kind, t));
            }
        }
        if t >= settle {
            let skew = (error.get(MediaKind::Audio) - error.get(MediaKind::Video)).abs();
            worst = worst.max(skew);
        }
    }
    worst
}

fn sender(seed: u64, ppm: [f64; 3], jitter_ms: u64, outliers: bool) -> Sender {
    Sender { participant: ParticipantId::random(), dice: Dice(seed), ppm, jitter_ms, outliers }
}

#[test]
fn sound_and_picture_stay_together_for_an_hour() {
    for (ppm, outliers) in [
        ([0.0, 0.0, 200.0], false),
        ([200.0, 0.0, 0.0], true),
        ([-200.0, 200.0, 0.0], true),
        ([50.0, -100.0, 100.0], true),
    ] {
        let worst = worst_skew_ms(sender(7, ppm, 40, outliers), 3600, 20.0);
        assert!(worst < 80.0, "{ppm:?}: {worst} ms");
    }
}

#[test]
fn without_reports_the_streams_lie_where_they_arrive() {
    let mut sender = sender(3, [0.0; 3], 30, false);
    let mut clock = LegClock::default();
    for n in 0..200 {
        let t = f64::from(n) / 10.0;
        let arrived = sender.arrive(t, 0.0);
        let at = clock.place(MediaKind::Video, sender.ticks(MediaKind::Video, t), arrived);
        let late = at.as_nanos() as f64 / 1e6 - (100.0 + t) * 1e3;
        assert!((20.0..=61.0).contains(&late), "{late} ms at {t} s");
    }
    assert_eq!(clock.skew_micros(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sane_sender_is_in_sync_after_a_while(
        seed: u64,
        wall in -200.0..200.0f64,
        sound in -200.0..200.0f64,
        picture in -200.0..200.0f64,
        jitter in 0u64..60,
        outliers: bool,
    ) {
        let sender = sender(seed, [wall, sound, picture], jitter, outliers);
        prop_assert!(worst_skew_ms(sender, 300, 60.0) < 80.0);
    }

    #[test]
    fn no_input_makes_time_run_backwards_or_far_from_arrival(
        input in prop::collection::vec((any::<bool>(), any::<u64>(), 0u64..200, any::<bool>(), any::<u64>()), 1..200),
    ) {
        let mut clock = LegClock::default();
        let mut before = PerKind::<Mono>::default();
        let mut now = Mono::from_millis(60_000);
        let participant = ParticipantId::random();
        for (audio, rtp, wait, report, ntp) in input {
            now += std::time::Duration::from_millis(wait);
            let kind = if audio { MediaKind::Audio } else { MediaKind::Video };
            let rtp_time = RtpTime(rtp);
            if report {
                let track = TrackId { participant, kind };
                clock.report(&SenderReport { track, leg: Leg(0), ntp: NtpTime(ntp), rtp_time, arrived: now });
            }
            let at = clock.place(kind, rtp_time, now);
            prop_assert!(at >= *before.get(kind));
            prop_assert!(nanos(at) <= nanos(now) + MAX_AHEAD_OF_ARRIVAL);
            prop_assert!(nanos(at) >= nanos(now) - 2 * MAX_BEHIND_ARRIVAL);
            *before.get_mut(kind) = at;
        }
    }
}
