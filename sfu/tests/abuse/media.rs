//! Cases 4 to 9 and 12 to 15: RTP.

use std::{net::Ipv4Addr, time::Duration};

use tokio::net::UdpSocket;
use vbranch_domain::{MediaKind, ParticipantId, TrackId};

use crate::{
    branch::{Branch, eventually, resident_kib, run},
    client::{Client, H264, OPUS, VP8},
    wire::Rtp,
};

/// An offender, and somebody who watches what reaches others of it.
async fn offender_and_watcher(branch: &Branch) -> anyhow::Result<(ParticipantId, Client, Client)> {
    let (who, offender) = branch.third_party().await?;
    let (_, watcher) = branch.third_party().await?;
    Ok((who, offender, watcher))
}

fn audio(participant: ParticipantId) -> TrackId {
    TrackId { participant, kind: MediaKind::Audio }
}

fn video(participant: ParticipantId) -> TrackId {
    TrackId { participant, kind: MediaKind::Video }
}

#[test]
fn case_04_srtp_bad_auth_tag() {
    run(async |branch| {
        let (who, offender, mut watcher) = offender_and_watcher(branch).await?;
        for seq in 0..50 {
            let mut sealed = offender.seal(&offender.sound(seq, b"forged"));
            let at = if seq % 2 == 0 { sealed.len() - 1 } else { 14 };
            sealed[at] ^= 0x40;
            offender.send(&sealed).await;
        }
        offender.send_rtp(&offender.sound(50, b"honest")).await;
        watcher.receive_until("the good packet", |r| r.has(b"honest")).await?;
        let sounds = watcher.received.media.iter().filter(|(_, _, p)| p.len() == 6).count();
        assert_eq!(sounds, 1, "a forged packet got through");
        eventually("the recording", || branch.taped(audio(who)).frames == 1).await?;
        Ok(())
    });
}

#[test]
fn case_05_srtp_replay() {
    run(async |branch| {
        let (_, offender, mut watcher) = offender_and_watcher(branch).await?;
        let once = offender.seal(&offender.sound(1, b"say it once"));
        for _ in 0..30 {
            offender.send(&once).await;
        }
        // Also from elsewhere, as who listens on the way would.
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        elsewhere.send_to(&once, branch.address()).await?;
        offender.send_rtp(&offender.sound(2, b"and go on")).await;
        watcher.receive_until("the next packet", |r| r.has(b"and go on")).await?;
        let said = watcher.received.media.iter().filter(|(_, _, p)| p == b"say it once");
        assert_eq!(said.count(), 1);
        Ok(())
    });
}

#[test]
fn case_06_plaintext_rtp_injection() {
    run(async |branch| {
        let (_, offender, mut watcher) = offender_and_watcher(branch).await?;
        offender.send_rtp(&offender.sound(1, b"first")).await;
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        for seq in 2..30 {
            let plain = offender.sound(seq, &[b'x'; 40]).plain();
            offender.send(&plain).await;
            elsewhere.send_to(&plain, branch.address()).await?;
            offender.send(&crate::wire::pli(1, offender.setup.slots[0])).await;
        }
        offender.send_rtp(&offender.sound(30, b"sealed")).await;
        watcher.receive_until("the sealed packet", |r| r.has(b"sealed")).await?;
        assert!(!watcher.received.has(&[b'x'; 40]), "a packet without SRTP got through");
        Ok(())
    });
}

/// A stream number proves nothing: who takes another's speaks only for itself.
#[test]
fn case_07_ssrc_spoof_and_collision() {
    run(async |branch| {
        let (_, offender, mut victim) = offender_and_watcher(branch).await?;
        let (_, mut watcher) = branch.third_party().await?;
        victim.send_rtp(&victim.sound(1, b"victim 1")).await;
        let bots = [0x0a00_0001, 0x0b00_0001];
        for (n, ssrc) in bots.into_iter().chain([victim.setup.identity.audio]).enumerate() {
            let packet = offender.sound(u16::try_from(n)?, b"offender");
            offender.send_rtp(&Rtp { ssrc, ..packet }).await;
        }
        victim.receive_until("the offender's sound", |r| r.has(b"offender")).await?;
        victim.send_rtp(&victim.sound(2, b"victim 2")).await;
        watcher.receive_until("the victim's sound", |r| r.has(b"victim 2")).await?;
        let slot = |payload: &[u8]| {
            let all = watcher.received.media.iter().filter(|(_, _, p)| p == payload);
            all.map(|(_, ssrc, _)| *ssrc).collect::<Vec<_>>()
        };
        let (of_victim, of_offender) = (slot(b"victim 2"), slot(b"offender"));
        assert!(of_victim.iter().all(|ssrc| !of_offender.contains(ssrc)), "streams were mixed");
        Ok(())
    });
}

