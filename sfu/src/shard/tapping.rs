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
    tap::{RtpPacket, feed::Input},
};

/// Payloads for the taps are cut from blocks of this size: one allocation for some fifty packets.
/// Larger keeps more memory alive for one late packet.
const BLOCK: usize = 64 << 10;
/// A layer counts as sent when a packet came within this time.
const LIVE: Duration = Duration::from_secs(1);

/// A key frame at least this often in what is tapped. Longer: who looks into the middle of a recording
/// waits for more pictures to be decoded, and a lost segment costs more of them; shorter: more of the
/// sender's bits go into key frames (at 1 Mbit/s some 6 % of them at this).
const KEY_EVERY: Duration = Duration::from_secs(5);
/// Asked for again after this time, as the request or the frame may be lost. Longer: the recording
/// is without one for longer; shorter: a slow line is asked while the frame is on its way.
const KEY_AGAIN: Duration = Duration::from_secs(1);

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

/// Which layer of a participant's pictures the taps get.
#[derive(Debug, Default)]
pub(super) struct TapSelectors {
    camera: TapSelector,
    screen: TapSelector,
}

#[derive(Debug, Default)]
struct TapSelector {
    layers: LayerSelector,
    /// When a key frame came last.
    key: Option<Mono>,
    /// When one was asked for since.
    asked: Option<Mono>,
}

impl TapSelector {
    /// Whether it is time to ask for a key frame of what is given to the taps.
    fn is_key_due(&mut self, now: Mono, is_key: bool) -> bool {
        if is_key {
            (self.key, self.asked) = (Some(now), None);
            return false;
        }
        let due = self.key.is_some_and(|key| now.since(key) >= KEY_EVERY)
            && self.asked.is_none_or(|asked| now.since(asked) >= KEY_AGAIN);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

impl TapSelectors {
    fn of(&mut self, kind: MediaKind) -> &mut TapSelector {
        if kind == MediaKind::Screen { &mut self.screen } else { &mut self.camera }
    }
}

impl Shard {
    /// Hands a packet to the reassembly thread.
    pub(super) fn tap(&mut self, now: Now, key: PeerKey, media: &Media<'_>) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        let payload = match media.codec {
            Codec::Red => primary(media.payload).unwrap_or_default(),
            _ => media.payload,
        };
        let mut wanted = None;
        if let Some(info) = &media.info {
            let publication = member.peer.incoming().publication(media.kind);
            let best = publication.map_or(0, |publication| best_layer(now.mono, publication));
            let tapped = member.taps.of(media.kind);
            let selector = &mut tapped.layers;
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
            if tapped.is_key_due(now.mono, info.keyframe) {
                wanted = wanted.or(Some(media.layer));
            }
        }
        let track = TrackId { participant: member.participant, kind: media.kind };
        let packet = RtpPacket {
            source: tap_source(media.source),
            codec: media.codec.video(),
            seq: media.ext_seq as u16, // the lower half is what was sent
            timestamp: media.timestamp,
            marker: media.marker,
            payload: self.arena.copy(payload),
            arrived: now.mono,
        };
        let (call, leg) = (member.call, member.leg);
        self.feed.send(Input::Packet { call, track, leg, packet }, now.mono);
        if let Some(layer) = wanted {
            self.want_keyframe(key, media.kind, layer, now);
        }
    }

    /// A tap cannot decode what it gets: a key frame of the layer it is given.
    pub(super) fn want_tapped_keyframe(&mut self, call: CallId, track: TrackId, now: Now) {
        let key = self.calls.get(&call).and_then(|c| c.call.peer_of(track.participant));
        let Some(member) = key.and_then(|key| self.peers.get_mut(&key)) else { return };
        let layer = member.taps.of(track.kind).layers.current();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_is_asked_for_when_none_came_for_a_while_and_not_with_every_packet() {
        let mut selector = TapSelector::default();
        let mut asked = Vec::new();
        for ms in (0..20_000).step_by(10) {
            // One comes at the start, one when it is asked for, one of its own accord; then none.
            let is_key = [0, 5_100, 7_000].contains(&ms);
            if selector.is_key_due(Mono::from_millis(ms), is_key) {
                asked.push(ms);
            }
        }
        let again = (12..20).map(|second| second * 1_000);
        assert_eq!(asked, std::iter::once(5_000).chain(again).collect::<Vec<_>>());
    }
}
