//! What a client receives: one unbroken stream per slot, whatever is in the slot.

use std::time::Duration;

use vbranch_domain::{Mono, TrackId};

use super::incoming::Media;
use crate::{
    call::slots::SlotKind,
    codec::{
        layers::{Decision, LayerSelector, MAX_TID, Target},
        vp8::{Vp8Rewrite, Vp8Rewriter},
    },
    rtp::{Fields, HeaderExtensions, Template},
    sdp::{Codec, PayloadTypes, Section},
    srtp::MAX_RTP_OVERHEAD,
    stream::{
        history::HistoryPacket,
        keyframe::RequestBudget,
        nack::nacked,
        red,
        rewrite::{Rewriter, Rewritten, SharedClock, SourceId},
        send::{Counter, Resend, SendStream, Sent},
    },
};

/// The numbers an outgoing section starts with; all random, so that nothing can be told from them
/// and nobody can guess them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    pub(crate) ssrc: u32,
    pub(crate) repair_ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) repair_sequence: u16,
    pub(crate) timestamp: u32,
}

/// A media section the client receives on.
#[derive(Debug)]
pub(crate) struct Slot {
    kind: SlotKind,
    payload_types: PayloadTypes,
    pub(crate) ssrc: u32,
    pub(crate) repair_ssrc: u32,
    template: Template,
    repair_template: Template,
    rewriter: Rewriter,
    stream: SendStream,
    repair_count: Counter,
    selector: LayerSelector,
    vp8: Vp8Rewriter,
    requests: RequestBudget,
    showing: Option<TrackId>,
    last_codec: Option<Codec>,
}

/// A packet that is to be sent to the client: everything but its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) slot: usize,
    pub(crate) out: Rewritten,
    pub(crate) marker: bool,
    pub(crate) codec: Codec,
    pub(crate) audio_level: Option<u8>,
    /// The payload is redundant sound, and the client knows only plain Opus.
    pub(crate) unwrap_red: bool,
    /// What reproduces the codec's own renumbering.
    pub(crate) extra: u64,
    /// Sent again, on the repair stream.
    pub(crate) repair: bool,
}

/// Where a packet that waits or is sent again is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) source: SourceId,
    pub(crate) ext_seq: u64,
}

impl Slot {
    pub(crate) fn new(section: &Section, extensions: &HeaderExtensions, seeds: &Seeds) -> Self {
        let kind = if section.audio { SlotKind::Audio } else { SlotKind::Picture };
        let clock_rate = if section.audio { 48_000 } else { 90_000 };
        // Lost sound is sent again as the same packet (there is no RTX for it), so nothing in its
        // header may differ the second time, as a transport-wide number would: the SRTP nonce is
        // the same, too. Sound is not adapted to the network, so its feedback is not missed.
        let ids = if section.audio {
            HeaderExtensions { transport_sequence: None, ..*extensions }
        } else {
            *extensions
        };
        Self {
            kind,
            payload_types: section.payload_types,
            ssrc: seeds.ssrc,
            repair_ssrc: seeds.repair_ssrc,
            template: Template::new(seeds.ssrc, &section.mid, &ids, section.audio),
            repair_template: Template::new(seeds.repair_ssrc, &section.mid, &ids, section.audio),
            rewriter: Rewriter::new(clock_rate, seeds.sequence, seeds.timestamp),
            stream: SendStream::new(clock_rate),
            repair_count: Counter::new(seeds.repair_sequence),
            selector: LayerSelector::default(),
            vp8: Vp8Rewriter::default(),
            requests: RequestBudget::default(),
            showing: None,
            last_codec: None,
        }
    }

    pub(crate) fn kind(&self) -> SlotKind {
        self.kind
    }

    pub(crate) fn showing(&self) -> Option<TrackId> {
        self.showing
    }

    /// Something else is in the slot from now on.
    pub(crate) fn show(&mut self, track: Option<TrackId>) {
        self.showing = track;
        self.selector.reset();
        // Until the bitrate is shared out anew: the best there is, so that a picture shows at once.
        self.selector.set_target(track.map(|_| Target { layer: 0, tid: MAX_TID }));
        if track.is_none() {
            self.stream.release();
        }
    }

