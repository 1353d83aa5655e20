//! A packet's way from its publisher to its subscribers and taps.

use vbranch_domain::{MediaKind, TrackId};

use super::{Now, Shard};
use crate::{
    call::PeerKey,
    peer::{Kept, Media, Ready, peer_of},
    transport::Path,
};

impl Shard {
    /// Opens a packet and sends it on: subscribers first, then taps.
    pub(super) fn route(&mut self, now: Now, key: PeerKey, path: Path, packet: &mut [u8]) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        let media = member.peer.handle_rtp(now.mono, path, packet);
        let ask_at = media.as_ref().and_then(|media| media.ask_at);
        for at in [ask_at, member.peer.feedback_at()].into_iter().flatten() {
            member.due = member.due.min(at);
        }
        let Some(media) = media else { return };
        let (call, participant, index) = (member.call, member.participant, member.index);
        if media.first {
            self.by_ssrc.insert(media.ssrc, key);
        }
        if media.kind == MediaKind::Screen && !std::mem::replace(&mut member.screen, true) {
            self.publish_screen(call, participant, true, now);
        }
        // Only a key frame can be the first packet of a layer that a subscriber sees.
        let clock = self
            .peers
            .get(&key)
            .filter(|_| media.starts_picture())
            .and_then(|m| m.peer.incoming().publication(media.kind)?.clock(key, media.layer));
        let Some(state) = self.calls.get_mut(&call) else { return };
        if let Some(level) = media.audio_level {
            // The upper bit says that it is voice (RFC 6464 section 3).
            state.call.audio_level(index, level & 0x7f);
        }
        let mut wanted = 0;
        for route in state.call.routes(index, media.kind) {
            let Some(subscriber) = self.peers.get_mut(&route.peer) else { continue };
            let slot = usize::from(route.slot);
            if let Some(layer) = subscriber.peer.send(now.mono, slot, &media, clock) {
                wanted |= 1u8 << (layer & 7);
            }
            if subscriber.peer.congestion().is_waiting() {
                subscriber.due = subscriber.due.min(now.mono);
            }
            if !std::mem::replace(&mut subscriber.dirty, true) {
                self.dirty.push(route.peer);
            }
            self.routed += 1;
            if subscriber.peer.egress().is_full()
                && let Some(path) = subscriber.peer.path()
            {
                let flushed = subscriber.peer.egress().flush(path, &self.udp, &mut self.tcp);
                self.forwarded.increment(flushed.packets);
                self.send_drops.increment(flushed.dropped);
            }
        }
        let taps = !state.taps.is_empty();
        if wanted != 0 {
            self.need_keyframes(key, media.kind, wanted, now);
        }
        if taps {
            self.tap(now, key, &media);
        }
    }

    /// Somebody waits for key frames of these layers of a publisher, and says so with every packet.
    pub(super) fn need_keyframes(&mut self, key: PeerKey, kind: MediaKind, layers: u8, now: Now) {
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.incoming_mut().need_keyframes(kind, layers);
            member.due = member.due.min(now.mono);
        }
    }

    /// Asks a publisher for a key frame of a layer, as soon as its timers are looked at.
    pub(super) fn want_keyframe(&mut self, key: PeerKey, kind: MediaKind, layer: u8, now: Now) {
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.incoming_mut().want_keyframe(kind, layer);
            member.due = member.due.min(now.mono);
        }
    }

    /// Asks for every layer of a track, wherever its participant is connected.
    pub(super) fn want_keyframes(
        &mut self,
        call: vbranch_domain::CallId,
        track: TrackId,
        layer: Option<u8>,
        now: Now,
    ) {
        let key = self.calls.get(&call).and_then(|c| c.call.peer_of(track.participant));
        let Some(key) = key else { return };
        let layers = layer.map_or(0..crate::codec::layers::MAX_LAYERS as u8, |l| l..l + 1);
        for layer in layers {
            self.want_keyframe(key, track.kind, layer, now);
        }
    }

    /// Sends a subscriber what it asked for again and what waited for room.
    pub(super) fn send_kept(&mut self, key: PeerKey, now: Now) {
        loop {
            let Some(member) = self.peers.get_mut(&key) else { return };
            let next = match member.peer.poll_resend() {
                Some((ready, kept))
                    if ready.repair && !member.peer.congestion().may_send(now.mono) =>
                {
                    member.peer.congestion_mut().queue(now.mono, ready, kept);
                    continue;
                }
                Some(resend) => Some(resend),
                None => member.peer.congestion_mut().poll_waiting(now.mono),
            };
            let Some((ready, kept)) = next else { break };
            self.send_one_kept(key, ready, kept, now);
        }
        self.mark_broken_slots(key, now);
    }

    fn send_one_kept(&mut self, key: PeerKey, ready: Ready, kept: Kept, now: Now) {
        let source = peer_of(kept.source);
        if source == key {
            return;
        }
        let [Some(subscriber), Some(publisher)] = self.peers.get_disjoint_mut([&key, &source])
        else {
            return;
        };
        let stored = publisher.peer.incoming().stored(now.mono, kept.source, kept.ext_seq);
        let Some((codec, packet)) = stored else {
            // Its publisher's history is shorter than the wait was.
            if !ready.repair {
                subscriber.peer.congestion_mut().mark_broken(ready.slot);
            }
            return;
        };
        subscriber.peer.send_kept(now.mono, ready, codec, &packet);
        let full = subscriber.peer.egress().is_full();
        self.mark_dirty(key);
        if full {
            self.flush_peer(key);
        }
    }

    /// Slots that lost packets while waiting need key frames.
    fn mark_broken_slots(&mut self, key: PeerKey, now: Now) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        let broken = member.peer.congestion_mut().take_broken();
        if broken == 0 {
            return;
        }
        let call = member.call;
        let broken = |n: usize| broken >> (n & 31) & 1 == 1;
        let slots = member.peer.slots().iter().enumerate().filter(|(n, _)| broken(*n));
        let wanted: Vec<(TrackId, u8)> =
            slots.filter_map(|(_, slot)| Some((slot.showing()?, slot.layer()))).collect();
        for (track, layer) in wanted {
            self.want_keyframes(call, track, Some(layer), now);
        }
    }
}

impl Media<'_> {
    /// Whether a picture that needs no other begins here.
    fn starts_picture(&self) -> bool {
        self.info.is_some_and(|info| info.keyframe)
    }
}
