//! RTCP to the client: how its streams arrive and where ours stand in time, what is to be sent
//! again, how much is wanted.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{Peer, incoming::Ask, receive::LOSSY};
use crate::{
    rtp::rtcp_write::{self, MAX_BLOCKS, fitting},
    sdp::CNAME,
    stream::report::ReportBlock,
};

/// Between two reports. Browsers relate sound to picture by them, and measure the round trip;
/// more often costs bandwidth on poor links (RFC 3550 section 6.2 would allow 5 % of it).
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The first ones come sooner, so that lip sync and the round trip are known early.
const FIRST_REPORTS: Duration = Duration::from_millis(250);
/// Longest compound: with SRTCP's trailer it fits every path. Each of our packets is shorter.
const MAX_COMPOUND: usize = 1240;
/// How often memory of stopped streams is looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

impl Peer {
    /// Sends a compound of reports when it is due.
    pub(super) fn report(&mut self, now: Mono, ntp: u64) {
        if now < self.next_report {
            return;
        }
        let early = self.round_trip.is_none();
        self.next_report = now + if early { FIRST_REPORTS } else { REPORT_EVERY };
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING;
            self.incoming.release_idle(now);
        }
        self.write_report(now, ntp);
        self.send_rtcp();
    }

    fn write_report(&mut self, now: Mono, ntp: u64) {
        let own = self.own_ssrc();
        let (mut blocks, mut count) = ([ReportBlock::default(); MAX_BLOCKS], 0);
        self.incoming.report(now, |block| {
            if let Some(place) = blocks.get_mut(count) {
                *place = block;
                count += 1;
            }
        });
        let mut blocks = blocks.get(..count).unwrap_or_default();
        let out = &mut self.scratch;
        out.clear();
        for slot in &mut self.slots {
            if slot.showing().is_none() {
                continue;
            }
            let ssrc = slot.ssrc;
            if let Some(info) = slot.stream().sender_info(now, ntp) {
                // The first report carries what there is to say of the client's streams.
                rtcp_write::sender_report(out, ssrc, &info, std::mem::take(&mut blocks));
            }
        }
        if out.is_empty() {
            rtcp_write::receiver_report(out, own, blocks);
        }
        rtcp_write::source_description(out, own, CNAME);
    }

    /// Asks the client for what is missing: packets again, key frames.
    pub(super) fn ask(&mut self, now: Mono) {
        let rtt = self.rtt();
        let sender = self.own_ssrc();
        let out = &mut self.scratch;
        out.clear();
        self.incoming.poll(now, rtt, |ask| match ask {
            Ask::Retransmit { ssrc, pairs } => rtcp_write::nack(out, sender, ssrc, pairs),
            Ask::Keyframe { ssrc } => rtcp_write::picture_loss(out, sender, ssrc),
        });
        // Where much is lost, so are requests, and each costs the picture a round trip. Clients
        // answer the same request once within that time.
        let mut shown = self.slots.iter().filter(|slot| slot.showing().is_some());
        let is_lossy = shown.any(|slot| slot.heard().fraction_lost >= LOSSY);
        for _ in 0..=u8::from(is_lossy) {
            self.send_rtcp();
        }
        let out = &mut self.scratch;
        out.clear();
        if let Some(arrivals) = &mut self.arrivals {
            // Feedback is about all streams, but Chromium takes only what names one of its own.
            let media = self.incoming.any_ssrc().unwrap_or_default();
            while arrivals.poll_feedback(now, sender, media, out) {}
        }
        self.send_rtcp();
    }

    /// Tells the client how much somebody can take of its streams at most, bit/s.
    pub(crate) fn limit(&mut self, bits: u64, ssrcs: &[u32]) {
        let sender = self.own_ssrc();
        self.scratch.clear();
        rtcp_write::max_bitrate(&mut self.scratch, sender, bits, ssrcs);
        self.send_rtcp();
    }

    /// Seals and queues what is in `scratch`, in as many compounds as it takes.
    fn send_rtcp(&mut self) {
        let (mut rest, Some(outbound)) = (self.scratch.as_slice(), self.outbound.as_mut()) else {
            return;
        };
        while !rest.is_empty() {
            let Some((compound, tail)) = rest.split_at_checked(fitting(rest, MAX_COMPOUND)) else {
                return;
            };
            self.egress.push(|out| {
                out.get_mut(..compound.len())?.copy_from_slice(compound);
                outbound.protect_rtcp(out, compound.len()).ok()
            });
            rest = tail;
        }
    }

    /// The SSRC we speak RTCP with.
    fn own_ssrc(&self) -> u32 {
        self.slots.first().map_or(1, |slot| slot.ssrc)
    }
}
