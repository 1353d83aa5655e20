//! What the rest of the program asks of a shard.

use vbranch_domain::{CallId, ParticipantId, Seat};

use super::{CallState, FastMap, Member, Now, Shard, tapping::TapSelectors};
use crate::{
    call::{Call, Effects, PeerKey, allocate::Allocator, quality::Meter},
    handle::{Answer, Command, JoinError},
    peer::Peer,
    sdp::Offer,
    stream::repair::RepairWait,
    tap::feed::Input,
};

impl Shard {
    /// Carries out what waits; false when it is time to stop.
    pub(super) fn run_commands(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            let now = self.now();
            match command {
                Command::Join { call, participant, seat, offer, reply } => {
                    let answer = self.join(call, participant, seat, &offer, now);
                    // The asker may have given up; the peer then times out by itself.
                    let _ = reply.send(answer);
                }
                Command::Leave { call, participant } => {
                    let key = self.calls.get(&call).and_then(|c| c.call.peer_of(participant));
                    if let Some(key) = key {
                        self.close(key, now);
                    }
                }
                Command::EndCall { call } => self.end_call(call, now),
                Command::SetSeat { call, participant, seat } => {
                    self.change(call, now, |call| call.set_seat(participant, seat));
                }
                Command::Mute { call, participant, kind, muted } => {
                    self.change(call, now, |call| call.mute(participant, kind, muted));
                }
                Command::CpuLimited { call, participant, limited } => {
                    let key = self.calls.get(&call).and_then(|c| c.call.peer_of(participant));
                    if let Some(member) = key.and_then(|key| self.peers.get_mut(&key)) {
                        member.cpu_limited = limited;
                    }
                }
                Command::Attach { call, name, tap } => {
                    self.call_entry(call).taps.push(name);
                    self.feed.send(Input::Attach { call, name, tap }, now.mono);
                }
                Command::Detach { call, name } => {
                    if let Some(state) = self.calls.get_mut(&call) {
                        state.taps.retain(|tap| *tap != name);
                    }
                    self.feed.send(Input::Detach { call, name }, now.mono);
                }
                Command::RequestKeyframe { call, track } => {
                    self.want_tapped_keyframe(call, track, now);
                }
                Command::Stop => return false,
            }
        }
        true
    }

    fn change(&mut self, call: CallId, now: Now, f: impl FnOnce(&mut Call) -> Effects) {
        if let Some(state) = self.calls.get_mut(&call) {
            let effects = f(&mut state.call);
            self.apply(call, effects, now);
        }
    }

    fn join(
        &mut self,
        call: CallId,
        participant: ParticipantId,
        seat: Seat,
        offer: &Offer,
        now: Now,
    ) -> Result<Answer, JoinError> {
        if let Some(answer) = self.restart(call, participant, offer) {
            return answer.map(|sdp| Answer { sdp, restarted: true });
        }
        let room = |state: &CallState| state.call.has_room_for(participant);
        if !self.calls.get(&call).is_none_or(room) {
            return Err(JoinError::Unavailable);
        }
        // A call is begun for somebody who is there: a failure leaves none behind.
        let key = self.next_key;
        let (peer, answer, media) = Peer::answer(&self.setup, key, offer, now.mono)?;
        self.next_key += 1;
        let joined = self
            .call_entry(call)
            .call
            .join(participant, seat, key, media)
            .map_err(|_| JoinError::Unavailable)?;
        for ufrag in peer.ufrags() {
            self.by_ufrag.insert(ufrag.to_owned(), key);
        }
        let member = Member {
            peer,
            call,
            participant,
            index: joined.member,
            leg: joined.leg,
            leg_started: false,
            addresses: vec![],
            tcp: vec![],
            due: now.mono,
            dirty: false,
            taps: TapSelectors::default(),
            allocator: Allocator::default(),
            share_at: now.mono,
            limit_told: None,
            takes: vec![],
            wanted: 0,
            meter: Meter::default(),
            repair_up: RepairWait::default(),
            repair_down: RepairWait::default(),
            cpu_limited: false,
            screen: false,
        };
        self.peers.insert(key, member);
        metrics::gauge!("vbranch_sfu_peers").increment(1);
        if let Some(old) = joined.replaced {
            self.close(old, now);
        }
        self.apply(call, joined.effects, now);
        Ok(Answer { sdp: answer, restarted: false })
    }

    /// An offer that only brings new ICE credentials of a connection that is there.
    fn restart(
        &mut self,
        call: CallId,
        participant: ParticipantId,
        offer: &Offer,
    ) -> Option<Result<String, JoinError>> {
        let key = self.calls.get(&call)?.call.peer_of(participant)?;
        let member = self.peers.get_mut(&key).filter(|m| m.peer.is_restarted_by(offer))?;
        // At most two generations are known; the one before them goes.
        self.by_ufrag.retain(|_, k| *k != key);
        let answer = member.peer.restart(&self.setup, offer);
        for ufrag in member.peer.ufrags() {
            self.by_ufrag.insert(ufrag.to_owned(), key);
        }
        tracing::info!(%call, %participant, "ICE restart");
        Some(answer)
    }

    pub(super) fn call_entry(&mut self, call: CallId) -> &mut CallState {
        let calls: &mut FastMap<CallId, CallState> = &mut self.calls;
        calls.entry(call).or_insert_with(|| {
            metrics::gauge!("vbranch_sfu_calls").increment(1);
            CallState { call: Call::default(), taps: vec![] }
        })
    }

    fn end_call(&mut self, call: CallId, now: Now) {
        let keys: Vec<PeerKey> =
            self.calls.get(&call).map(|c| c.call.peers().collect()).unwrap_or_default();
        for key in keys {
            self.close(key, now);
        }
        if self.calls.remove(&call).is_some() {
            metrics::gauge!("vbranch_sfu_calls").decrement(1);
        }
        self.feed.send(Input::EndCall { call }, now.mono);
    }
}
