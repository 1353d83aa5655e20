//! One media section a client sends on: its simulcast layers, each a stream of packets with what is
//! kept of it.

use vbranch_domain::{MediaKind, Mono};

use super::incoming::Media;
use crate::{
    codec::{
        self,
        layers::{LayerOrder, MAX_LAYERS},
        meter::LayerMeters,
    },
    rtp::RtpHeader,
    sdp::{PayloadTypes, Section},
    stream::{
        history::{DEFAULT_PACKETS, HistoryPacket, PacketHistory},
        keyframe::KeyframeThrottle,
        receive::ReceiveStream,
        rewrite::SharedClock,
    },
};

/// Sound packets kept for retransmission; NACKed sound is at most 0.4 s old.
const AUDIO_HISTORY: usize = 32;

/// A media section the client sends on.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(super) mid: String,
    pub(super) kind: MediaKind,
    pub(super) payload_types: PayloadTypes,
    pub(super) rids: Vec<String>,
    pub(super) nack: bool,
    pub(super) layers: [Option<Layer>; MAX_LAYERS],
    pub(super) meters: LayerMeters,
    /// Counts the streams this section has had: each is a source of its own. A client that has used
    /// them up (only a hostile one can) is not heard any more: no number may come back.
    pub(super) generations: u16,
    pub(super) last_packet: Option<Mono>,
}

/// One simulcast layer: one stream of packets.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) ssrc: u32,
    pub(super) generation: u16,
    /// Something came.
    pub(super) begun: bool,
    pub(super) stream: ReceiveStream,
    pub(super) history: PacketHistory,
    pub(super) keyframes: KeyframeThrottle,
}

impl Publication {
    /// What a section of an offer announces.
    pub(super) fn new(section: &Section, kind: MediaKind) -> Self {
        Self {
            mid: section.mid.clone(),
            kind,
            payload_types: section.payload_types,
            rids: section.rids.clone(),
            nack: section.nack,
            layers: Default::default(),
            meters: LayerMeters::default(),
            generations: 0,
            last_packet: None,
        }
    }

    pub(crate) fn kind(&self) -> MediaKind {
        self.kind
    }

    pub(crate) fn last_packet(&self) -> Option<Mono> {
        self.last_packet
    }

    /// When a layer's last packet came.
    pub(crate) fn last_layer_packet(&self, layer: u8) -> Option<Mono> {
        self.meters.last_packet(layer)
    }

    /// Which of its layers are the smaller ones.
    pub(crate) fn order(&self) -> LayerOrder {
        self.meters.order()
    }

    /// Bits a second of a layer with its temporal layers up to `tid`.
    pub(crate) fn bitrate(&self, now: Mono, layer: u8, tid: u8) -> u64 {
        self.meters.bitrate(now, layer, tid)
    }

    /// The SSRCs of its streams.
    pub(crate) fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.layers.iter().flatten().map(|layer| layer.ssrc)
    }

    pub(crate) fn is_simulcast(&self) -> bool {
        self.rids.len() > 1
    }

    /// How a layer's timestamps relate to those of the section's other layers, once sender reports
    /// have told.
    pub(crate) fn clock(&self, peer: u64, layer: u8) -> Option<SharedClock> {
        if !self.is_simulcast() {
            return None;
        }
        let info = |l: &Option<Layer>| l.as_ref().and_then(|l| l.stream.sender_info());
        let base = self.layers.iter().find_map(info)?;
        let own = self.layers.get(usize::from(layer)).and_then(info)?;
        Some(SharedClock { id: peer, offset: own.offset_to(&base, self.kind.clock_rate()) })
    }

    /// The layer's state, made with its first packet, and made anew when its SSRC changes.
    pub(super) fn layer(&mut self, n: usize, ssrc: u32, repair: bool) -> Option<&mut Layer> {
        let (kind, nack) = (self.kind, self.nack);
        let place = self.layers.get_mut(n)?;
        if repair {
            return place.as_mut();
        }
        if place.as_ref().is_none_or(|layer| layer.ssrc != ssrc) {
            self.generations = self.generations.checked_add(1)?;
            let packets = if kind == MediaKind::Audio { AUDIO_HISTORY } else { DEFAULT_PACKETS };
            *place = Some(Layer {
                ssrc,
                generation: self.generations,
                begun: false,
                stream: ReceiveStream::new(ssrc, kind, nack),
                history: PacketHistory::new(packets),
                keyframes: KeyframeThrottle::default(),
            });
        }
        place.as_mut()
    }

    /// A layer goes on with other numbers: as a source of its own from here.
    pub(super) fn begin_anew(&mut self, n: usize) -> Option<()> {
        let place = self.layers.get_mut(n)?;
        match (self.generations.checked_add(1), place.as_mut()) {
            (Some(generation), Some(layer)) => {
                (self.generations, layer.generation) = (generation, generation);
                Some(())
            }
            _ => {
                *place = None;
                None
            }
        }
    }

    /// Looks into a picture's payload, counts and keeps the packet.
    pub(super) fn look<'a>(
        &mut self,
        now: Mono,
        header: &RtpHeader,
        mut media: Media<'a>,
    ) -> Option<Media<'a>> {
        let layer = self.layers.get_mut(usize::from(media.layer))?.as_mut()?;
        if let Some(codec) = media.codec.video().filter(|_| !media.payload.is_empty()) {
            // A payload that breaks its RFC is dropped here: no subscriber has to cope with it.
            let info = codec::inspect(codec, media.payload).ok()?;
            self.meters.on_packet(now, media.layer, header.len + media.payload.len(), &info);
            if info.keyframe {
                layer.keyframes.on_keyframe();
            }
            media.info = Some(info);
        }
        let kept = HistoryPacket {
            timestamp: media.timestamp,
            marker: media.marker,
            payload_type: header.payload_type,
            audio_level: media.audio_level,
            payload: media.payload,
        };
        layer.history.store(now, media.ext_seq, kept);
        Some(media)
    }
}
