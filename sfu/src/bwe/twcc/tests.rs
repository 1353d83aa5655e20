//! What one side writes the other must read, and an independent implementation too.

use std::time::Duration;

use proptest::prelude::*;
use rtc::{
    rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    },
    shared::marshal::Unmarshal,
};
use vbranch_domain::Mono;

use super::{
    ArrivalLog, FeedbackError, Report, SentLog, TICK_US, parse,
    wire::{Feedback, Status},
};

const MS: Duration = Duration::from_millis(1);

/// Everything a log has to say at `now`, message by message.
fn messages(log: &mut ArrivalLog, now: Mono) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut out = Vec::new();
        if !log.poll_feedback(now, 1, 2, &mut out) {
            return all;
        }
        assert!(out.len() <= 1200, "a message of {} bytes", out.len());
        all.push(out);
    }
}

/// Absolute ticks of the arrivals a message tells, as we read them.
fn ours(feedback: &Feedback<'_>) -> Vec<(u16, Option<i64>)> {
    let base = i64::from(feedback.reference) * 256;
    let tick = |s: Status| s.arrival_us.map(|us| base + us / TICK_US.cast_signed());
    feedback.statuses().map(|s| (s.seq, tick(s))).collect()
}

/// The same as the `rtc` crate reads them.
fn theirs(bytes: &[u8]) -> Vec<(u16, Option<i64>)> {
    let message = TransportLayerCc::unmarshal(&mut &bytes[..]).expect("the oracle reads it");
    let mut symbols = Vec::new();
    for chunk in &message.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(c) => symbols
                .extend(std::iter::repeat_n(c.packet_status_symbol, usize::from(c.run_length))),
            PacketStatusChunk::StatusVectorChunk(c) => symbols.extend(&c.symbol_list),
        }
    }
    symbols.truncate(usize::from(message.packet_status_count));
    let mut tick = i64::from(message.reference_time) * 256;
    let mut deltas = message.recv_deltas.iter();
    let mut seq = message.base_sequence_number;
    let mut all = Vec::new();
    for symbol in symbols {
        let arrived = symbol != SymbolTypeTcc::PacketNotReceived;
        if arrived {
            tick += deltas.next().expect("a delta").delta / TICK_US.cast_signed();
        }
        all.push((seq, arrived.then_some(tick)));
        seq = seq.wrapping_add(1);
    }
    all
}

#[test]
fn quiet_until_due_then_once() {
    let mut log = ArrivalLog::default();
    let start = Mono::from_millis(1000);
    assert_eq!(log.next_at(), None);
    log.record(start, 7);
    assert_eq!(messages(&mut log, start + 99 * MS).len(), 0);
    assert_eq!(log.next_at(), Some(start + 100 * MS));
    assert_eq!(messages(&mut log, start + 100 * MS).len(), 1);
    assert_eq!(log.next_at(), None);
}

#[test]
fn a_busy_link_is_reported_sooner_and_a_full_log_at_once() {
    let mut log = ArrivalLog::default();
    let start = Mono::from_millis(1000);
    (0..16).for_each(|seq| log.record(start, seq));
    assert_eq!(log.next_at(), Some(start + 50 * MS));
    (16..600).for_each(|seq| log.record(start, seq));
    assert_eq!(messages(&mut log, start).len(), 2, "two full messages now, the rest when due");
    assert_eq!(messages(&mut log, start + 50 * MS).len(), 1);
    assert_eq!(log.next_at(), None);
}

#[test]
fn a_packet_later_than_its_report_is_reported_after_all() {
    let mut log = ArrivalLog::default();
    let start = Mono::from_millis(1000);
    log.record(start, 10);
    log.record(start, 12);
    assert_eq!(messages(&mut log, start + 100 * MS).len(), 1);
    log.record(start + 110 * MS, 11);
    let again = messages(&mut log, start + 300 * MS);
    let told = ours(&parse(&again[0]).unwrap());
    assert_eq!(told[0], (11, Some(4440)));
    assert_eq!(told[1], (12, Some(4000)));
}

