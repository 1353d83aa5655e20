//! What must hold for a person in a call, on simulated paths.

use std::time::Duration;

use proptest::prelude::*;
use vbranch_domain::Mono;

use super::{
    ArrivalLog, Bitrate, BweConfig, Class, PacedQueue, SendBwe,
    link::{Path, Rng, Source, World, mean_arrived},
    send::NetworkState,
};

const SEEDS: std::ops::Range<u64> = 1..11;

#[test]
fn the_rate_settles_below_the_capacity_and_near_it() {
    for kbps in [300, 1000, 3000] {
        for seed in SEEDS {
            let mut world = World::one(Path::of(kbps), seed);
            world.run(20);
            let seconds = world.run(40);
            let share = mean_arrived(&seconds) / (kbps as f64 * 1000.0);
            assert!((0.8..=1.0).contains(&share), "{kbps} kbit/s, seed {seed}: {share:.2}");
            let late = seconds.iter().filter(|s| s.queue_ms > 150).count();
            assert!(late <= 4, "{kbps} kbit/s, seed {seed}: queue in {late} of 40 s");
        }
    }
}

#[test]
fn a_good_path_is_found_within_seconds() {
    let mut world = World::one(Path::of(9000), 1);
    let seconds = world.run(12);
    assert!(seconds[1].estimate > Bitrate::from_kbps(3500), "{seconds:?}");
    assert!(seconds[11].estimate > Bitrate::from_kbps(6500), "{seconds:?}");
}

#[test]
fn a_thin_path_is_usable_within_ten_seconds() {
    for seed in SEEDS {
        let mut world = World::one(Path { queue: Duration::from_secs(1), ..Path::of(300) }, seed);
        world.run(10);
        let seconds = world.run(30);
        assert!(seconds.iter().all(|s| s.queue_ms < 300), "{seconds:?}");
        assert!(seconds.iter().all(|s| s.arrived > Bitrate::from_kbps(150)), "{seconds:?}");
    }
}

#[test]
fn jitter_alone_does_not_starve_media() {
    for seed in SEEDS {
        let path = Path { jitter: Duration::from_millis(15), ..Path::of(2000) };
        let mut world = World::one(path, seed);
        world.run(20);
        let share = mean_arrived(&world.run(40)) / 2_000_000.0;
        assert!(share > 0.5, "seed {seed}: {share:.2}");
    }
}

#[test]
fn a_fall_of_the_capacity_drains_within_seconds() {
    for seed in SEEDS {
        let path = Path { queue: Duration::from_secs(3), ..Path::of(3000) };
        let mut world = World::one(path, seed);
        world.run(20);
        world.link.path.capacity = Bitrate::from_kbps(500);
        world.run(4);
        let seconds = world.run(20);
        assert!(seconds.iter().all(|s| s.queue_ms < 250), "seed {seed}: {seconds:?}");
        let share = mean_arrived(&seconds) / 500_000.0;
        assert!(share > 0.7, "seed {seed}: {share:.2}");
    }
}

#[test]
fn capacity_that_returns_is_used_again() {
    let mut world = World::one(Path::of(3000), 1);
    world.run(10);
    world.link.path.capacity = Bitrate::from_kbps(500);
    world.run(20);
    world.link.path.capacity = Bitrate::from_kbps(3000);
    world.run(40);
    let share = mean_arrived(&world.run(10)) / 3_000_000.0;
    assert!(share > 0.7, "{share:.2}");
}

#[test]
fn a_lossy_path_is_not_taken_for_a_full_one() {
    for (loss, least) in [(0.05, 1200.0), (0.10, 1200.0), (0.30, 600.0)] {
        for seed in SEEDS {
            let one_way = Duration::from_millis(50);
            let mut world = World::one(Path { loss, one_way, ..Path::of(2000) }, seed);
            world.run(20);
            let seconds = world.run(40);
            let arrived = mean_arrived(&seconds) / 1000.0 / (1.0 - loss);
            assert!(arrived > least, "loss {loss}, seed {seed}: {arrived:.0} kbit/s sent");
        }
    }
}

#[test]
fn losses_in_bursts_do_not_starve_media() {
    for seed in SEEDS {
        let path = Path { loss: 0.10, burst: 5.0, ..Path::of(2000) };
        let mut world = World::one(path, seed);
        world.run(20);
        let arrived = mean_arrived(&world.run(40)) / 1000.0;
        assert!(arrived > 700.0, "seed {seed}: {arrived:.0} kbit/s");
    }
}

