use proptest::prelude::*;

use super::*;

fn ms(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn video() -> ReceiveStream {
    ReceiveStream::new(7, MediaKind::Video, true)
}

/// Receives and gives the extended number, for packets that are new.
fn number(stream: &mut ReceiveStream, seq: u16) -> Option<u64> {
    match stream.receive(ms(0), seq, 0) {
        Received::Packet { ext_seq, .. } => Some(ext_seq),
        Received::Duplicate | Received::Stale => None,
    }
}

#[test]
fn numbers_go_on_over_the_wrap_and_late_packets_fit_in() {
    let mut stream = video();
    let first = number(&mut stream, 65_534).unwrap();
    assert_eq!(number(&mut stream, 1), Some(first + 3));
    assert_eq!(number(&mut stream, 65_535), Some(first + 1));
    assert_eq!(number(&mut stream, 65_533), Some(first - 1), "sent before, came after the first");
    assert_eq!(stream.receive(ms(0), 1, 0), Received::Duplicate);
}

#[test]
fn a_sender_that_starts_over_is_believed_at_the_second_packet() {
    let mut stream = video();
    let before = number(&mut stream, 100).unwrap();
    for jump in [30_000, 40_000] {
        assert_eq!(stream.receive(ms(0), jump, 0), Received::Stale, "one packet is an accident");
        assert!(number(&mut stream, 101).is_some() || jump == 40_000, "and the stream goes on");
    }
    assert_eq!(stream.receive(ms(0), 40_000, 0), Received::Stale);
    let Received::Packet { ext_seq, restarted: true } = stream.receive(ms(0), 40_001, 0) else {
        panic!("the second in a row confirms it")
    };
    assert!(ext_seq > before + 0xffff, "no number is used twice");
    assert!(stream.poll_nack(ms(0), Duration::ZERO).keyframe_needed);
    let report = stream.report(ms(0)).unwrap();
    assert_eq!((report.cumulative_lost, report.highest_seq), (0, 40_001));
}

#[test]
fn a_report_speaks_of_the_network_and_the_interval_also_of_the_repair() {
    let mut stream = video();
    for seq in (0..100).filter(|seq| seq % 4 != 1) {
        stream.receive(ms(0), seq, 0);
    }
    for seq in [1, 5, 9, 13] {
        assert!(matches!(stream.recover(ms(20), seq), Received::Packet { .. }));
        assert_eq!(stream.recover(ms(20), seq), Received::Duplicate);
    }
    let report = stream.report(ms(20)).unwrap();
    assert_eq!((report.ssrc, report.fraction_lost, report.cumulative_lost), (7, 64, 25));
    assert_eq!(report.highest_seq, 99);
    assert_eq!(stream.report(ms(20)).unwrap().fraction_lost, 0, "a new interval");
    let interval = stream.take_interval();
    assert_eq!(interval, Interval { expected: 100, lost: 25, lost_after_repair: 0 });
    // The rest is given up: it counts in the interval in which that happened.
    for t in 20..2000 {
        stream.poll_nack(ms(t), Duration::ZERO);
    }
    let interval = stream.take_interval();
    assert_eq!(interval, Interval { expected: 0, lost: 0, lost_after_repair: 21 });
}

#[test]
fn a_packet_later_than_its_retransmission_was_not_lost() {
    let mut stream = video();
    for seq in [1, 3] {
        stream.receive(ms(0), seq, 0);
    }
    stream.recover(ms(20), 2);
    assert_eq!(stream.receive(ms(30), 2, 0), Received::Duplicate);
    assert_eq!(stream.report(ms(30)).unwrap().cumulative_lost, 0);
    assert_eq!(stream.receive(ms(30), 2, 0), Received::Duplicate);
    assert_eq!(stream.report(ms(30)).unwrap().cumulative_lost, 0);
}

#[test]
fn jitter_is_none_on_a_steady_path_and_that_of_a_swinging_one() {
    let (mut steady, mut swinging) = (video(), video());
    for n in 0..500u16 {
        let (at, timestamp) = (u64::from(n) * 20, u32::from(n) * 1800);
        steady.receive(ms(at), n, timestamp.wrapping_sub(900));
        swinging.receive(ms(at + u64::from(n % 2) * 8), n, timestamp);
    }
    assert_eq!(steady.jitter(), Duration::ZERO);
    let jitter = swinging.jitter().as_millis();
    assert!((7..=8).contains(&jitter), "{jitter}");
}

#[test]
fn the_pause_of_a_sender_is_not_jitter() {
    let mut stream = video();
    stream.receive(ms(0), 0, 0);
    stream.receive(ms(60_000), 1, 3000);
    assert_eq!(stream.jitter(), Duration::ZERO);
}

#[test]
fn the_last_sender_report_is_echoed_with_its_age() {
    let mut stream = video();
    stream.receive(ms(0), 1, 0);
    assert_eq!(stream.report(ms(0)).unwrap().last_sr, 0);
    let info = SenderInfo { ntp: 0x1234_5678_9abc_def0, rtp: 1, packets: 1, octets: 1 };
    stream.on_sender_report(ms(1000), info);
    let report = stream.report(ms(1500)).unwrap();
    assert_eq!((report.last_sr, report.delay_since_last_sr), (0x5678_9abc, 1 << 15));
}

#[test]
fn a_retransmission_without_a_stream_is_nobodys() {
    assert_eq!(video().recover(ms(0), 5), Received::Stale);
    assert_eq!(video().report(ms(0)), None);
}

proptest! {
    /// Whatever the order, the copies and the way: each packet is new exactly once, under the
    /// number that its distance from the first gives.
    #[test]
    fn each_packet_is_new_once(
        start in any::<u16>(),
        arrivals in prop::collection::vec((0u16..400, any::<bool>()), 1..600),
    ) {
        let mut stream = video();
        let base = number(&mut stream, start).unwrap();
        let mut seen = std::collections::BTreeSet::from([0]);
        for (t, (offset, by_rtx)) in arrivals.into_iter().enumerate() {
            let (now, seq) = (ms(t as u64), start.wrapping_add(offset));
            let got = if by_rtx { stream.recover(now, seq) } else { stream.receive(now, seq, 0) };
            let ext_seq = base + u64::from(offset);
            let expected = match seen.insert(offset) {
                true => Received::Packet { ext_seq, restarted: false },
                false => Received::Duplicate,
            };
            prop_assert_eq!(got, expected);
            let poll = stream.poll_nack(now, Duration::ZERO);
            for seq in poll.pairs().iter().flat_map(|&(p, b)| super::super::nack::nacked(p, b)) {
                prop_assert!(!seen.contains(&seq.wrapping_sub(start)), "asked for what is here");
            }
        }
    }

    /// A hostile (but authenticated) sender makes no number come twice and nothing overflow.
    #[test]
    fn any_numbers_are_borne(packets in prop::collection::vec((any::<u16>(), any::<u32>(), any::<bool>()), 0..300)) {
        let (mut stream, mut seen) = (video(), std::collections::HashSet::new());
        for (t, (seq, timestamp, follow)) in packets.into_iter().enumerate() {
            for seq in [seq, seq.wrapping_add(1)].into_iter().take(1 + usize::from(follow)) {
                if let Received::Packet { ext_seq, .. } = stream.receive(ms(t as u64), seq, timestamp) {
                    prop_assert!(seen.insert(ext_seq));
                }
            }
            stream.report(ms(t as u64));
            stream.take_interval();
            stream.poll_nack(ms(t as u64), Duration::from_millis(50));
        }
    }
}
