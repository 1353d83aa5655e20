use proptest::prelude::*;

use super::*;

const RTT: Duration = Duration::from_millis(100);

fn ms(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn packet(ext_seq: u64, timestamp: u32) -> Sent {
    let out = Rewritten { ext_seq, timestamp };
    Sent { out, source: 3, source_ext_seq: ext_seq + 5000, extra: ext_seq * 7, payload_len: 1000 }
}

#[test]
fn a_nack_finds_what_was_sent_over_the_wrap() {
    let mut stream = SendStream::new(90_000);
    (65_530..65_545).for_each(|seq| stream.sent(ms(0), packet(seq, 9)));
    for ext_seq in 65_530..65_545 {
        let expected = Resend {
            out: Rewritten { ext_seq, timestamp: 9 },
            source: 3,
            source_ext_seq: ext_seq + 5000,
            extra: ext_seq * 7,
        };
        assert_eq!(stream.resolve(ms(10), ext_seq as u16, RTT, 1), Some(expected));
    }
    assert_eq!(stream.resolve(ms(10), 9, RTT, 1), None, "never sent");
    assert_eq!(stream.resolve(ms(10), 65_000, RTT, 1), None, "before the first");
}

#[test]
fn a_packet_is_sent_again_once_a_round_trip_and_not_for_ever() {
    let mut stream = SendStream::new(90_000);
    stream.sent(ms(0), packet(1, 0));
    let again: Vec<_> =
        (20..3000).filter(|&t| stream.resolve(ms(t), 1, RTT, 1).is_some()).collect();
    assert_eq!(again[..3], [20, 120, 220]);
    assert!(*again.last().unwrap() <= MAX_AGE.as_millis() as u64);
}

#[test]
fn a_flood_of_nacks_costs_less_than_the_stream() {
    let mut stream = SendStream::new(90_000);
    let mut resent = 0;
    for n in 0..10_000 {
        stream.sent(ms(n * 8), packet(n, n as u32));
        for seq in 0..=u16::MAX / 64 {
            let seq = (n as u16).wrapping_sub(seq);
            resent += u64::from(stream.resolve(ms(n * 8), seq, Duration::ZERO, 1).is_some());
        }
    }
    let burst = u64::from(RESEND_BURST) / 1000;
    assert!(resent <= 9_000 + burst, "{resent}");
}

#[test]
fn a_round_trip_is_measured_and_not_made_up() {
    let mut stream = SendStream::new(90_000);
    assert_eq!(stream.sender_info(ms(0), 1 << 40), None, "nothing to report");
    stream.sent(ms(0), packet(1, 0));
    let ntp = 0x1111_2222_3333_4444;
    stream.sender_info(ms(100), ntp).unwrap();
    let answer = |last_sr, delay_since_last_sr| ReportBlock {
        last_sr,
        delay_since_last_sr,
        fraction_lost: 26,
        jitter: 900,
        ..ReportBlock::default()
    };
    let rtt = stream.on_report(ms(400), &answer(0x2222_3333, 1 << 14));
    assert_eq!(rtt, Some(Duration::from_millis(50)));
    let heard = Heard { fraction_lost: 26, jitter: Duration::from_millis(10) };
    assert_eq!(stream.heard(), heard);
    for (last_sr, held) in [(0x2222_3334, 1 << 14), (0, 0), (0x2222_3333, u32::MAX)] {
        let rtt = stream.on_report(ms(400), &answer(last_sr, held));
        assert_eq!(rtt, None, "unknown reports and impossible delays do not count");
    }
}

#[test]
fn sender_reports_count_and_extrapolate() {
    let mut stream = SendStream::new(90_000);
    stream.sent(ms(0), packet(1, 1000));
    stream.sent(ms(10), packet(2, 1900));
    let info = stream.sender_info(ms(20), 5).unwrap();
    assert_eq!(info, SenderInfo { ntp: 5, rtp: 2800, packets: 2, octets: 2000 });
}

#[test]
fn sender_reports_of_a_jittering_stream_stay_on_its_clock() {
    let mut stream = SendStream::new(90_000);
    let mut worst = 0;
    for n in 0..1000u64 {
        // Pictures of ten packets, 33 ms apart, paced over 20 ms, up to 60 ms late.
        let late = n * 7919 % 61;
        for p in 0..10 {
            let timestamp = (n * 33 * 90) as u32;
            stream.sent(ms(n * 33 + late + p * 2), packet(n * 10 + p, timestamp));
        }
        let now = n * 33 + late + 20;
        let rtp = stream.sender_info(ms(now), 0).unwrap().rtp;
        let error = (now * 90) as i64 - i64::from(rtp);
        if n > 100 {
            worst = worst.max(error.unsigned_abs());
        }
    }
    assert!(worst < 15 * 90, "{} ms off", worst / 90);
}

#[test]
fn a_packet_of_a_former_source_is_still_sent_again_after_the_switch() {
    let mut stream = SendStream::new(90_000);
    stream.sent(ms(0), packet(1, 0));
    stream.sent(ms(5), Sent { source: 4, source_ext_seq: 9, ..packet(2, 90) });
    assert_eq!(
        stream.resolve(ms(20), 1, RTT, 1).map(|r| (r.source, r.source_ext_seq)),
        Some((3, 5001))
    );
    assert_eq!(
        stream.resolve(ms(20), 2, RTT, 1).map(|r| (r.source, r.source_ext_seq)),
        Some((4, 9))
    );
}

#[test]
fn counters_of_rtx_start_low_and_go_over_the_wrap() {
    let mut counter = Counter::new(0xffff);
    assert_eq!((counter.take(), counter.take()), (0x7fff, 0x8000));
}

proptest! {
    #[test]
    fn any_nack_and_report_is_borne(
        sent in prop::collection::vec(0u64..1 << 20, 0..50),
        nacks in prop::collection::vec(any::<u16>(), 0..200),
        block in any::<[u8; 24]>(),
    ) {
        let mut stream = SendStream::new(48_000);
        for (t, &ext_seq) in sent.iter().enumerate() {
            stream.sent(ms(t as u64), packet(ext_seq, 0));
        }
        for seq in nacks {
            if let Some(resend) = stream.resolve(ms(60), seq, RTT, 1) {
                prop_assert!(sent.contains(&resend.out.ext_seq));
                prop_assert_eq!(resend.out.ext_seq as u16, seq);
            }
        }
        let rtt = stream.on_report(ms(60), &ReportBlock::from_bytes(&block));
        prop_assert_eq!(rtt, None);
    }
}
