//! What recorder and KYC are given: of each track one stream, the best its sender sends.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use vbranch_domain::{CallId, MediaKind, Mono, TrackId};

use super::{Now, Shard};
use crate::{
    call::PeerKey,
    codec::layers::{Decision, LayerSelector, MAX_TID, Target},
    peer::{Media, Publication, primary, tap_source},
    sdp::Codec,
    stream::red::Recovery,
    tap::{RtpPacket, feed::Input},
};

/// Payloads for the taps are cut from blocks of this size: one allocation for some fifty packets.
/// Larger keeps more memory alive for one late packet.
const BLOCK: usize = 64 << 10;
/// A layer counts as sent when a packet came within this time.
const LIVE: Duration = Duration::from_secs(1);

/// Memory for payloads on their way to another thread.
#[derive(Debug, Default)]
pub(super) struct Arena {
    block: BytesMut,
}

impl Arena {
    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if self.block.capacity() < payload.len() {
            self.block = BytesMut::with_capacity(BLOCK.max(payload.len()));
        }
        self.block.extend_from_slice(payload);
        self.block.split().freeze()
    }
}

/// What the taps get of a participant: which layer of its pictures, and its sound without holes.
#[derive(Debug, Default)]
pub(super) struct TapState {
    camera: LayerSelector,
    screen: LayerSelector,
    sound: Recovery,
}

impl TapState {
    fn selector(&mut self, kind: MediaKind) -> &mut LayerSelector {
        if kind == MediaKind::Screen { &mut self.screen } else { &mut self.camera }
    }
}

impl Shard {
    /// Hands a packet to the reassembly thread.
    pub(super) fn tap(&mut self, now: Now, key: PeerKey, media: &Media<'_>) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        let mut wanted = None;
        if let Some(info) = &media.info {
            let publication = member.peer.incoming().publication(media.kind);
            let best = publication.map_or(0, |publication| best_layer(now.mono, publication));
            let selector = member.taps.selector(media.kind);
            selector.set_order(media.order);
            selector.set_target(Some(Target { layer: best, tid: MAX_TID }));
            let decision = selector.on_packet(now.mono, media.layer, info);
            wanted = selector.wants_keyframe(now.mono);
            if decision != Decision::Forward {
                if let Some(layer) = wanted {
                    self.want_keyframe(key, media.kind, layer, now);
                }
                return;
            }
        }
        let (call, leg) = (member.call, member.leg);
        let track = TrackId { participant: member.participant, kind: media.kind };
        let red = (media.codec == Codec::Red).then_some(media.payload);
        let (feed, arena) = (&mut self.feed, &mut self.arena);
        let mut give = |ext_seq: u64, timestamp, marker, payload: &[u8]| {
            let packet = RtpPacket {
                source: tap_source(media.source),
                codec: media.codec.video(),
                seq: ext_seq as u16, // the lower half is what was sent
                timestamp,
                marker,
                payload: arena.copy(payload),
                arrived: now.mono,
            };
            feed.send(Input::Packet { call, track, leg, packet }, now.mono);
        };
        if media.kind == MediaKind::Audio {
            let lost = member.taps.sound.take(media.source, media.ext_seq, media.timestamp, red);
            for lost in lost {
                // Before the packet it came in: it is the older one.
                let payload = media.payload.get(lost.range).unwrap_or_default();
                give(lost.ext_seq, lost.timestamp, false, payload);
            }
        }
        let payload = red.map_or(media.payload, |red| primary(red).unwrap_or_default());
        give(media.ext_seq, media.timestamp, media.marker, payload);
        if let Some(layer) = wanted {
            self.want_keyframe(key, media.kind, layer, now);
        }
    }

    /// A tap cannot decode what it gets: a key frame of the layer it is given.
    pub(super) fn want_tapped_keyframe(&mut self, call: CallId, track: TrackId, now: Now) {
        let key = self.calls.get(&call).and_then(|c| c.call.peer_of(track.participant));
        let Some(member) = key.and_then(|key| self.peers.get_mut(&key)) else { return };
        let layer = member.taps.selector(track.kind).current();
        self.want_keyframes(call, track, layer, now);
    }
}

/// The largest layer among those that are being sent.
pub(super) fn best_layer(now: Mono, publication: &Publication) -> u8 {
    if !publication.is_simulcast() {
        return 0;
    }
    let live =
        |layer: &u8| publication.last_layer_packet(*layer).is_some_and(|at| now.since(at) < LIVE);
    publication.order().smallest_first().rfind(live).unwrap_or(0)
}
