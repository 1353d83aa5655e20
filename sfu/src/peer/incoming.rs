//! What a client sends: its streams told apart, put in order, repaired, kept for retransmission.

use std::time::Duration;

use vbranch_domain::{MediaKind, Mono};

use super::publication::{Layer, Publication};
use crate::{
    codec::{
        PayloadInfo,
        layers::{LayerOrder, MAX_LAYERS},
    },
    rtp::{Extensions, HeaderExtensions, RtpHeader, strip_padding},
    sdp::{Codec, Meaning, Section},
    stream::{
        history::HistoryPacket,
        receive::{Interval, Received},
        report::{ReportBlock, SenderInfo},
        rewrite::SourceId,
        rtx::{self, OSN_LEN, Rtx},
    },
};

/// Streams of one client told apart: three layers of two pictures, their repair streams, sound,
/// and as many again for clients that renumber their streams. A client that sends more gets no
/// state for the rest.
const MAX_BINDINGS: usize = 32;
/// A picture stream without a packet for this long has stopped. Shorter gives up asking a sender
/// of one picture a second; longer asks a camera that is off.
const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// A packet of a client on its way to subscribers and taps, still where it was received.
#[derive(Debug)]
pub(crate) struct Media<'a> {
    pub(crate) kind: MediaKind,
    pub(crate) codec: Codec,
    /// Simulcast layer by its place in the offer, 0 where there is one.
    pub(crate) layer: u8,
    /// Which layers of the source are the smaller ones.
    pub(crate) order: LayerOrder,
    pub(crate) source: SourceId,
    /// What a picture payload is; `None` for sound.
    pub(crate) info: Option<PayloadInfo>,
    pub(crate) ext_seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<u8>,
    /// Without padding. Empty in packets that only probe the network.
    pub(crate) payload: &'a [u8],
    pub(crate) ssrc: u32,
    /// The first packet of its source.
    pub(crate) first: bool,
    /// When something before this packet is to be asked for again.
    pub(crate) ask_at: Option<Mono>,
}

/// Everything a client sends.
#[derive(Debug)]
pub(crate) struct Incoming {
    extensions: HeaderExtensions,
    publications: Vec<Publication>,
    bindings: Vec<(u32, Binding)>,
}

/// What an SSRC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Binding {
    publication: usize,
    layer: usize,
    repair: bool,
}

/// What the client is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    Retransmit { ssrc: u32, pairs: &'a [(u16, u16)] },
    Keyframe { ssrc: u32 },
}

impl Incoming {
    /// What an offer's sections announce. The first picture is the camera, the second the screen.
    pub(crate) fn new(sections: &[Section], extensions: HeaderExtensions) -> Self {
        let mut incoming = Self { extensions, publications: vec![], bindings: vec![] };
        let mut pictures = 0;
        for section in sections.iter().filter(|s| s.usable() && s.direction.send) {
            let kind = match (section.audio, pictures) {
                (true, _) => MediaKind::Audio,
                (false, 0) => MediaKind::Video,
                (false, _) => MediaKind::Screen,
            };
            pictures += usize::from(!section.audio);
            if incoming.publications.iter().any(|p| p.kind == kind) {
                continue;
            }
            incoming.announce(section, kind);
        }
        incoming
    }

    fn announce(&mut self, section: &Section, kind: MediaKind) {
        let publication = self.publications.len();
        self.publications.push(Publication::new(section, kind));
        for (layer, stream) in section.ssrcs.iter().enumerate().take(MAX_LAYERS) {
            self.bind(stream.media, Binding { publication, layer, repair: false });
            if let Some(repair) = stream.repair {
                self.bind(repair, Binding { publication, layer, repair: true });
            }
        }
    }

    /// What the client announced to send.
    pub(crate) fn publications(&self) -> impl Iterator<Item = &Publication> {
        self.publications.iter()
    }

    pub(crate) fn publication(&self, kind: MediaKind) -> Option<&Publication> {
        self.publications.iter().find(|p| p.kind == kind)
    }