    /// How long the client is to hold pictures back, so that what is lost can be sent again.
    pub(crate) fn hold_back(&mut self, wait: Duration) {
        self.template.set_playout_delay(wait);
        self.repair_template.set_playout_delay(wait);
    }

    /// Which layer to forward; `None` pauses the picture.
    pub(crate) fn set_target(&mut self, target: Option<Target>) {
        self.selector.set_target(target);
    }

    /// The layer whose key frame this slot waits for.
    pub(crate) fn wants_keyframe(&self, now: Mono) -> Option<u8> {
        self.selector.wants_keyframe(now)
    }

    /// The layer that the client's own key frame requests are about, if this one counts.
    pub(crate) fn keyframe_requested(&mut self, now: Mono) -> Option<u8> {
        self.requests.take(now).then(|| self.layer())
    }

    /// The layer it shows.
    pub(crate) fn layer(&self) -> u8 {
        self.selector.current().unwrap_or(0)
    }

    /// Whether the client can take a codec. Redundancy is taken off where it cannot.
    pub(super) fn takes(&self, codec: Codec) -> Option<Codec> {
        let codec = match codec {
            Codec::Red if self.payload_types.red.is_none() => Codec::Opus,
            other => other,
        };
        self.payload_types.media(codec).map(|_| codec)
    }

    /// Places a publisher's packet in the client's stream. `None` where it is not for the client:
    /// of another layer, of a codec it lacks, or padding.
    pub(crate) fn place(
        &mut self,
        now: Mono,
        slot: usize,
        media: &Media<'_>,
        clock: Option<SharedClock>,
    ) -> Option<Ready> {
        let codec = self.takes(media.codec)?;
        let mut extra = 0;
        if let Some(info) = &media.info {
            self.selector.set_order(media.order);
            match self.selector.on_packet(now, media.layer, info) {
                Decision::Drop => return None,
                Decision::Skip => {
                    if let Some(descriptor) = &info.vp8 {
                        self.vp8.skip(media.source, descriptor);
                    }
                    self.rewriter.leave_out(media.source, media.ext_seq);
                    return None;
                }
                Decision::Forward => {}
            }
            if let Some(descriptor) = &info.vp8 {
                let rewrite = self.vp8.forward(media.source, descriptor, info.keyframe)?;
                extra = rewrite.to_bits();
            }
        }
        if media.payload.is_empty() {
            self.rewriter.leave_out(media.source, media.ext_seq);
            return None;
        }
        if self.rewriter.source() != Some(media.source) {
            self.rewriter.switch(media.source, clock);
        } else if let Some(clock) = clock {
            self.rewriter.set_clock(clock);
        }
        let out = self.rewriter.forward(now, media.source, media.ext_seq, media.timestamp)?;
        let (source, source_ext_seq) = (media.source, media.ext_seq);
        let payload_len = media.payload.len();
        self.stream.sent(now, Sent { out, source, source_ext_seq, extra, payload_len });
        self.last_codec = Some(codec);
        let (marker, audio_level) = (media.marker, media.audio_level);
        let unwrap_red = media.codec == Codec::Red && codec == Codec::Opus;
        Some(Ready { slot, out, marker, codec, audio_level, unwrap_red, extra, repair: false })
    }

    /// The packets of one NACK that are to be sent again.
    pub(crate) fn resolve(
        &mut self,
        now: Mono,
        slot: usize,
        (pid, mask): (u16, u16),
        rtt: Duration,
        copies: u32,
        mut each: impl FnMut(Ready, Kept),
    ) {
        let repair = self.kind == SlotKind::Picture;
        let codec = self.last_codec.unwrap_or(Codec::Opus);
        if repair && self.payload_types.repair(codec).is_none() {
            // Sent again as it was it would need the same header, for the cipher's sake; without a
            // repair stream the client has to ask for a key frame.
            return;
        }
        for seq in nacked(pid, mask) {
            let Some(resend) = self.stream.resolve(now, seq, rtt, copies) else { continue };
            let Resend { out, source, source_ext_seq: ext_seq, extra } = resend;
            let (marker, audio_level) = (false, None);
            let unwrap_red = false;
            let ready = Ready { slot, out, marker, codec, audio_level, unwrap_red, extra, repair };
            each(ready, Kept { source, ext_seq });
        }
    }