#[test]
fn a_blackout_of_a_lossy_path_is_recovered_from() {
    for loss in [0.1, 0.3] {
        for seed in SEEDS {
            let mut world = World::one(Path { loss, ..Path::of(2000) }, seed);
            world.run(20);
            let before = world.flows[0].estimate();
            world.link.path.down = true;
            world.run_ms(5000);
            world.link.path.down = false;
            let arrived = world.run(2)[1].arrived;
            assert!(arrived > before.scaled(0.3), "{loss}, {seed}: {arrived:?} of {before:?}");
        }
    }
}

#[test]
fn a_new_path_is_not_judged_by_the_old_one() {
    let mut world = World::one(Path::of(3000), 1);
    world.run(20);
    let before = world.flows[0].estimate();
    world.link.path.one_way = Duration::from_millis(250);
    let now = world.now;
    world.flows[0].bwe.on_path_changed(now);
    for second in world.run(10) {
        assert!(second.estimate > before.scaled(0.6), "{second:?} after {before:?}");
    }
}

#[test]
fn a_layer_that_fits_is_kept() {
    let kbps = [150, 500, 1500].map(Bitrate::from_kbps);
    for seed in SEEDS {
        for jitter_ms in [0, 15] {
            let path = Path { jitter: Duration::from_millis(jitter_ms), ..Path::of(2500) };
            let mut world = World::new(path, &[Source::Layers(kbps)], seed);
            world.run(15);
            let low = world.run(60).iter().filter(|s| s.arrived < Bitrate::from_kbps(1000)).count();
            assert!(low <= 6, "seed {seed}, jitter {jitter_ms} ms: lower for {low} of 60 s");
        }
    }
}

#[test]
fn a_policer_without_a_queue_is_taken_for_a_full_path() {
    for seed in SEEDS {
        let path = Path { queue: Duration::from_millis(30), ..Path::of(500) };
        let mut world = World::one(path, seed);
        world.run(20);
        let seconds = world.run(40);
        let sent: f64 = seconds.iter().map(|s| s.estimate.bps() as f64).sum::<f64>() / 40.0;
        assert!(sent < 750_000.0, "seed {seed}: {sent:.0} bit/s into 500 kbit/s");
        assert!(mean_arrived(&seconds) > 300_000.0, "seed {seed}: {}", mean_arrived(&seconds));
    }
}

#[test]
fn media_is_back_within_two_seconds_of_a_blackout() {
    for seed in SEEDS {
        for blackout_ms in [700, 5000, 20_000] {
            let mut world = World::one(Path::of(2000), seed);
            world.run(20);
            let before = world.flows[0].estimate();
            world.link.path.down = true;
            world.run_ms(blackout_ms);
            assert_eq!(world.flows[0].bwe.estimate().state, NetworkState::Silent);
            let during = world.flows[0].estimate();
            assert!(during >= before.scaled(0.19), "{during:?} of {before:?}");
            world.link.path.down = false;
            let arrived = world.run(2)[1].arrived;
            assert!(arrived > before.scaled(0.5), "{blackout_ms} ms: {arrived:?} of {before:?}");
        }
    }
}

#[test]
fn two_flows_share() {
    let mut shares = Vec::new();
    for seed in SEEDS {
        let source = Source::Adaptive(Bitrate::from_kbps(20_000));
        let mut world = World::new(Path::of(3000), &[source, source], seed);
        world.run(60);
        world.flows.iter_mut().for_each(|flow| flow.arrived = 0);
        world.run_ms(60_000);
        let kbps = |bytes: u64| bytes as f64 * 8.0 / 60.0 / 1000.0;
        let rates: Vec<f64> = world.flows.iter().map(|flow| kbps(flow.arrived)).collect();
        let (less, more) = (rates[0].min(rates[1]), rates[0].max(rates[1]));
        assert!(less + more > 2200.0, "seed {seed}: {rates:?} kbit/s");
        assert!(less > 400.0, "seed {seed}: {rates:?} kbit/s");
        shares.push(less / more);
    }
    // Fair on the whole; the algorithm does not promise it for every minute.
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean > 0.5, "{mean:.2}: {shares:.2?}");
}

