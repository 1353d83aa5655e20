use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const RATE: u32 = 90_000;

fn ms(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn rewriter() -> Rewriter {
    Rewriter::new(RATE, 1000, 5000)
}

fn out(ext_seq: u64, timestamp: u32) -> Option<Rewritten> {
    Some(Rewritten { ext_seq, timestamp })
}

#[test]
fn a_reload_goes_on_where_the_stream_was() {
    let mut r = rewriter();
    r.switch(1, None);
    assert_eq!(r.forward(ms(0), 1, 65_535, 70), out(1000, 5000));
    assert_eq!(r.forward(ms(33), 1, 65_537, 3040), out(1002, 7970), "losses stay visible");
    r.switch(2, None);
    assert_eq!(r.forward(ms(40), 1, 65_538, 3050), None, "the former source is over");
    assert_eq!(r.forward(ms(2033), 2, 40_000, 9), out(1003, 7970 + 180_000));
    assert_eq!(r.forward(ms(2050), 2, 39_999, 9), None, "from before the switch");
    assert_eq!(r.forward(ms(2066), 2, 40_001, 2979), out(1004, 7970 + 182_970));
}

#[test]
fn what_is_left_out_leaves_no_gap_and_late_packets_find_their_place() {
    let mut r = rewriter();
    r.switch(1, None);
    assert_eq!(r.forward(ms(0), 1, 10, 0), out(1000, 5000));
    // 11 is late, 12 and 14 are of a temporal layer not wanted.
    r.leave_out(1, 12);
    assert_eq!(r.forward(ms(0), 1, 13, 0), out(1002, 5000));
    r.leave_out(1, 14);
    assert_eq!(r.forward(ms(0), 1, 15, 0), out(1003, 5000));
    assert_eq!(r.forward(ms(0), 1, 11, 0), out(1001, 5000));
    assert_eq!(r.forward(ms(0), 1, 12, 0), None, "a copy of what was left out");
}

#[test]
fn a_late_packet_left_out_closes_its_gap_only_where_nobody_has_noticed() {
    let mut r = rewriter();
    r.switch(1, None);
    r.forward(ms(0), 1, 10, 0);
    r.leave_out(1, 12);
    r.leave_out(1, 11);
    assert_eq!(r.forward(ms(0), 1, 14, 0), out(1002, 5000));
    r.leave_out(1, 13);
    assert_eq!(r.forward(ms(0), 1, 15, 0), out(1003, 5000));
}

#[test]
fn a_long_time_without_anything_forwarded_leaves_no_gap() {
    let mut r = rewriter();
    r.switch(1, None);
    r.forward(ms(0), 1, 10, 0);
    // 11 is lost, so that the rest cannot be closed one by one.
    (12..5000).for_each(|seq| r.leave_out(1, seq));
    let next = r.forward(ms(0), 1, 5000, 0).unwrap().ext_seq;
    assert!(next <= 1002, "at most the place of the lost one is kept: {next}");
    assert_eq!(r.forward(ms(0), 1, 11, 0), None);
}

#[test]
fn layers_of_one_camera_keep_the_cameras_time() {
    let mut r = rewriter();
    let clock = |offset| Some(SharedClock { id: 9, offset });
    r.switch(1, clock(0));
    assert_eq!(r.forward(ms(0), 1, 1, 1_000_000), out(1000, 5000));
    // The other layer's clock is 400,000 behind; its picture comes 25 ms late.
    r.switch(2, clock(400_000));
    assert_eq!(r.forward(ms(58), 2, 1, 602_970), out(1001, 7970));
    // Back within the same picture: later, but only just, and not adding up.
    r.switch(1, clock(0));
    assert_eq!(r.forward(ms(60), 1, 9, 1_002_970), out(1002, 7971));
    r.switch(2, clock(400_000));
    assert_eq!(r.forward(ms(91), 2, 3, 605_940), out(1003, 10_940));
}

#[test]
fn a_clock_learnt_late_serves_the_next_switch() {
    let mut r = rewriter();
    r.switch(1, None);
    r.forward(ms(0), 1, 1, 1_000_000);
    r.set_clock(SharedClock { id: 9, offset: 0 });
    r.switch(2, Some(SharedClock { id: 9, offset: 400_000 }));
    assert_eq!(r.forward(ms(58), 2, 1, 602_970), out(1001, 7970));
}

#[test]
fn a_clock_that_lies_is_not_believed() {
    for lie in [10_000_000, 0u32.wrapping_sub(10_000_000)] {
        let mut r = rewriter();
        r.switch(1, Some(SharedClock { id: 9, offset: 0 }));
        r.forward(ms(0), 1, 1, 0);
        r.switch(2, Some(SharedClock { id: 9, offset: lie }));
        assert_eq!(r.forward(ms(100), 2, 1, 9000), out(1001, 5000 + 9000));
    }
}

#[test]
fn a_stream_starts_below_the_half_of_the_cycle() {
    let mut r = Rewriter::new(RATE, 0xffff, 0);
    r.switch(1, None);
    assert_eq!(r.forward(ms(0), 1, 1, 0), out(0x7fff, 0));
    let mut r = Rewriter::new(RATE, 0, 0);
    r.switch(1, None);
    assert_eq!(r.forward(ms(0), 1, 1, 0), out(1, 0));
}

/// What happens to one packet of a source on its way here.
#[derive(Debug, Clone)]
struct Fate {
    lost: bool,
    left_out: bool,
    late_by: u8,
}

#[derive(Debug, Clone)]
struct Stint {
    first_seq: u64,
    first_timestamp: u32,
    clock: Option<SharedClock>,
    packets: Vec<Fate>,
}

fn stints(loss: f64) -> impl Strategy<Value = Vec<Stint>> {
    let fate = (prop::bool::weighted(loss), prop::bool::weighted(0.4), 0u8..12)
        .prop_map(|(lost, left_out, late_by)| Fate { lost, left_out, late_by });
    let clock = prop::option::of((0u64..2, any::<u32>()))
        .prop_map(|c| c.map(|(id, offset)| SharedClock { id, offset }));
    let stint = (65_000u64..1 << 20, any::<u32>(), clock, prop::collection::vec(fate, 1..120));
    prop::collection::vec(
        stint.prop_map(|(first_seq, first_timestamp, clock, packets)| Stint {
            first_seq,
            first_timestamp,
            clock,
            packets,
        }),
        1..6,
    )
}

#[derive(Default)]
struct Outcome {
    /// All numbers the subscriber got.
    numbers: BTreeSet<u64>,
    /// Packets that were lost, or left out too late to close their gap.
    lost: u64,
}

/// Plays the stints one after the other and checks what must hold in any case.
fn play(stints: &[Stint]) -> Result<Outcome, TestCaseError> {
    let (mut r, mut outcome) = (Rewriter::new(RATE, 0x7ff0, u32::MAX - 50_000), Outcome::default());
    let (mut now, mut latest) = (ms(0), None::<u32>);
    for (source, stint) in stints.iter().enumerate() {
        let source = source as u64;
        r.switch(source, stint.clock);
        let mut arrivals: Vec<_> = (0u64..).zip(&stint.packets).filter(|(_, p)| !p.lost).collect();
        arrivals.sort_by_key(|(n, p)| n + u64::from(p.late_by));
        outcome.lost += (stint.packets.len() - arrivals.len()) as u64;
        let (mut placed, mut latest_here) = (vec![], latest);
        for (n, packet) in arrivals {
            now += Duration::from_millis(3);
            let timestamp = stint.first_timestamp.wrapping_add(n as u32 * 3000);
            let ext_seq = stint.first_seq + n;
            prop_assert_eq!(r.forward(now, source + 1, ext_seq, timestamp), None);
            if packet.left_out {
                r.leave_out(source, ext_seq);
                // The subscriber has noticed that it is missing.
                outcome.lost += u64::from(placed.iter().any(|(later, _)| *later > n));
                continue;
            }
            let Some(out) = r.forward(now, source, ext_seq, timestamp) else {
                prop_assert!(placed.iter().all(|(first, _)| *first > n), "refused {}", n);
                continue;
            };
            prop_assert!(outcome.numbers.insert(out.ext_seq), "a number used twice");
            prop_assert!(
                latest.is_none_or(|before| is_later(out.timestamp, before)),
                "time ran back over a switch"
            );
            if latest_here.is_none_or(|before| is_later(out.timestamp, before)) {
                latest_here = Some(out.timestamp);
            }
            placed.push((n, out.ext_seq));
        }
        latest = latest_here;
        placed.sort_unstable();
        prop_assert!(placed.is_sorted_by_key(|(_, out)| *out), "the order of the source is kept");
    }
    Ok(outcome)
}

proptest! {
    #[test]
    fn gaps_are_no_more_than_the_losses(
        stints in prop_oneof![Just(0.0), Just(0.2)].prop_flat_map(stints)
    ) {
        let Outcome { numbers, lost } = play(&stints)?;
        if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
            prop_assert!(last - first + 1 - numbers.len() as u64 <= lost);
        }
    }
}