#[test]
fn a_pause_longer_than_a_delta_starts_a_new_message() {
    let mut log = ArrivalLog::default();
    let start = Mono::from_millis(1000);
    log.record(start, 1);
    log.record(start + 9000 * MS, 2);
    let all = messages(&mut log, start + 9100 * MS);
    assert_eq!(all.len(), 2);
    assert_eq!(ours(&parse(&all[1]).unwrap()), [(2, Some(40_000))]);
}

#[test]
fn a_jump_of_the_numbers_costs_a_bounded_message() {
    let mut log = ArrivalLog::default();
    let start = Mono::from_millis(1000);
    for step in 0..1000_u16 {
        log.record(start, step.wrapping_mul(30_011));
    }
    let all = messages(&mut log, start + 100 * MS);
    assert!(all.len() <= 1000);
    for bytes in all {
        assert!(parse(&bytes).unwrap().count <= 2048);
    }
}

#[test]
fn malformed_feedback_is_refused() {
    let mut log = ArrivalLog::default();
    log.record(Mono::from_millis(5), 1);
    let good = messages(&mut log, Mono::from_millis(500)).remove(0);
    assert!(parse(&good).is_ok());
    for length in 0..good.len() {
        assert_eq!(parse(&good[..length]).unwrap_err(), FeedbackError::Truncated);
    }
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        parse(&bad).unwrap_err()
    };
    assert_eq!(with(0, 0x8f & 0x3f), FeedbackError::WrongType);
    assert_eq!(with(1, 206), FeedbackError::WrongType);
    assert_eq!(with(15, 0), FeedbackError::Count(0));
    assert_eq!(with(14, 0xff), FeedbackError::Count(0xff01));
    assert_eq!(with(15, 9), FeedbackError::Truncated);
    assert_eq!(with(20, 0x60), FeedbackError::Malformed);
}

#[test]
fn sent_packets_meet_their_reports_across_the_wrap() {
    let mut sent = SentLog::default();
    let mut log = ArrivalLog::default();
    let mut now = Mono::from_millis(1000);
    let mut told = 0;
    for n in 0..200_000_u32 {
        now += Duration::from_micros(500);
        let seq = sent.push(now, 1000, 0);
        assert_eq!(seq, n as u16);
        if n % 10 != 3 {
            log.record(now + 30 * MS, seq);
        }
        for message in messages(&mut log, now + 30 * MS) {
            let feedback = parse(&message).unwrap();
            sent.apply(&feedback, |report| match report {
                Report::Received { packet, unreported, .. } => {
                    told += 1;
                    assert_eq!(unreported, 0);
                    let travelled = packet.arrival_us - packet.sent_at.as_nanos() as i64 / 1000;
                    assert!((29_700..=30_000).contains(&travelled), "{travelled}");
                }
                Report::Lost { .. } => told += 1,
            });
        }
    }
    assert!(told > 199_000, "{told}");
}

#[test]
fn a_lost_report_shows_as_unreported_bytes() {
    let mut sent = SentLog::default();
    let mut log = ArrivalLog::default();
    let now = Mono::from_millis(1000);
    let mut reports = Vec::new();
    for round in 0..3 {
        for _ in 0..5 {
            log.record(now, sent.push(now, 100, 0));
        }
        let message = messages(&mut log, now + 1000 * MS).remove(0);
        if round != 1 {
            sent.apply(&parse(&message).unwrap(), |report| reports.push(report));
        }
    }
    assert_eq!(unreported(&reports), [0, 0, 0, 0, 0, 500, 0, 0, 0, 0]);
}

/// What each arrival says was sent before it and never spoken of.
fn unreported(reports: &[Report]) -> Vec<u32> {
    let of = |report: &Report| match report {
        Report::Received { unreported, .. } => Some(*unreported),
        Report::Lost { .. } => None,
    };
    reports.iter().filter_map(of).collect()
}

