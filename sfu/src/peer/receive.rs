//! What comes from the client: media on its way to subscribers, and RTCP.

use std::time::Duration;

use vbranch_domain::Mono;

use super::{Media, Peer, PeerEvent, State, tap_source};
use crate::{
    call::slots::SlotKind,
    rtp::{
        RtpHeader,
        rtcp::{self, Rtcp},
    },
    transport::Path,
};

/// A path that has been silent for this long, while media comes from another one, is not where the
/// client is any more. Shorter lets one stray packet move it; longer delays media after a change
/// of address.
const PATH_SILENT: Duration = Duration::from_millis(300);

/// From this loss on (in 1/256: 5 %) retransmissions are sent twice. A retransmission that is lost
/// again costs the client another round trip of waiting, in which its picture stands still; the
/// copy costs as much bandwidth as the loss itself.
pub(super) const LOSSY: u8 = 13;

impl Peer {
    /// An SRTP packet, opened where it lies.
    pub(crate) fn handle_rtp<'a>(
        &mut self,
        now: Mono,
        path: Path,
        packet: &'a mut [u8],
    ) -> Option<Media<'a>> {
        let Ok(header) = RtpHeader::parse(packet) else {
            self.rejected += 1;
            return None;
        };
        let inbound = self.inbound.as_mut().filter(|_| self.state == State::Connected)?;
        let Ok(opened) = inbound.unprotect_rtp(packet, header.len) else {
            self.rejected += 1;
            return None;
        };
        self.hear(now, path);
        let packet: &'a [u8] = packet;
        let extensions = self.incoming.extensions(&header, packet);
        if let (Some(arrivals), Some(number)) = (&mut self.arrivals, extensions.transport_sequence)
        {
            arrivals.record(now, number);
        }
        let body = packet.get(header.len..header.len + opened.payload_len)?;
        self.incoming.receive(now, self.key, &header, &extensions, body)
    }

    /// An SRTCP packet.
    pub(crate) fn handle_rtcp(&mut self, now: Mono, path: Path, packet: &mut [u8]) {
        let Some(inbound) = self.inbound.as_mut().filter(|_| self.state == State::Connected) else {
            return;
        };
        let Ok(len) = inbound.unprotect_rtcp(packet) else {
            self.rejected += 1;
            return;
        };
        self.hear(now, path);
        let compound: &[u8] = packet.get(..len).unwrap_or_default();
        for packet in rtcp::packets(compound) {
            self.handle_report(now, packet);
        }
    }

    fn handle_report(&mut self, now: Mono, packet: Rtcp<'_>) {
        match packet {
            Rtcp::SenderReport { ssrc, info, blocks } => {
                let of = self.incoming.sender_report(now, self.key, ssrc, info);
                if let Some((kind, source)) = of {
                    let source = tap_source(source);
                    self.events.push_back(PeerEvent::SenderReport { kind, source, info });
                }
                self.handle_blocks(now, blocks);
            }
            Rtcp::ReceiverReport { blocks } => self.handle_blocks(now, blocks),
            Rtcp::Nack { media_ssrc, lost } => {
                let rtt = self.rtt();
                let found = self.slots.iter_mut().enumerate().find(|(_, s)| s.ssrc == media_ssrc);
                let Some((n, slot)) = found else { return };
                let resends = &mut self.resends;
                let copies =
                    if slot.heard().fraction_lost >= LOSSY && slot.kind() == SlotKind::Picture {
                        2
                    } else {
                        1
                    };
                for pair in lost.pairs() {
                    slot.resolve(now, n, pair, rtt, copies, |ready, kept| {
                        resends.extend(std::iter::repeat_n((ready, kept), copies as usize));
                    });
                }
            }
            Rtcp::TransportFeedback(packet) => self.congestion.on_feedback(now, packet),
            Rtcp::KeyframeWanted { media_ssrc } => {
                let slot = self.slots.iter_mut().find(|s| s.ssrc == media_ssrc);
                if let Some(slot) = slot
                    && let Some(track) = slot.showing()
                    && let Some(layer) = slot.keyframe_requested(now)
                {
                    self.events.push_back(PeerEvent::KeyframeWanted { track, layer });
                }
            }
        }
    }

    fn handle_blocks(&mut self, now: Mono, blocks: rtcp::Blocks<'_>) {
        for block in blocks.iter() {
            let slot = self.slots.iter_mut().find(|s| s.ssrc == block.ssrc);
            if let Some(rtt) = slot.and_then(|slot| slot.stream().on_report(now, &block)) {
                // One of the path, not of each stream: sound is reported on every five seconds only.
                // Reports are seldom, so a path that has become longer counts soon.
                let old = self.round_trip.unwrap_or(rtt);
                let smoothed = if rtt > old { (old + rtt) / 2 } else { (old * 3 + rtt) / 4 };
                self.round_trip = Some(smoothed);
                self.congestion.set_rtt(now, smoothed);
            }
        }
    }

    /// Notes a sign of life, and follows a client that has moved without a check of its own yet.
    fn hear(&mut self, now: Mono, path: Path) {
        self.opened += 1;
        if self.ice.selected() == Some(path) {
            self.heard = now;
        } else if now.since(self.heard) >= PATH_SILENT {
            self.ice.follow(path);
            self.heard = now;
            self.congestion.on_path_changed(now);
        }
    }
}
