//! What goes to the client: media, padding that looks for bandwidth, RTCP. All of it is sealed into
//! the peer's [`crate::io::Egress`].

use vbranch_domain::Mono;

use super::{Kept, Media, Peer, Ready, State};
use crate::{
    call::slots::SlotKind,
    sdp::Codec,
    srtp::RtpIndex,
    stream::{history::HistoryPacket, rewrite::SharedClock},
};

impl Peer {
    /// Sends a publisher's packet into a slot, now or when the network has room for it. Gives the
    /// layer whose key frame the slot waits for.
    pub(crate) fn send(
        &mut self,
        now: Mono,
        slot: usize,
        media: &Media<'_>,
        clock: Option<SharedClock>,
    ) -> Option<u8> {
        if self.state != State::Connected {
            return None;
        }
        let place = self.slots.get_mut(slot).filter(|slot| slot.takes(media.codec).is_some())?;
        let ready = place.place(now, slot, media, clock);
        let wanted =
            if place.kind() == SlotKind::Picture { place.wants_keyframe(now) } else { None };
        if let Some(ready) = ready {
            let paced = place.kind() == SlotKind::Picture && !self.congestion.may_send(now);
            if paced {
                let kept = Kept { source: media.source, ext_seq: media.ext_seq };
                self.congestion.queue(now, ready, kept);
            } else {
                self.seal(now, &ready, media.payload);
            }
        }
        wanted
    }

    /// Sends a packet out of a publisher's history: paced before, or asked for again.
    pub(crate) fn send_kept(
        &mut self,
        now: Mono,
        ready: Ready,
        codec: Codec,
        kept: &HistoryPacket<'_>,
    ) {
        if let Some(slot) = self.slots.get(ready.slot)
            && let Some(ready) = slot.complete(ready, codec, kept)
        {
            self.seal(now, &ready, kept.payload);
        }
    }

    fn seal(&mut self, now: Mono, ready: &Ready, payload: &[u8]) {
        let (Some(slot), Some(outbound)) = (self.slots.get_mut(ready.slot), self.outbound.as_ref())
        else {
            return;
        };
        let size = slot.wire_len(ready, payload);
        let number = if slot.has_transport_sequence() {
            self.congestion.on_sent(now, size, false)
        } else {
            self.congestion.on_unnumbered(now, size);
            0
        };
        self.egress.push(|out| {
            let (header, len, ext_seq) = slot.write(ready, payload, number, out)?;
            outbound.protect_rtp(out, header, len, RtpIndex::new(ext_seq)?).ok()
        });
    }

    /// Sends padding, so that the bandwidth estimate can grow where there is not enough media.
    pub(crate) fn probe(&mut self, now: Mono) {
        while let Some(padding) = self.congestion.poll_probe(now) {
            let Some(slot) = self.slots.iter_mut().find(|slot| slot.can_pad()) else { return };
            let Some(outbound) = self.outbound.as_ref() else { return };
            // As much as one byte can say; several packets make up a burst.
            let bytes = padding.bytes.clamp(1, 255) as u8;
            let number = self.congestion.on_sent(now, slot.padding_len(bytes), true);
            let sent = self.egress.push(|out| {
                let (header, len, ext_seq) = slot.write_padding(bytes, number, out)?;
                outbound.protect_rtp(out, header, len, RtpIndex::new(ext_seq)?).ok()
            });
            if sent.is_none() {
                return;
            }
        }
    }
}