#[test]
fn what_a_loss_hides_is_told_with_the_next_arrival() {
    let (mut sent, mut log) = (SentLog::default(), ArrivalLog::default());
    let now = Mono::from_millis(1000);
    let mut reports = Vec::new();
    log.record(now, sent.push(now, 100, 0));
    let message = messages(&mut log, now + 1000 * MS).remove(0);
    sent.apply(&parse(&message).unwrap(), |report| reports.push(report));
    // Sound without a number, then a loss, then an arrival.
    sent.skip(70);
    sent.push(now, 100, 0);
    log.record(now, sent.push(now, 100, 0));
    let message = messages(&mut log, now + 2000 * MS).remove(0);
    sent.apply(&parse(&message).unwrap(), |report| reports.push(report));
    assert_eq!(unreported(&reports), [0, 70]);
}

#[test]
fn what_was_never_sent_is_passed_over() {
    let mut log = ArrivalLog::default();
    (0..50).for_each(|seq| log.record(Mono::from_millis(9), seq));
    let message = messages(&mut log, Mono::from_millis(500)).remove(0);
    let mut sent = SentLog::default();
    let mut heard = 0;
    sent.apply(&parse(&message).unwrap(), |_| heard += 1);
    assert_eq!(heard, 0);
    (0..10).for_each(|_| _ = sent.push(Mono::from_millis(1), 10, 0));
    sent.apply(&parse(&message).unwrap(), |_| heard += 1);
    assert_eq!(heard, 10);
    sent.apply(&parse(&message).unwrap(), |_| heard += 1);
    assert_eq!(heard, 10, "a replayed message says nothing new");
}

proptest! {
    /// Whatever arrives in whatever order, all of it is told, once read by two readers, correctly.
    #[test]
    fn every_arrival_is_told_as_it_was(
        first in any::<u16>(),
        steps in prop::collection::vec((0_u64..400_000, 0_u16..40, -6_i16..6), 1..700),
    ) {
        let mut log = ArrivalLog::default();
        let mut now = Mono::from_millis(77_777);
        let start = 0x1_0000 + u64::from(first);
        let mut number = start;
        let mut truth = std::collections::HashMap::new();
        let mut told = std::collections::HashMap::new();
        for (us, forward, shuffle) in steps {
            now += Duration::from_micros(us % 20_000 * u64::from(us % 7 != 0) + us / 50);
            // A packet before the very first to arrive belongs to no message.
            let this = number.saturating_add_signed(shuffle.min(0).into()).max(start);
            number += u64::from(if forward > 36 { forward } else { 1 });
            log.record(now, this as u16);
            truth.entry(this as u16).or_insert((now.as_nanos() / 250_000) as i64);
            for message in messages(&mut log, now) {
                let feedback = parse(&message).unwrap();
                let read = ours(&feedback);
                prop_assert_eq!(&read, &theirs(&message));
                told.extend(read.into_iter().filter_map(|(seq, tick)| Some((seq, tick?))));
            }
        }
        for message in messages(&mut log, now + 1000 * MS) {
            let read = ours(&parse(&message).unwrap());
            prop_assert_eq!(&read, &theirs(&message));
            told.extend(read.into_iter().filter_map(|(seq, tick)| Some((seq, tick?))));
        }
        prop_assert_eq!(told, truth);
    }

    /// No bytes make the reader panic, and what it accepts stays within what it announced.
    #[test]
    fn hostile_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_u16..300) {
        if let [first, kind, l1, l0, ..] = &mut bytes[..] {
            (*first, *kind, *l1, *l0) = (0x8f, 205, 0, 4 + (count % 40) as u8);
        }
        if bytes.len() > 16 {
            bytes[14..16].copy_from_slice(&count.to_be_bytes());
        }
        if let Ok(feedback) = parse(&bytes) {
            prop_assert_eq!(feedback.statuses().count(), usize::from(feedback.count));
            let mut sent = SentLog::default();
            (0..100).for_each(|_| _ = sent.push(Mono::ZERO, 1, 0));
            let mut heard = 0;
            sent.apply(&feedback, |_| heard += 1);
            prop_assert!(heard <= 100);
        }
    }
}
