use proptest::prelude::*;

use super::*;

type Packet = Vec<u8>;

fn p(p: f64) -> Probability {
    p.try_into().unwrap()
}

fn ms(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

fn numbered(n: u32) -> Packet {
    let mut packet = vec![0; 1172];
    packet[..4].copy_from_slice(&n.to_be_bytes());
    packet
}

/// Sends `count` packets, one every `every`, and gives when each that arrived did so.
fn run(link: &mut Link<Packet>, count: u32, every: Duration) -> Vec<(u32, Mono)> {
    let (mut now, mut arrived) = (Mono::ZERO, vec![]);
    let mut collect = |link: &mut Link<Packet>, now| {
        while let Some(packet) = link.poll(now) {
            arrived.push((u32::from_be_bytes(packet[..4].try_into().unwrap()), now));
        }
    };
    for n in 0..count {
        while let Some(at) = link.next_at().filter(|at| *at <= now) {
            collect(link, at);
        }
        link.push(now, numbered(n));
        now += every;
    }
    while let Some(at) = link.next_at() {
        collect(link, at);
    }
    arrived
}

fn numbers(arrived: &[(u32, Mono)]) -> Vec<u32> {
    arrived.iter().map(|(n, _)| *n).collect()
}

const STEP: Duration = Duration::from_millis(1);

#[test]
fn a_good_link_delivers_everything_at_once_and_in_order() {
    let arrived = run(&mut Link::new(Conditions::default(), 1), 100, STEP);
    assert_eq!(arrived, (0..100).map(|n| (n, ms(n.into()))).collect::<Vec<_>>());
}

#[test]
fn delay_is_exact_and_a_packet_is_not_seen_before_it() {
    let mut link = Link::new(Conditions { delay_ms: 50, ..Conditions::default() }, 1);
    link.push(ms(10), numbered(7));
    assert_eq!(link.poll(ms(59)), None);
    assert_eq!(link.next_at(), Some(ms(60)));
    assert_eq!(link.poll(ms(60)), Some(numbered(7)));
    assert_eq!(link.next_at(), None);
}

#[test]
fn uniform_loss_takes_its_share() {
    let conditions = Conditions { loss: Loss::Uniform(p(0.1)), ..Conditions::default() };
    let mut link = Link::new(conditions, 3);
    let arrived = run(&mut link, 20_000, STEP).len();
    assert!((17_800..18_200).contains(&arrived), "{arrived}");
    assert_eq!(link.counts().lost as usize, 20_000 - arrived);
}

#[test]
fn bursts_have_their_mean_and_their_length() {
    let conditions = Conditions { loss: Loss::bursts(p(0.2), 5.0), ..Conditions::default() };
    let got = numbers(&run(&mut Link::new(conditions, 5), 50_000, STEP));
    let lost = 50_000 - got.len();
    let bursts = got.windows(2).filter(|w| w[1] != w[0] + 1).count();
    let mean = lost as f64 / 50_000.0;
    let length = lost as f64 / bursts as f64;
    assert!((0.18..0.22).contains(&mean), "{mean}");
    assert!((4.5..5.5).contains(&length), "{length}");
}

#[test]
fn a_mean_of_everything_loses_everything_and_none_nothing() {
    for (mean, left) in [(1.0, 0), (0.0, 1_000)] {
        let conditions = Conditions { loss: Loss::bursts(p(mean), 3.0), ..Conditions::default() };
        assert_eq!(run(&mut Link::new(conditions, 1), 1_000, STEP).len(), left);
    }
}

#[test]
fn a_cap_passes_its_rate_and_drops_what_the_queue_cannot_hold() {
    // 1200 bytes with headers every millisecond are 9.6 Mbit/s: four times the cap.
    let conditions =
        Conditions { rate_bps: Some(2_400_000), queue_ms: 100, ..Conditions::default() };
    let mut link = Link::new(conditions, 1);
    let arrived = run(&mut link, 4_000, STEP);
    assert!((1_020..1_030).contains(&arrived.len()), "{}", arrived.len());
    assert!(numbers(&arrived).is_sorted());
    for (n, at) in arrived {
        assert!(at.since(ms(n.into())) <= Duration::from_millis(105), "{n} waited too long");
    }
    assert!(link.counts().queue_full > 2_900);
}

#[test]
fn nothing_arrives_that_was_sent_in_a_blackout() {
    let mut link = Link::new(Conditions { delay_ms: 5, ..Conditions::default() }, 1);
    link.black_out(ms(100)..ms(200));
    link.black_out(ms(300)..ms(310));
    let got = numbers(&run(&mut link, 400, STEP));
    assert_eq!(got, (0..100).chain(200..300).chain(310..400).collect::<Vec<_>>());
    assert_eq!(link.counts().blacked_out, 110);
}

#[test]
fn jitter_keeps_the_order_and_reordering_does_not() {
    let conditions = Conditions { jitter_ms: 50, ..Conditions::default() };
    let arrived = run(&mut Link::new(conditions, 2), 2_000, STEP);
    assert!(numbers(&arrived).is_sorted());
    let waits: Vec<_> = arrived.iter().map(|(n, at)| at.since(ms((*n).into()))).collect();
    assert!(waits.iter().all(|w| *w <= Duration::from_millis(51)));
    assert!(waits.iter().any(|w| *w >= Duration::from_millis(40)));

    let conditions = Conditions { reorder: p(0.05), ..Conditions::default() };
    let got = numbers(&run(&mut Link::new(conditions, 2), 2_000, STEP));
    let late = got.windows(2).filter(|w| w[1] < w[0]).count();
    assert!((60..140).contains(&late), "{late}");
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    let loss = prop_oneof![
        Just(Loss::Never),
        (0.0..0.5).prop_map(|l| Loss::Uniform(p(l))),
        (0.0..0.5, 1.0..20.0).prop_map(|(l, n)| Loss::bursts(p(l), n)),
    ];
    let rate = prop::option::of(100_000u64..10_000_000);
    (loss, 0u32..300, 0u32..100, 0.0..0.2, 0.0..0.2, rate).prop_map(
        |(loss, delay_ms, jitter_ms, reorder, duplicate, rate_bps)| Conditions {
            loss,
            delay_ms,
            jitter_ms,
            reorder: p(reorder),
            duplicate: p(duplicate),
            rate_bps,
            ..Conditions::default()
        },
    )
}

proptest! {
    /// Whatever the conditions: every packet is accounted for, nothing comes before its time or
    /// later than queue, delay, jitter and reordering explain, and a seed repeats itself.
    #[test]
    fn every_packet_is_accounted_for(conditions in any_conditions(), seed: u64) {
        let mut link = Link::new(conditions, seed);
        let arrived = run(&mut link, 500, STEP);
        let counts = link.counts();
        let doubles = counts.delivered + counts.queue_full + counts.lost - counts.pushed;
        prop_assert_eq!(counts.delivered as usize, arrived.len());
        prop_assert!(conditions.duplicate > Probability::ZERO || doubles == 0);
        let least = Duration::from_millis(conditions.delay_ms.into());
        // One packet takes up to 96 ms at the lowest rate.
        let most = conditions.delay_ms + conditions.jitter_ms + conditions.reorder_by_ms
            + conditions.queue_ms + 2 * 100;
        for (n, at) in &arrived {
            let took = at.since(ms((*n).into()));
            prop_assert!(took >= least && took <= Duration::from_millis(most.into()), "{took:?}");
        }
        prop_assert_eq!(arrived, run(&mut Link::new(conditions, seed), 500, STEP));
    }
}