    /// The header extensions of a packet.
    pub(crate) fn extensions<'a>(&self, header: &RtpHeader, packet: &'a [u8]) -> Extensions<'a> {
        header.extensions(packet, &self.extensions)
    }

    /// Takes an authenticated packet. `body` is what lies behind the header, decrypted.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Mono,
        peer: u64,
        header: &RtpHeader,
        extensions: &Extensions<'_>,
        body: &'a [u8],
    ) -> Option<Media<'a>> {
        let binding = self.binding(header, extensions)?;
        let publication = self.publications.get_mut(binding.publication)?;
        let payload = strip_padding(body, header.padding)?;
        let meaning = publication.payload_types.meaning(header.payload_type)?;
        publication.last_packet = Some(now);
        let layer = publication.layer(binding.layer, header.ssrc, binding.repair)?;
        let (codec, received, payload) = match meaning {
            Meaning::Media(codec) if !binding.repair => {
                (codec, layer.stream.receive(now, header.sequence, header.timestamp), payload)
            }
            Meaning::Repair(codec) => match rtx::unwrap(payload) {
                Rtx::Packet { original_seq } => {
                    (codec, layer.stream.recover(now, original_seq), payload.get(OSN_LEN..)?)
                }
                Rtx::Padding => return None,
            },
            Meaning::Media(_) => return None,
        };
        let Received::Packet { ext_seq, restarted } = received else { return None };
        if restarted {
            publication.begin_anew(binding.layer)?;
        }
        let layer = publication.layers.get_mut(binding.layer)?.as_mut()?;
        let first = restarted || !std::mem::replace(&mut layer.begun, true);
        let (generation, ssrc) = (layer.generation, layer.ssrc);
        let ask_at = layer.stream.poll_timeout();
        let media = Media {
            kind: publication.kind,
            codec,
            layer: binding.layer as u8, // below MAX_LAYERS
            order: publication.meters.order(),
            source: source_id(peer, binding.publication, binding.layer, generation),
            info: None,
            ext_seq,
            timestamp: header.timestamp,
            marker: header.marker,
            audio_level: extensions.audio_level,
            payload,
            ssrc,
            first,
            ask_at,
        };
        publication.look(now, header, media)
    }

    fn binding(&mut self, header: &RtpHeader, extensions: &Extensions<'_>) -> Option<Binding> {
        let known = self.bindings.iter().find(|(ssrc, _)| *ssrc == header.ssrc);
        match known {
            Some((_, binding)) => Some(*binding),
            None => {
                let binding = self.identify(header, extensions)?;
                self.bind(header.ssrc, binding).then_some(binding)
            }
        }
    }

    /// Whose a stream is that was not announced: by its MID and RID, or where the client sends
    /// none by its payload type, if only one section has it.
    fn identify(&self, header: &RtpHeader, extensions: &Extensions<'_>) -> Option<Binding> {
        let meaning = |p: &Publication| p.payload_types.meaning(header.payload_type);
        let publication = match extensions.mid {
            Some(mid) => self.publications.iter().position(|p| p.mid.as_bytes() == mid)?,
            None => {
                let mut fitting = self.publications.iter().enumerate();
                let (at, _) = fitting.find(|(_, p)| meaning(p).is_some())?;
                fitting.all(|(_, p)| meaning(p).is_none()).then_some(at)?
            }
        };
        let p = self.publications.get(publication)?;
        let repair = matches!(meaning(p)?, Meaning::Repair(_));
        let rid = if repair { extensions.repaired_rid } else { extensions.rid };
        let layer = match rid {
            Some(rid) => p.rids.iter().position(|r| r.as_bytes() == rid)?,
            // Simulcast without a name cannot be told apart.
            None if p.rids.is_empty() => 0,
            None => return None,
        };
        Some(Binding { publication, layer, repair })
    }

    fn bind(&mut self, ssrc: u32, binding: Binding) -> bool {
        if self.bindings.len() >= MAX_BINDINGS || binding.layer >= MAX_LAYERS {
            return false;
        }
        self.bindings.push((ssrc, binding));
        true
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.publications.iter().flat_map(|p| p.layers.iter().flatten())
    }

    /// A sender report; gives the kind and source it speaks of.
    pub(crate) fn sender_report(
        &mut self,
        now: Mono,
        peer: u64,
        ssrc: u32,
        info: SenderInfo,
    ) -> Option<(MediaKind, SourceId)> {
        let mut publications = self.publications.iter_mut().enumerate();
        publications.find_map(|(p, publication)| {
            let kind = publication.kind;
            let mut layers = publication.layers.iter_mut().enumerate();
            layers.find_map(|(n, layer)| {
                let layer = layer.as_mut().filter(|layer| layer.ssrc == ssrc)?;
                layer.stream.on_sender_report(now, info);
                Some((kind, source_id(peer, p, n, layer.generation)))
            })
        })
    }

    /// Blocks for our next report; calls `each` for every stream.
    pub(crate) fn report(&mut self, now: Mono, mut each: impl FnMut(ReportBlock)) {
        let layers = self.publications.iter_mut().flat_map(|p| p.layers.iter_mut().flatten());
        for block in layers.filter_map(|layer| layer.stream.report(now)) {
            each(block);
        }
    }

    /// Somebody needs a key frame of a layer. Sent by [`Self::poll`], as seldom as it may be.
    pub(crate) fn want_keyframe(&mut self, kind: MediaKind, layer: u8) {
        let publication = self.publications.iter_mut().find(|p| p.kind == kind);
        if let Some(Some(layer)) = publication.and_then(|p| p.layers.get_mut(usize::from(layer))) {
            layer.keyframes.request();
        }
    }

    /// Of these layers (one bit each) somebody waits for a key frame. Says so with every packet.
    pub(crate) fn need_keyframes(&mut self, kind: MediaKind, layers: u8) {
        let publication = self.publications.iter_mut().find(|p| p.kind == kind);
        for (n, layer) in publication.into_iter().flat_map(|p| p.layers.iter_mut().enumerate()) {
            if let Some(layer) = layer.as_mut().filter(|_| layers >> n & 1 == 1) {
                layer.keyframes.need();
            }
        }
    }

    /// What to ask of the client now.
    pub(crate) fn poll(&mut self, now: Mono, rtt: Duration, mut ask: impl FnMut(Ask<'_>)) {
        for publication in &mut self.publications {
            let layers = publication.layers.iter_mut().enumerate();
            for (n, layer) in layers.filter_map(|(n, layer)| Some((n, layer.as_mut()?))) {
                let ssrc = layer.ssrc;
                loop {
                    let nack = layer.stream.poll_nack(now, rtt);
                    if nack.keyframe_needed && publication.kind != MediaKind::Audio {
                        layer.keyframes.request();
                    }
                    if nack.pairs().is_empty() {
                        break;
                    }
                    ask(Ask::Retransmit { ssrc, pairs: nack.pairs() });
                }
                // A camera that is off sends none, and would be asked for one for ever. Whoever
                // waits for it asks again with its next packet.
                let last = publication.meters.last_packet(n as u8);
                if last.is_none_or(|at| now.since(at) >= STOPPED_AFTER) {
                    layer.keyframes.cancel();
                } else if layer.keyframes.poll(now) {
                    ask(Ask::Keyframe { ssrc });
                }
            }
        }
    }

    /// When [`Self::poll`] has something to ask.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let of = |l: &Layer| [l.stream.poll_timeout(), l.keyframes.poll_timeout()];
        self.layers().flat_map(of).flatten().min()
    }

    /// A packet of a source of this client, for sending it again.
    pub(crate) fn stored(
        &self,
        now: Mono,
        source: SourceId,
        ext_seq: u64,
    ) -> Option<(Codec, HistoryPacket<'_>)> {
        let (publication, layer, generation) = parts_of(source);
        let publication = self.publications.get(publication)?;
        let layer = publication.layers.get(layer)?.as_ref()?;
        if layer.generation != generation {
            return None;
        }
        let packet = layer.history.get(now, ext_seq)?;
        match publication.payload_types.meaning(packet.payload_type)? {
            Meaning::Media(codec) | Meaning::Repair(codec) => Some((codec, packet)),
        }
    }

    /// Loss since the last call over all streams: (expected, lost, lost after repair), and the
    /// greatest jitter.
    pub(crate) fn take_interval(&mut self) -> (Interval, Duration) {
        let (mut sum, mut jitter) = (Interval::default(), Duration::ZERO);
        for layer in self.publications.iter_mut().flat_map(|p| p.layers.iter_mut().flatten()) {
            let interval = layer.stream.take_interval();
            sum.expected += interval.expected;
            sum.lost += interval.lost;
            sum.lost_after_repair += interval.lost_after_repair;
            jitter = jitter.max(layer.stream.jitter());
        }
        (sum, jitter)
    }

    /// Some stream of the client's.
    pub(crate) fn any_ssrc(&self) -> Option<u32> {
        self.layers().map(|layer| layer.ssrc).next()
    }

    /// Gives memory of streams back that have stopped.
    pub(crate) fn release_idle(&mut self, now: Mono) {
        for layer in self.publications.iter_mut().flat_map(|p| p.layers.iter_mut().flatten()) {
            layer.history.release_idle(now);
        }
    }
}

/// A number for one stream of one connection, never used for another one: sequence numbers and
/// timestamps mean something only within it.
fn source_id(peer: u64, publication: usize, layer: usize, generation: u16) -> SourceId {
    peer << 24 | u64::from(generation) << 8 | ((publication & 0x0f) << 4 | layer & 0x0f) as u64
}

fn parts_of(source: SourceId) -> (usize, usize, u16) {
    let low = (source & 0xff) as usize;
    (low >> 4, low & 0x0f, (source >> 8) as u16)
}

/// Which connection a source belongs to.
pub(crate) fn peer_of(source: SourceId) -> u64 {
    source >> 24
}

/// A source as the taps number it, who know its participant already: the lower bits tell its
/// streams apart, of this connection and the ones around it.
pub(crate) fn tap_source(source: SourceId) -> u32 {
    source as u32
}