    /// Completes a packet that was kept with what its keeper knows.
    pub(crate) fn complete(
        &self,
        mut ready: Ready,
        codec: Codec,
        kept: &HistoryPacket<'_>,
    ) -> Option<Ready> {
        ready.codec = self.takes(codec)?;
        ready.unwrap_red = codec == Codec::Red && ready.codec == Codec::Opus;
        ready.marker = kept.marker;
        ready.audio_level = kept.audio_level;
        Some(ready)
    }

    /// How long a packet becomes, sealed.
    pub(crate) fn wire_len(&self, ready: &Ready, payload: &[u8]) -> usize {
        let original = if ready.repair { 2 } else { 0 };
        self.template.len() + original + payload.len() + MAX_RTP_OVERHEAD
    }

    /// How long a packet of so much padding becomes, sealed.
    pub(crate) fn padding_len(&self, bytes: u8) -> usize {
        self.repair_template.len() + usize::from(bytes) + MAX_RTP_OVERHEAD
    }

    /// Lays a packet out in `out`: header, payload as this client takes it. Gives the lengths of
    /// header and packet, and the extended sequence number for SRTP.
    pub(crate) fn write(
        &mut self,
        ready: &Ready,
        payload: &[u8],
        transport_sequence: u16,
        out: &mut [u8],
    ) -> Option<(usize, usize, u64)> {
        let (template, payload_type, ext_seq) = if ready.repair {
            let payload_type = self.payload_types.repair(ready.codec)?;
            (&self.repair_template, payload_type, self.repair_count.take())
        } else {
            (&self.template, self.payload_types.media(ready.codec)?, ready.out.ext_seq)
        };
        let fields = Fields {
            marker: ready.marker,
            payload_type,
            sequence: ext_seq as u16, // the wire carries the lower half
            timestamp: ready.out.timestamp,
            transport_sequence,
            audio_level: ready.audio_level,
        };
        template.write(&fields, out);
        let header = template.len();
        let mut at = header;
        if ready.repair {
            // RFC 4588 section 4: the original sequence number stands before the payload.
            out.get_mut(at..at + 2)?.copy_from_slice(&(ready.out.ext_seq as u16).to_be_bytes());
            at += 2;
        }
        let payload = if ready.unwrap_red { primary(payload)? } else { payload };
        let end = at + payload.len();
        let place = out.get_mut(at..end)?;
        place.copy_from_slice(payload);
        if ready.codec == Codec::Vp8 {
            Vp8Rewrite::from_bits(ready.extra).apply(place);
        }
        Some((header, end, ext_seq))
    }

    /// Lays out a packet of nothing but padding on the repair stream (RFC 3550 section 5.1).
    pub(crate) fn write_padding(
        &mut self,
        bytes: u8,
        transport_sequence: u16,
        out: &mut [u8],
    ) -> Option<(usize, usize, u64)> {
        let payload_type = self.payload_types.repair(self.last_codec?)?;
        let ext_seq = self.repair_count.take();
        let fields = Fields {
            marker: false,
            payload_type,
            sequence: ext_seq as u16,
            timestamp: 0,
            transport_sequence,
            audio_level: None,
        };
        self.repair_template.write(&fields, out);
        if let Some(first) = out.first_mut() {
            *first |= 0x20;
        }
        let header = self.repair_template.len();
        let end = header + usize::from(bytes.max(1));
        out.get_mut(header..end)?.fill(0);
        *out.get_mut(end - 1)? = bytes.max(1);
        Some((header, end, ext_seq))
    }

    /// Whether probing can use this slot.
    pub(crate) fn can_pad(&self) -> bool {
        self.last_codec.is_some_and(|c| self.payload_types.repair(c).is_some())
            && self.repair_template.has_transport_sequence()
    }

    pub(crate) fn has_transport_sequence(&self) -> bool {
        self.template.has_transport_sequence()
    }

    pub(crate) fn stream(&mut self) -> &mut SendStream {
        &mut self.stream
    }

    pub(crate) fn heard(&self) -> crate::stream::send::Heard {
        self.stream.heard()
    }
}

/// The part of a redundant payload that a client without redundancy gets.
pub(crate) fn primary(payload: &[u8]) -> Option<&[u8]> {
    payload.get(red::primary(payload)?)
}
