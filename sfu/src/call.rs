//! A call: who takes part, and who may hear whom.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use vbranch_domain::{Leg, ParticipantId};

/// Index of a peer within its shard; never used again after the peer is gone.
pub(crate) type PeerKey = u64;

/// At most one key frame request per publisher in this time, whoever asks. More often lets one
/// lossy (or hostile) subscriber fill everyone's link with key frames; more seldom keeps a
/// subscriber's picture frozen for longer.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(300);

/// Members of a call and their present connections.
#[derive(Debug, Default)]
pub(crate) struct Call {
    members: HashMap<ParticipantId, Member>,
}

#[derive(Debug, Default)]
struct Member {
    /// The connection that counts: the newest one.
    peer: Option<PeerKey>,
    connected: bool,
    next_leg: u32,
    keyframe_asked: Option<Instant>,
}

impl Call {
    /// A new connection of `participant`; gives its leg and the connection it replaces.
    pub(crate) fn join(
        &mut self,
        participant: ParticipantId,
        peer: PeerKey,
    ) -> (Leg, Option<PeerKey>) {
        let member = self.members.entry(participant).or_default();
        let leg = Leg(member.next_leg);
        member.next_leg += 1;
        member.connected = false;
        member.keyframe_asked = None;
        (leg, member.peer.replace(peer))
    }

    /// Marks the participant's connection as up.
    pub(crate) fn connected(&mut self, participant: ParticipantId) {
        if let Some(member) = self.members.get_mut(&participant) {
            member.connected = true;
        }
    }

    /// Forgets a connection, unless a newer one has taken its place.
    pub(crate) fn left(&mut self, participant: ParticipantId, peer: PeerKey) {
        if let Some(member) = self.members.get_mut(&participant)
            && member.peer == Some(peer)
        {
            member.peer = None;
            member.connected = false;
        }
    }

    /// The present connection of a participant.
    pub(crate) fn peer_of(&self, participant: ParticipantId) -> Option<PeerKey> {
        self.members.get(&participant)?.peer
    }

    /// Every present connection.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.members.values().filter_map(|m| m.peer)
    }

    /// Who hears and sees `publisher`: the other party. Two parties share a call today, so each
    /// client needs one slot per kind; the routing matrix grows here.
    pub(crate) fn subscriber_of(&self, publisher: ParticipantId) -> Option<PeerKey> {
        self.other(publisher).filter(|(_, m)| m.connected).and_then(|(_, m)| m.peer)
    }

    /// Whose media `subscriber` gets.
    pub(crate) fn publisher_for(&self, subscriber: ParticipantId) -> Option<ParticipantId> {
        self.other(subscriber).map(|(id, _)| id)
    }

    /// Whether a key frame may be asked of `publisher` now; if so, notes that it was.
    pub(crate) fn may_ask_keyframe(&mut self, publisher: ParticipantId, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&publisher) else { return false };
        let recently = |at: Instant| now.saturating_duration_since(at) < KEYFRAME_INTERVAL;
        if !member.connected || member.keyframe_asked.is_some_and(recently) {
            return false;
        }
        member.keyframe_asked = Some(now);
        true
    }

    /// Whether one more participant may join.
    pub(crate) fn has_room_for(&self, participant: ParticipantId) -> bool {
        self.members.contains_key(&participant) || self.members.len() < 2
    }

    fn other(&self, than: ParticipantId) -> Option<(ParticipantId, &Member)> {
        self.members.iter().find(|(id, _)| **id != than).map(|(id, m)| (*id, m))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_party_hears_the_other_and_a_reload_replaces_the_connection() {
        let (a, b) = (ParticipantId::random(), ParticipantId::random());
        let mut call = Call::default();
        assert_eq!(call.join(a, 1), (Leg(0), None));
        assert_eq!(call.join(b, 2), (Leg(0), None));
        assert_eq!(call.subscriber_of(a), None, "not before the other is connected");
        call.connected(b);
        assert_eq!(call.subscriber_of(a), Some(2));
        assert_eq!(call.join(b, 3), (Leg(1), Some(2)));
        call.left(b, 2);
        assert_eq!(call.peer_of(b), Some(3), "the end of the old connection is not the new one's");
        assert_eq!(call.publisher_for(b), Some(a));
        assert!(!call.has_room_for(ParticipantId::random()));
    }
}
