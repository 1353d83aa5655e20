//! RTCP reports: how the client's streams arrive, and where ours stand in time.

use std::time::Duration;

use vbranch_domain::Mono;

use super::Peer;
use crate::{
    rtp::rtcp_write::{self, MAX_BLOCKS},
    sdp::CNAME,
    stream::report::ReportBlock,
};

/// Between two reports. Browsers relate sound to picture by them, and measure the round trip;
/// more often costs bandwidth on poor links (RFC 3550 section 6.2 would allow 5 % of it).
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The first ones come sooner, so that lip sync and the round trip are known early.
const FIRST_REPORTS: Duration = Duration::from_millis(250);
/// How often memory of stopped streams is looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

impl Peer {
    /// Sends a compound of reports when it is due.
    pub(super) fn report(&mut self, now: Mono, ntp: u64) {
        if now < self.next_report {
            return;
        }
        let early = self.slots.iter().all(|slot| slot.heard().rtt.is_none());
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
}
