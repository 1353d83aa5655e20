//! Cases 10 and 11: RTCP.

use std::time::Duration;

use crate::{
    branch::run,
    client::H264,
    wire::{nack, pli, rtcp},
};

#[test]
fn case_10_malformed_rtcp_compound() {
    run(async |branch| {
        let (_, mut offender) = branch.third_party().await?;
        let (_, mut watcher) = branch.third_party().await?;
        let slot = offender.setup.slots[1];
        let overrun = |kind| [0x81, kind, 0xff, 0xff, 0, 0, 0, 1];
        let twcc = |count: u16, chunks: &[u8]| {
            let mut body = [1u32.to_be_bytes(), slot.to_be_bytes()].concat();
            body.extend([0, 0]);
            body.extend(count.to_be_bytes());
            body.extend([0, 0, 1, 0]);
            body.extend(chunks);
            rtcp(15, 205, &body)
        };
        let compounds = [
            vec![0x80, 200, 0, 0],                            // a sender report of nothing
            [rtcp(31, 200, &[0; 24]), pli(1, slot)].concat(), // blocks that are not there
            rtcp(31, 201, &[0; 4]),                           // the same
            [pli(1, slot), overrun(206).to_vec()].concat(),   // overruns behind a good one
            overrun(200).to_vec(),
            overrun(205).to_vec(),
            rtcp(1, 203, &[]),          // a goodbye from nobody
            rtcp(31, 202, &[0xff; 40]), // descriptions longer than it
            rtcp(4, 206, &[0; 8]),      // FIR without an entry
            rtcp(0, 192, &[0; 4]),      // of old
            rtcp(15, 206, b"\0\0\0\x01\0\0\0\0REMB\xff\xff\xff\xff"), // 255 streams, none there
            twcc(0xffff, &[0x3f, 0xff]), // 65535 packets, 8191 in the list
            twcc(8191, &[0x3f, 0xff]),  // none of their delays
            twcc(100, &[0, 0].repeat(200)), // runs of nothing
            rtcp(1, 203, &[0; 4]).repeat(100), // more packets than worth reading
            [0x40, 200, 0, 0].to_vec(), // version 1
        ];
        for compound in &compounds {
            // What is not RTCP on the outside would never be opened.
            let mut compound = compound.clone();
            compound.resize(compound.len().max(8), 0);
            offender.send_rtcp(&compound).await;
        }
        offender.send_rtp(&offender.sound(1, b"still here")).await;
        watcher.receive_until("sound", |r| r.has(b"still here")).await?;
        Ok(())
    });
}

/// A flood of requests reaches the publisher as a trickle, and brings its sender no flood of
/// retransmissions.
#[test]
fn case_11_pli_and_nack_flood() {
    const FLOOD: usize = 2000;
    run(async |branch| {
        let (_, mut victim) = branch.third_party().await?;
        let (_, mut offender) = branch.third_party().await?;
        let key = [0x65, 0x88, 1, 2, 3];
        let mut seq = 0u16;
        while !offender.received.has(&key) {
            victim.send_rtp(&victim.picture(seq, H264, &key)).await;
            seq += 1;
            assert!(seq < 200, "the picture did not come");
            offender.drain().await;
        }
        let (_, slot, _) = *offender.received.media.iter().find(|(_, _, p)| p == &key).unwrap();
        victim.drain().await;
        let asked_before = victim.received.keyframe_requests();
        let received_before = offender.received.media.len();
        for n in 0..FLOOD {
            let mut compound = pli(1, slot).repeat(20);
            let from = u16::try_from(n)?.wrapping_mul(16);
            compound.extend(nack(1, slot, (0..100).map(|i| (from.wrapping_add(17 * i), 0xffff))));
            offender.send_rtcp(&compound).await;
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        victim.send_rtp(&victim.picture(seq, H264, &[0x65, 0x88, 9, 9])).await;
        offender.receive_until("the next picture", |r| r.has(&[0x65, 0x88, 9, 9])).await?;
        victim.drain().await;
        offender.drain().await;
        let asked = victim.received.keyframe_requests() - asked_before;
        // The bots' own pictures go on meanwhile, at some 100 packets a second each.
        let own = |(_, ssrc, _): &&(u8, u32, Vec<u8>)| *ssrc == slot;
        let again = offender.received.media[received_before..].iter().filter(own).count();
        assert!(asked < 40, "{asked} requests of {FLOOD} compounds went through");
        assert!(again < 200, "{again} packets for one");
        Ok(())
    });
}