#[test]
fn cross_traffic_is_yielded_to() {
    let mut world = World::one(Path::of(3000), 1);
    world.run(15);
    world.cross = Bitrate::from_kbps(2000);
    world.run(5);
    let seconds = world.run(20);
    assert!(seconds.iter().all(|s| s.queue_ms < 250), "{seconds:?}");
    assert!(mean_arrived(&seconds) > 500_000.0);
}

#[test]
fn lost_reports_do_not_look_like_a_slow_path() {
    for seed in SEEDS {
        let mut world = World::one(Path { feedback_loss: 0.3, ..Path::of(1000) }, seed);
        world.run(20);
        let share = mean_arrived(&world.run(40)) / 1_000_000.0;
        assert!(share > 0.7, "seed {seed}: {share:.2}");
    }
}

#[test]
fn bursts_find_room_for_a_higher_layer() {
    let kbps = [150, 500, 1500].map(Bitrate::from_kbps);
    for seed in SEEDS {
        let mut world = World::new(Path::of(400), &[Source::Layers(kbps)], seed);
        world.run(20);
        assert_eq!(world.flows[0].media_rate(), kbps[0], "seed {seed}");
        world.link.path.capacity = Bitrate::from_kbps(4000);
        world.run(15);
        assert_eq!(world.flows[0].media_rate(), kbps[2], "seed {seed}");
        let layers: Vec<Bitrate> = world.run(30).iter().map(|s| s.arrived).collect();
        assert!(layers.iter().all(|r| *r > Bitrate::from_kbps(1000)), "{layers:?}");
    }
}

#[test]
fn a_picture_that_was_paused_comes_back() {
    let least = Bitrate::from_kbps(90);
    for seed in SEEDS {
        let mut world = World::new(Path::of(2000), &[Source::Pausing(least)], seed);
        world.run(15);
        world.link.path.capacity = Bitrate::from_kbps(70);
        let mut is_paused = || {
            world.run(1);
            world.flows[0].media_rate() == Bitrate::ZERO
        };
        assert!((0..30).any(|_| is_paused()), "nothing but sound fits");
        // From now on nothing carries a number, and so nothing is reported.
        world.run(8);
        for second in 0..40 {
            let late = world.run(1).iter().any(|s| s.queue_ms > 250);
            assert_eq!(world.flows[0].media_rate(), Bitrate::ZERO, "seed {seed}, {second} s");
            assert!(!late, "seed {seed}, {second} s: bursts delay the sound");
        }
        world.link.path.capacity = Bitrate::from_kbps(300);
        world.run(15);
        let seconds = world.run(10);
        assert!(mean_arrived(&seconds) > 180_000.0, "seed {seed}: {seconds:?}");
    }
}

#[test]
fn a_picture_that_an_outage_paused_comes_back() {
    for seed in SEEDS {
        let least = Bitrate::from_kbps(90);
        let mut world = World::new(Path::of(500), &[Source::Pausing(least)], seed);
        world.run(15);
        world.link.path.down = true;
        world.run(8);
        world.link.path.down = false;
        world.run(5);
        let seconds = world.run(10);
        assert!(mean_arrived(&seconds) > 250_000.0, "seed {seed}: {seconds:?}");
    }
}

#[test]
fn audio_alone_is_neither_padded_nor_starved() {
    let mut world = World::new(Path::of(100), &[Source::Layers([Bitrate::ZERO; 3])], 1);
    world.run(30);
    let seconds = world.run(30);
    assert!(seconds.iter().all(|s| s.arrived.bps() >= 39_000), "{seconds:?}");
    assert!(seconds.iter().all(|s| s.queue_ms < 50), "{seconds:?}");
}

#[test]
fn reports_that_lie_stay_within_bounds() {
    let config = BweConfig::default();
    let mut bwe = SendBwe::new(config);
    let mut rng = Rng(7);
    let mut now = Mono::from_millis(1000);
    let mut log = ArrivalLog::default();
    let mut fake = Mono::from_millis(1000);
    for n in 0..200_000_u32 {
        now += Duration::from_millis(1);
        let seq = bwe.on_sent(now, 1000, false);
        // Times that jump both ways, numbers never sent, reports twice.
        fake = Mono::from_nanos(match rng.next() % 50 {
            0 => rng.next() >> 10,
            _ => fake.as_nanos().wrapping_add(rng.next() % 100_000),
        });
        log.record(fake, if rng.next().is_multiple_of(4) { rng.next() as u16 } else { seq });
        let mut report = Vec::new();
        if n % 20 == 0 && log.poll_feedback(fake + Duration::from_secs(9), 1, 2, &mut report) {
            bwe.on_feedback(now, &report).unwrap();
            bwe.on_feedback(now, &report).unwrap();
        }
        bwe.on_timeout(now);
        while let Some(padding) = bwe.poll_probe(now) {
            assert!(padding.bytes < 40_000);
            bwe.on_sent(now, padding.bytes.min(1200) as usize, true);
        }
        let rate = bwe.estimate().bitrate;
        assert!((config.min..=config.max).contains(&rate));
    }
}

