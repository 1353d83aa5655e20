//! What a change of a call, or news from a peer, brings about.

use std::time::Duration;

use vbranch_domain::{CallId, MediaKind, ParticipantId, TrackId, tap::NtpTime};

use super::{Now, Shard};
use crate::{
    call::{CodecChanged, Effects, PeerKey, SpeakerChanged},
    handle::SfuEvent,
    peer::{CloseReason, PeerEvent},
    tap::feed::Input,
};

/// A screen from which nothing came for this long is no longer shared. Browsers repeat a still
/// screen about once a second.
const SCREEN_GONE: Duration = Duration::from_secs(5);

impl Shard {
    /// Carries out everything a peer has to say, and sends what it has to send.
    pub(super) fn settle(&mut self, key: PeerKey, now: Now) {
        loop {
            let Some(member) = self.peers.get_mut(&key) else { return };
            let Some(event) = member.peer.poll_event() else { break };
            let (call, participant) = (member.call, member.participant);
            match event {
                PeerEvent::Connected => self.connected(key, now),
                PeerEvent::Closed(reason) => return self.remove(key, reason, now),
                PeerEvent::KeyframeWanted { track, layer } => {
                    self.want_keyframes(call, track, Some(layer), now);
                }
                PeerEvent::SenderReport { kind, source, info } => {
                    let track = TrackId { participant, kind };
                    let (ntp, rtp_time, at) = (NtpTime(info.ntp), info.rtp, now.mono);
                    let tapped = self.calls.get(&call).is_some_and(|c| !c.taps.is_empty());
                    if tapped {
                        let report = Input::SenderReport { call, track, source, ntp, rtp_time, at };
                        self.feed.send(report, at);
                    }
                }
            }
        }
        self.send_kept(key, now);
        let ready = self.peers.get_mut(&key).is_some_and(|m| !m.peer.egress().is_empty());
        if ready {
            self.mark_dirty(key);
        }
    }

    /// Carries out what a change of a call asks for.
    pub(super) fn apply(&mut self, call: CallId, effects: Effects, now: Now) {
        for changed in &effects.slots {
            if let Some(member) = self.peers.get_mut(&changed.peer) {
                for change in &changed.changes {
                    member.peer.show(usize::from(change.slot), change.from);
                }
                member.share_at = now.mono;
                member.due = now.mono;
            }
            let slots = self.calls.get(&call).map(|c| c.call.slots(changed.subscriber));
            if let Some(slots) = slots {
                self.tell(SfuEvent::Slots { call, participant: changed.subscriber, slots });
            }
        }
        for track in effects.keyframes {
            self.want_keyframes(call, track, None, now);
        }
        if let Some(SpeakerChanged(participant)) = effects.speaker {
            self.tell(SfuEvent::ActiveSpeaker { call, participant });
        }
        for CodecChanged { participant, codec } in effects.codecs {
            tracing::info!(%call, %participant, ?codec, "pictures are to be sent in");
            self.tell(SfuEvent::VideoCodec { call, participant, codec });
        }
    }

    fn connected(&mut self, key: PeerKey, now: Now) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        // Of who only watches there is nothing to record, and nothing that could be missing.
        member.leg_started = member.peer.incoming().publications().next().is_some();
        let (call, participant, leg) = (member.call, member.participant, member.leg);
        if member.leg_started {
            self.feed.send(Input::LegStarted { call, participant, leg, at: now.mono }, now.mono);
        }
        tracing::info!(%call, %participant, leg = leg.0, "media connected");
        self.tell(SfuEvent::Connected { call, participant });
        if let Some(state) = self.calls.get_mut(&call) {
            let effects = state.call.connected(participant, key);
            self.apply(call, effects, now);
        }
    }

    /// Ends a peer's connection and forgets it.
    pub(super) fn close(&mut self, key: PeerKey, now: Now) {
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.close(now.instant, CloseReason::Ended);
            self.settle(key, now);
        }
    }

    /// Forgets a peer and everything that points to it.
    fn remove(&mut self, key: PeerKey, reason: CloseReason, now: Now) {
        self.flush_peer(key);
        let Some(member) = self.peers.remove(&key) else { return };
        self.by_ufrag.retain(|_, k| *k != key);
        self.by_ssrc.retain(|_, k| *k != key);
        for address in &member.addresses {
            self.shared.forget(*address, key);
            if self.by_address.get(address) == Some(&key) {
                self.by_address.remove(address);
                self.addresses.decrement(1);
            }
        }
        for id in member.tcp {
            self.tcp.close(id);
            self.by_tcp.remove(&id);
        }
        let (call, participant, leg) = (member.call, member.participant, member.leg);
        if member.leg_started {
            self.feed.send(Input::LegEnded { call, participant, leg, at: now.mono }, now.mono);
        }
        tracing::info!(
            %call, %participant, leg = leg.0, ?reason, rejected = member.peer.rejected(),
            "media disconnected"
        );
        metrics::gauge!("vbranch_sfu_peers").decrement(1);
        let Some(state) = self.calls.get_mut(&call) else { return };
        let was_current = state.call.peer_of(participant) == Some(key);
        let effects = state.call.left(participant, key);
        self.apply(call, effects, now);
        // Whom its poor network held back may send more again.
        self.limit_publishers(call, member.takes.into_iter(), now);
        if was_current {
            self.tell(SfuEvent::Disconnected { call, participant });
        }
    }

    pub(super) fn publish_screen(
        &mut self,
        call: CallId,
        participant: ParticipantId,
        shares: bool,
        now: Now,
    ) {
        if let Some(state) = self.calls.get_mut(&call) {
            let effects = state.call.publish(participant, MediaKind::Screen, shares);
            self.apply(call, effects, now);
        }
    }

    /// What every call does with time: who speaks, and whether screens are still shared.
    pub(super) fn tick_calls(&mut self, now: Now) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            if let Some(state) = self.calls.get_mut(&call) {
                let effects = state.call.tick(now.mono);
                self.apply(call, effects, now);
            }
        }
        let gone: Vec<(CallId, ParticipantId)> = self
            .peers
            .values_mut()
            .filter(|member| member.screen)
            .filter_map(|member| {
                let last = member.peer.incoming().publication(MediaKind::Screen)?.last_packet()?;
                if now.mono.since(last) < SCREEN_GONE {
                    return None;
                }
                member.screen = false;
                Some((member.call, member.participant))
            })
            .collect();
        for (call, participant) in gone {
            self.publish_screen(call, participant, false, now);
        }
    }
}