#[test]
fn case_08_rtp_padding_longer_than_payload() {
    run(async |branch| {
        let (_, offender, mut watcher) = offender_and_watcher(branch).await?;
        for (seq, last) in [255, 0, 12, 128].into_iter().enumerate() {
            let mut payload = b"paddingbomb".to_vec();
            payload.push(last);
            let packet = offender.sound(u16::try_from(seq)?, &payload);
            offender.send_rtp(&Rtp { padding: true, ..packet }).await;
        }
        let empty = offender.sound(4, &[]);
        offender.send_rtp(&Rtp { padding: true, ..empty }).await;
        let good = offender.sound(5, b"good\x00\x00\x03");
        offender.send_rtp(&Rtp { padding: true, ..good }).await;
        watcher.receive_until("the good packet", |r| r.has(b"good")).await?;
        let bomb = watcher.received.media.iter().any(|(_, _, p)| p.starts_with(b"padding"));
        assert!(!bomb, "more padding than payload got through");
        Ok(())
    });
}

#[test]
fn case_09_rtp_header_extension_bomb() {
    run(async |branch| {
        let (_, offender, mut watcher) = offender_and_watcher(branch).await?;
        let bombs: [(u16, u16, Vec<u8>); 6] = [
            (0xbede, 0xffff, vec![0x10, 0]),             // longer than the packet
            (0xbede, 0, vec![]),                         // nothing
            (0xbede, 250, [0x10, 1].repeat(500)),        // one tiny element after another
            (0x1000, 250, [1, 0].repeat(500)),           // the same in two-byte form, empty
            (0xbede, 1, vec![0x4f, b'0', b'0', b'0']),   // an element longer than the list
            (0x1000, 2, vec![4, 255, 0, 0, 0, 0, 0, 0]), // the same in two-byte form
        ];
        for (seq, bomb) in bombs.into_iter().enumerate() {
            let packet = offender.sound(u16::try_from(seq)?, b"bomb");
            let packet = Rtp { extension: Some(bomb), ..packet };
            if seq == 0 {
                // What cannot be sealed is sent as it would lie on the wire.
                offender.send(&[packet.plain(), vec![0; 16]].concat()).await;
            } else {
                offender.send_rtp(&packet).await;
            }
        }
        offender.send_rtp(&offender.sound(6, b"good")).await;
        watcher.receive_until("the good packet", |r| r.has(b"good")).await?;
        Ok(())
    });
}

/// Sends pictures, some of them malformed. The good ones, and no other, reach others.
async fn only_good_pictures_arrive(
    branch: &Branch,
    payload_type: u8,
    key: &[u8],
    good: &[&[u8]],
    bad: &[&[u8]],
) -> anyhow::Result<ParticipantId> {
    let (who, offender, mut watcher) = offender_and_watcher(branch).await?;
    let (mut seq, mut key_tries) = (0u16, 0u16);
    // The first key frame is repeated until it is shown: slots fill while we connect.
    while !watcher.received.has(key) {
        offender.send_rtp(&offender.picture(seq, payload_type, key)).await;
        seq += 1;
        key_tries += 1;
        assert!(key_tries < 200, "the key frame did not come");
        watcher.drain().await;
    }
    for (n, payload) in bad.iter().enumerate() {
        offender.send_rtp(&offender.picture(seq, payload_type, payload)).await;
        if let Some(payload) = good.get(n % good.len()) {
            offender.send_rtp(&offender.picture(seq + 1, payload_type, payload)).await;
        }
        seq += 2;
    }
    offender.send_rtp(&offender.picture(seq, payload_type, key)).await;
    let last = good.last().copied().unwrap_or(key);
    watcher.receive_until("the good pictures", |r| r.has(last)).await?;
    watcher.drain().await;
    for payload in bad {
        assert!(!watcher.received.has(payload), "{payload:x?} got through");
    }
    Ok(who)
}

#[test]
fn case_12_malformed_h264_stap_a_and_fu_a() {
    run(async |branch| {
        let key = [0x65, 0x88, 0x84, 0x21];
        let good: [&[u8]; 2] = [&[0x41, 0x9a, 1, 2, 3], &[0x41, 0x9a, 4, 5, 6]];
        let bad: [&[u8]; 11] = [
            &[0x78],                      // STAP-A of nothing, cut before its first size
            &[0x78, 0],                   // cut inside a size
            &[0x78, 0xff, 0xff, 0x67],    // a unit longer than the packet
            &[0x78, 0, 0],                // an empty unit
            &[0x78, 0, 1, 0x67, 0, 9, 1], // the second unit overruns
            &[0x7c],                      // FU-A without its header
            &[0x79, 0, 0, 0, 1, 0x65],    // STAP-B
            &[0x7a, 0, 0, 0, 1, 0x65],    // MTAP16
            &[0x7d, 0x85, 0, 0, 1],       // FU-B
            &[0x7f, 1, 2, 3],             // reserved
            &[0x60, 1, 2, 3],             // type 0
        ];
        // The first is harmless: a list of nothing.
        let who = only_good_pictures_arrive(branch, H264, &key, &good, &bad[1..]).await?;
        eventually("recorded pictures", || branch.taped(video(who)).frames > 3).await?;
        Ok(())
    });
}