#[test]
fn padding_nobody_sends_is_not_asked_for_forever() {
    let mut bwe = SendBwe::new(BweConfig::default());
    let mut now = Mono::from_millis(10);
    bwe.on_sent(now, 100, false);
    let mut asked = 0;
    for _ in 0..1000 {
        now += Duration::from_millis(1);
        while bwe.poll_probe(now).is_some() {
            asked += 1;
        }
    }
    assert!((1..=60).contains(&asked), "{asked}");
}

#[test]
fn the_pacer_spreads_a_key_frame_and_lets_audio_by() {
    let kbps = Bitrate::from_kbps(1000);
    let mut bwe = SendBwe::new(BweConfig { start: kbps, min: kbps, max: kbps });
    let start = Mono::from_millis(1000);
    let mut now = start;
    assert!(bwe.may_send(now), "nothing sent, nothing to wait for");
    for _ in 0..30 {
        while !bwe.may_send(now) {
            now = bwe.next_send_at();
        }
        bwe.on_sent(now, 1000, false);
    }
    // 30 kB at 2.5 Mbit/s, less the burst allowed.
    let took = now.since(start);
    assert!((80..=96).contains(&took.as_millis()), "{took:?}");
    bwe.on_sent(now, 100, false);
    assert!(bwe.next_send_at() > now, "audio does not ask, but counts");
}

#[test]
fn the_queue_is_bounded_in_time_and_number() {
    let mut queue = PacedQueue::default();
    let mut dropped = Vec::new();
    let start = Mono::from_millis(0);
    queue.push(start, Class::Video, 1, |_, item| dropped.push(item));
    queue.push(start, Class::Video, 2, |_, item| dropped.push(item));
    queue.push(start + Duration::from_secs(1), Class::Retransmission, 3, |_, item| {
        dropped.push(item);
    });
    let later = start + Duration::from_millis(1401);
    queue.push(later, Class::Video, 4, |_, item| dropped.push(item));
    assert_eq!(dropped, [1, 2]);
    assert_eq!(queue.len(), 2);
    queue.retain(|item| *item != 4);
    assert_eq!((queue.pop(), queue.pop()), (Some(3), None));

    for n in 0..5000 {
        queue.push(later, Class::Video, n, |class, _| assert_eq!(class, Class::Video));
    }
    assert_eq!((queue.len(), queue.pop()), (2048, Some(5000 - 2048)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, in whatever order, the estimate stays within its bounds.
    #[test]
    fn the_estimate_stays_within_bounds(
        steps in prop::collection::vec((0_u8..8, any::<u16>(), 0_u32..200_000), 1..400),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let config = BweConfig {
            start: Bitrate::from_kbps(500),
            min: Bitrate::from_kbps(100),
            max: Bitrate::from_kbps(2000),
        };
        let mut bwe = SendBwe::new(config);
        let mut log = ArrivalLog::default();
        let mut now = Mono::from_millis(1);
        for (step, number, micros) in steps {
            now += Duration::from_micros(micros.into());
            match step {
                0..3 => log.record(now, bwe.on_sent(now, usize::from(number), false)),
                3 => log.record(now, number),
                4 => bwe.set_rtt(now, Duration::from_millis(number.into())),
                5 => bwe.set_wanted(Bitrate::from_kbps(number.into())),
                6 => bwe.on_timeout(now),
                _ => _ = bwe.on_feedback(now, &bytes),
            }
            let mut report = Vec::new();
            while log.poll_feedback(now, 1, 2, &mut report) {
                prop_assert!(bwe.on_feedback(now, &report).is_ok());
                report.clear();
            }
            if let Some(padding) = bwe.poll_probe(now) {
                bwe.on_sent(now, padding.bytes as usize, true);
            }
            let estimate = bwe.estimate();
            prop_assert!((config.min..=config.max).contains(&estimate.bitrate));
            prop_assert!((0.0..=1.0).contains(&estimate.loss));
        }
    }
}
