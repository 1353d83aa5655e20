//! How many packets of 1200 bytes one core seals and opens per second, beside `rtc-srtp`.
//!
//! `cargo bench -p vbranch-sfu --bench srtp`

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, prints, and may stop at what does not work"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rtc::rtp::Header;
use rtc::shared::marshal::Unmarshal;
use rtc::srtp::context::Context;
use rtc::srtp::option::srtp_replay_protection;
use rtc::srtp::protection_profile::ProtectionProfile;
use vbranch_sfu::srtp::{Inbound, MAX_RTP_OVERHEAD, Outbound, Profile, Role, RtpIndex, contexts};

const PACKET_LEN: usize = 1200;
/// Fixed header and a one-byte-header extension of two words, as a browser sends.
const HEADER_LEN: usize = 24;
/// SSRCs of a camera in three layers, a microphone, and the RTX of each layer.
const STREAMS: u32 = 7;
/// Packets between two readings of the clock.
const BATCH: u64 = 7 * 64;
/// Rounds of which the quickest counts, as it is the least disturbed one.
const ROUNDS: usize = 400;

fn main() {
    println!("{PACKET_LEN}-byte packets per second on one core, best of {ROUNDS} rounds\n");
    println!("{:<22}{:>12}{:>12}{:>14}{:>14}", "profile", "seal", "open", "rtc seal", "rtc open");
    for profile in Profile::PREFERENCE {
        let (seal, open) = ours(profile);
        let (rtc_seal, rtc_open) = rtcs(profile);
        println!(
            "{:<22}{:>12}{:>12}{:>14}{:>14}",
            format!("{profile:?}"),
            rate(seal),
            rate(open),
            rate(rtc_seal),
            rate(rtc_open)
        );
    }
}

fn rate(batch: Duration) -> u64 {
    (BATCH as f64 / batch.as_secs_f64()) as u64
}

fn exported(profile: Profile) -> Vec<u8> {
    (1..).take(profile.exported_len()).collect()
}

fn contexts_of_call(profile: Profile) -> (Outbound, Inbound) {
    let block = exported(profile);
    let (_, outbound) = contexts(profile, &block, Role::Server).expect("server's keys");
    let (inbound, _) = contexts(profile, &block, Role::Client).expect("client's keys");
    (outbound, inbound)
}

/// Packet number `count` of all streams taken together, and its index in its own stream.
fn packet(count: u64) -> (Vec<u8>, RtpIndex) {
    let index = RtpIndex::new(count / u64::from(STREAMS)).expect("an index in range");
    let ssrc = (count % u64::from(STREAMS)) as u32 * 0x0101_0101;
    let mut packet = vec![0x90, 96];
    packet.extend(index.sequence_number().to_be_bytes());
    packet.extend([0, 1, 2, 3]);
    packet.extend(ssrc.to_be_bytes());
    // Two elements: a transport-wide sequence number and a send time.
    packet.extend([0xBE, 0xDE, 0, 2, 0x31, 0, 7, 0x22, 1, 2, 3, 0]);
    packet.resize(PACKET_LEN, 0x5A);
    (packet, index)
}

/// Seals and opens batch after batch; the quickest of each.
fn ours(profile: Profile) -> (Duration, Duration) {
    let (outbound, mut inbound) = contexts_of_call(profile);
    let mut best = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS as u64 {
        let mut batch: Vec<(Vec<u8>, RtpIndex)> =
            (0..BATCH).map(|at| packet(round * BATCH + at)).collect();
        for (packet, _) in &mut batch {
            packet.resize(PACKET_LEN + MAX_RTP_OVERHEAD, 0);
        }
        let started = Instant::now();
        for (packet, index) in &mut batch {
            let len = outbound.protect_rtp(packet, HEADER_LEN, PACKET_LEN, *index).expect("sealed");
            black_box(len);
        }
        best.0 = best.0.min(started.elapsed());
        for (packet, _) in &mut batch {
            packet.truncate(PACKET_LEN + profile.tag_len());
        }
        let started = Instant::now();
        for (packet, _) in &mut batch {
            black_box(inbound.unprotect_rtp(packet, HEADER_LEN).expect("opened"));
        }
        best.1 = best.1.min(started.elapsed());
    }
    best
}

/// The same with `rtc-srtp`, which is given parsed headers and a replay window too.
fn rtcs(profile: Profile) -> (Duration, Duration) {
    let (mut sender, mut receiver) = (rtc_context(profile), rtc_context(profile));
    let mut best = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS as u64 {
        let batch: Vec<(Vec<u8>, Header)> = (0..BATCH)
            .map(|at| packet(round * BATCH + at).0)
            .map(|packet| {
                let header = Header::unmarshal(&mut &*packet).expect("a header");
                (packet, header)
            })
            .collect();
        let mut sealed = Vec::with_capacity(batch.len());
        let started = Instant::now();
        for (packet, header) in &batch {
            sealed.push(sender.encrypt_rtp_with_header(packet, header).expect("sealed"));
        }
        best.0 = best.0.min(started.elapsed());
        let started = Instant::now();
        for (sealed, (_, header)) in sealed.iter().zip(&batch) {
            black_box(receiver.decrypt_rtp_with_header(sealed, header).expect("opened"));
        }
        best.1 = best.1.min(started.elapsed());
    }
    best
}

fn rtc_context(profile: Profile) -> Context {
    let block = exported(profile);
    let (key, rest) = block.split_at(profile.key_len());
    let (salt, _) = rest.split_at(profile.salt_len());
    let profile = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = rtc::srtp::crypto::default_provider().expect("a crypto provider");
    Context::new(key, salt, profile, Some(srtp_replay_protection(512)), None, provider.crypto())
        .expect("a context")
}