/// Fragments without a beginning, without an end, with both at once, of ever the same picture: the
/// recorder's memory for one picture is bounded.
#[test]
fn case_12_h264_fragments_without_end() {
    run(async |branch| {
        let (who, offender, mut watcher) = offender_and_watcher(branch).await?;
        let before = resident_kib();
        for seq in 0..4000u16 {
            let start = if seq == 0 { 0x85 } else { 0x05 };
            let mut payload = vec![0x7c, start, 0x88];
            payload.resize(1100, 7);
            let packet = offender.picture(seq, H264, &payload);
            offender.send_rtp(&Rtp { marker: false, timestamp: 1, ..packet }).await;
            if seq % 32 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        offender.reaches(&mut watcher, 1, b"done").await?;
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 48 << 10, "{grown} KiB more");
        assert_eq!(branch.taped(video(who)).frames, 0);
        Ok(())
    });
}

#[test]
fn case_13_malformed_vp8_descriptor() {
    run(async |branch| {
        let key = [0x90, 0x80, 0x01, 0x00, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
        let good: [&[u8]; 2] = [&[0x90, 0x80, 0x02, 0x01, 9], &[0x90, 0x80, 0x03, 0x01, 8]];
        let bad: [&[u8]; 6] = [
            &[0x80],                   // extensions announced, none there
            &[0x90, 0x80],             // a PictureID that is not there
            &[0x90, 0x80, 0x80],       // half of a long one
            &[0x90, 0xc0, 0x05],       // no TL0PICIDX
            &[0x90, 0xe0, 0x05, 1],    // no TID
            &[0x90, 0xf0, 0x85, 1, 1], // no TID behind a long PictureID
        ];
        let who = only_good_pictures_arrive(branch, VP8, &key, &good, &bad).await?;
        branch.leave(who).await?;
        // VP9 was never negotiated: its packets are nobody's.
        let (_, offender, mut watcher) = offender_and_watcher(branch).await?;
        for seq in 0..20 {
            offender.send_rtp(&offender.picture(seq, 120, &[0x8f, 0xff, 0xff, 0xff])).await;
        }
        offender.send_rtp(&offender.sound(1, b"good")).await;
        watcher.receive_until("sound", |r| r.has(b"good")).await?;
        assert!(watcher.received.media.iter().all(|(pt, _, _)| *pt == OPUS || *pt == H264));
        Ok(())
    });
}

/// The media plane forwards what it says and makes no room for it.
#[test]
fn case_14_sps_that_claims_an_enormous_picture() {
    run(async |branch| {
        let before = resident_kib();
        // Baseline, level 5.2, widths and heights in Exp-Golomb codes of 30 leading zeros.
        let sps = [0x67, 0x42, 0xc0, 0x34, 0xf8, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 1, 0xff];
        let good: [&[u8]; 1] = [&[0x65, 0x88, 0x84, 0x99]];
        let vp8 = [0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0xff, 0xff, 0xff, 0xff];
        let who = only_good_pictures_arrive(branch, H264, &sps, &good, &[&[0x7c]]).await?;
        let taped = branch.taped(video(who));
        assert!(taped.largest < 100, "{taped:?}");
        branch.leave(who).await?;
        let good: [&[u8]; 1] = [&[0x10, 1, 2, 3]];
        only_good_pictures_arrive(branch, VP8, &vp8, &good, &[&[0x80]]).await?;
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 32 << 10, "{grown} KiB more");
        Ok(())
    });
}

/// Ten times the bit rate of a call: what the recorder gets stays in order, and what it does not
/// get is declared.
#[test]
fn case_15_ten_times_the_agreed_bitrate() {
    const PACKETS: u16 = 2800;
    run(async |branch| {
        let (who, offender) = branch.third_party().await?;
        let mut payload = vec![0x65, 0x88];
        payload.resize(1100, 1);
        for seq in 0..PACKETS {
            offender.send_rtp(&offender.picture(seq, H264, &payload)).await;
            if seq % 16 == 0 {
                // About 20 Mbit/s.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        // Lost packets are noticed by those that follow.
        let (mut seq, track) = (PACKETS, video(who));
        let mut taped = branch.taped(track);
        while taped.frames + taped.lost < u64::from(PACKETS) && seq < PACKETS + 200 {
            offender.send_rtp(&offender.picture(seq, H264, &payload)).await;
            seq += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            taped = branch.taped(track);
        }
        assert!(taped.frames > 100, "{taped:?}");
        let accounted = taped.frames + taped.lost;
        let sent = u64::from(PACKETS)..=u64::from(seq);
        assert!(sent.contains(&accounted), "{accounted} of {seq}: {taped:?}");
        Ok(())
    });
}
