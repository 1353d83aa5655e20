//! A call: who takes part, who may see and hear whom, and what each subscriber is shown.
//!
//! A call knows people's seats and connections, never packets. Every change (someone joins, sits
//! elsewhere, is muted, shares a screen, speaks) is settled at once: the slots of every subscriber
//! are assigned anew, the route table for the packet path is rebuilt, and what the shard has to do
//! about it comes back as [`Effects`]. Between changes the packet path only reads
//! [`Call::routes`].
//!
//! | File | Decides |
//! |---|---|
//! | `matrix.rs` | who may receive what, by seat |
//! | `slots.rs` | which source is in which slot |
//! | `codec.rs` | which codec a participant sends pictures in |
//! | `speaker.rs` | who is speaking |
//! | `allocate.rs` | which layer of a source a subscriber's bandwidth is spent on |
//! | `quality.rs` | how good a participant's connection is |

pub(crate) mod allocate;
pub(crate) mod codec;
pub(crate) mod kinds;
mod matrix;
pub(crate) mod member;
pub(crate) mod quality;
pub(crate) mod slots;
mod speaker;

#[cfg(test)]
mod tests;

use vbranch_domain::{Leg, MediaKind, Mono, ParticipantId, Seat, Slot, TrackId, VideoCodec};

use self::{
    allocate::Class,
    codec::codec_for,
    kinds::index,
    matrix::{is_open, may_receive},
    member::{Media, Member},
    slots::{Candidate, SlotChange},
    speaker::Speaker,
};

/// Index of a peer within its shard; never used again after the peer is gone.
pub(crate) type PeerKey = u64;

/// Most participants a call ever has, those who left included: they keep their place, because
/// their legs are counted on when they return. A visit is a customer, a staff member, a few third
/// parties and supervisors; larger only lets one call hold more of its shard's memory and makes
/// every change dearer (it is settled in members squared).
pub(crate) const MAX_MEMBERS: usize = 32;

/// A member's place in its call: never used for another one as long as the call lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberIndex(u8);

/// Where a packet goes: to slot `slot` of `peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) peer: PeerKey,
    pub(crate) slot: u8,
}

/// What a change of a call asks of the shard.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Effects {
    /// Whose slots show something else now. The page is told the whole table ([`Call::slots`]).
    pub(crate) slots: Vec<SlotsChanged>,
    /// Pictures that flow to somebody anew, who needs a key frame to start from.
    pub(crate) keyframes: Vec<TrackId>,
    /// Somebody else is speaking.
    pub(crate) speaker: Option<SpeakerChanged>,
    /// Who is to send pictures in another codec from now on.
    pub(crate) codecs: Vec<CodecChanged>,
}

/// In what a participant is to send pictures now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodecChanged {
    pub(crate) participant: ParticipantId,
    pub(crate) codec: VideoCodec,
}

/// The slots of one subscriber's present connection that changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlotsChanged {
    pub(crate) subscriber: ParticipantId,
    pub(crate) peer: PeerKey,
    pub(crate) changes: Vec<SlotChange>,
}

/// Who speaks now; nobody, where the speaker left or can no longer be heard by all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SpeakerChanged(pub(crate) Option<ParticipantId>);

/// A new connection's place.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) member: MemberIndex,
    pub(crate) leg: Leg,
    /// The participant's former connection, to be closed.
    pub(crate) replaced: Option<PeerKey>,
    pub(crate) effects: Effects,
}

/// The call has [`MAX_MEMBERS`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is full")]
pub(crate) struct CallFull;

/// Members of a call, their present connections, and where their media goes.
#[derive(Debug, Default)]
pub(crate) struct Call {
    members: Vec<Member>,
    /// Per member and kind; rebuilt at every change, only read in between.
    routes: Vec<[Vec<Route>; 3]>,
    speaker: Speaker,
}

impl Call {
    /// Whether this participant may join.
    pub(crate) fn has_room_for(&self, participant: ParticipantId) -> bool {
        self.position(participant).is_some() || self.members.len() < MAX_MEMBERS
    }

    /// A new connection of `participant`. It takes the place of a former one at once; it receives
    /// from [`Self::connected`] on.
    ///
    /// # Errors
    /// [`CallFull`]
    pub(crate) fn join(
        &mut self,
        participant: ParticipantId,
        seat: Seat,
        peer: PeerKey,
        media: Media,
    ) -> Result<Joined, CallFull> {
        let position = match self.position(participant) {
            Some(position) => position,
            None if self.members.len() >= MAX_MEMBERS => return Err(CallFull),
            None => {
                self.members.push(Member::new(participant, seat));
                self.routes.push(Default::default());
                self.members.len() - 1
            }
        };
        let member = self.members.get_mut(position).ok_or(CallFull)?;
        member.seat = seat;
        let (leg, replaced) = member.connect(peer, media);
        let index = MemberIndex(u8::try_from(position).map_err(|_| CallFull)?);
        Ok(Joined { member: index, leg, replaced, effects: self.settle() })
    }

    /// This connection is up: it sends and receives from now on. Whoever already had its pictures
    /// from a former connection needs key frames of the new one.
    pub(crate) fn connected(&mut self, participant: ParticipantId, peer: PeerKey) -> Effects {
        let mut effects = self.change(participant, |member| member.is_up(peer));
        let Some(at) =
            self.position(participant).filter(|_| self.peer_of(participant) == Some(peer))
        else {
            return effects;
        };
        for kind in [MediaKind::Video, MediaKind::Screen] {
            let track = TrackId { participant, kind };
            let routes = self.routes.get(at).and_then(|kinds| kinds.get(index(kind)));
            let watched = routes.is_some_and(|routes| !routes.is_empty());
            if watched && !effects.keyframes.contains(&track) {
                effects.keyframes.push(track);
            }
        }
        effects
    }

    /// This connection is gone. Nothing happens where a newer one has taken its place.
    pub(crate) fn left(&mut self, participant: ParticipantId, peer: PeerKey) -> Effects {
        self.change(participant, |member| member.is_gone(peer))
    }

    /// The participant sits elsewhere: a supervisor barges in, say.
    pub(crate) fn set_seat(&mut self, participant: ParticipantId, seat: Seat) -> Effects {
        self.change(participant, |member| member.seat = seat)
    }

    /// Mutes by policy: what `participant` sends of `kind` reaches nobody until it is unmuted,
    /// whatever the client does. It reaches the taps all the same: a recording is the truth of
    /// what came in, and the mute itself is on its timeline. Lasts across reconnections.
    pub(crate) fn mute(
        &mut self,
        participant: ParticipantId,
        kind: MediaKind,
        muted: bool,
    ) -> Effects {
        self.change(participant, |member| member.muted = member.muted.with(kind, muted))
    }

    /// The participant's present connection began or ceased to send `kind` (a shared screen).
    pub(crate) fn publish(
        &mut self,
        participant: ParticipantId,
        kind: MediaKind,
        sends: bool,
    ) -> Effects {
        self.change(participant, |member| member.sends = member.sends.with(kind, sends))
    }

    /// A sound packet's level (RFC 6464): 0 is the loudest, 127 silence. For the packet path.
    pub(crate) fn audio_level(&mut self, member: MemberIndex, level: u8) {
        self.speaker.heard(usize::from(member.0), level);
    }

    /// To be called about every 100 ms: finds out who speaks.
    pub(crate) fn tick(&mut self, now: Mono) -> Effects {
        let members = &self.members;
        let eligible = |at: usize| {
            members.get(at).is_some_and(|m| is_open(m.seat) && m.offers(MediaKind::Audio))
        };
        let Some(speaker) = self.speaker.tick(now, eligible) else { return Effects::default() };
        let speaker = speaker.and_then(|at| self.members.get(at)).map(|m| m.participant);
        Effects { speaker: Some(SpeakerChanged(speaker)), ..self.settle() }
    }

    /// Where a member's packets of this kind go. For the packet path.
    pub(crate) fn routes(&self, member: MemberIndex, kind: MediaKind) -> &[Route] {
        let routes =
            self.routes.get(usize::from(member.0)).and_then(|kinds| kinds.get(index(kind)));
        routes.map_or(&[], Vec::as_slice)
    }

    /// How much a source in a subscriber's slot matters when bandwidth is short.
    pub(crate) fn class(&self, track: TrackId) -> Class {
        match track.kind {
            MediaKind::Screen => Class::Screen,
            _ if self.speaker() == Some(track.participant) => Class::Speaker,
            _ => Class::Camera,
        }
    }

    /// The slots of a participant's present connection, as its page is told them.
    pub(crate) fn slots(&self, participant: ParticipantId) -> Vec<Slot> {
        self.member(participant).map(|m| m.slots.table()).unwrap_or_default()
    }

    /// Who speaks, or spoke last.
    pub(crate) fn speaker(&self) -> Option<ParticipantId> {
        self.members.get(self.speaker.current()?).map(|m| m.participant)
    }

    /// The present connection of a participant.
    pub(crate) fn peer_of(&self, participant: ParticipantId) -> Option<PeerKey> {
        self.member(participant)?.peer
    }

    /// Every present connection.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.members.iter().filter_map(|m| m.peer)
    }

    fn position(&self, participant: ParticipantId) -> Option<usize> {
        self.members.iter().position(|m| m.participant == participant)
    }

    fn member(&self, participant: ParticipantId) -> Option<&Member> {
        self.members.iter().find(|m| m.participant == participant)
    }

    /// Applies a change to a member, if there is one, and settles the call.
    fn change(&mut self, participant: ParticipantId, apply: impl FnOnce(&mut Member)) -> Effects {
        let Some(member) = self.members.iter_mut().find(|m| m.participant == participant) else {
            return Effects::default();
        };
        apply(member);
        self.settle()
    }

    /// Assigns every subscriber's slots anew, rebuilds the route table and chooses codecs.
    fn settle(&mut self) -> Effects {
        let mut slots = vec![];
        for at in 0..self.members.len() {
            let candidates = self.candidates_for(at);
            let Some(member) = self.members.get_mut(at) else { continue };
            let changes = member.slots.assign(&candidates);
            if let Some(peer) = member.peer
                && !changes.is_empty()
            {
                slots.push(SlotsChanged { subscriber: member.participant, peer, changes });
            }
        }
        Effects { slots, keyframes: self.reroute(), speaker: None, codecs: self.choose_codecs() }
    }

    /// Chooses every participant's codec anew; gives those that changed. Goes by who may see whom
    /// and not by the slots of the moment: a codec changes by a key frame, which costs everybody.
    fn choose_codecs(&mut self) -> Vec<CodecChanged> {
        let chosen: Vec<VideoCodec> = self.members.iter().map(|m| self.codec_of(m)).collect();
        let members = self.members.iter_mut().zip(chosen);
        let changed = members.filter(|(m, codec)| m.codec != *codec).map(|(m, codec)| {
            m.codec = codec;
            CodecChanged { participant: m.participant, codec }
        });
        changed.collect()
    }

    /// Only those count whom everybody may know of: a sender's change would give a silent supervisor
    /// away.
    fn codec_of(&self, sender: &Member) -> VideoCodec {
        let sees = |m: &&Member| {
            m.participant != sender.participant
                && is_open(m.seat)
                && may_receive(sender.seat, m.seat, MediaKind::Video)
        };
        let viewers = self.members.iter().filter(sees).map(|m| (m.seat, m.takes));
        codec_for(sender.sends_in, viewers)
    }

    /// What the member at this place may be shown, in the order in which its senders joined.
    fn candidates_for(&self, at: usize) -> Vec<Candidate> {
        let Some(subscriber) = self.members.get(at) else { return vec![] };
        let speaker = self.speaker.current();
        let others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
        let tracks = others.flat_map(|(other, m)| {
            let shown = kinds::ALL
                .into_iter()
                .filter(move |kind| m.offers(*kind) && may_receive(m.seat, subscriber.seat, *kind));
            shown.map(move |kind| Candidate {
                track: TrackId { participant: m.participant, kind },
                seat: m.seat,
                speaking: speaker == Some(other),
            })
        });
        tracks.collect()
    }

    /// Rebuilds the route table; gives the pictures that somebody receives anew.
    fn reroute(&mut self) -> Vec<TrackId> {
        let mut routes: Vec<[Vec<Route>; 3]> =
            self.members.iter().map(|_| Default::default()).collect();
        let mut keyframes = vec![];
        for member in self.members.iter().filter(|m| m.up) {
            let Some(peer) = member.peer else { continue };
            for (slot, track) in member.slots.sources() {
                let Some(from) = self.position(track.participant) else { continue };
                let (route, kind) = (Route { peer, slot }, index(track.kind));
                let place = routes.get_mut(from).and_then(|kinds| kinds.get_mut(kind));
                let Some(place) = place else { continue };
                place.push(route);
                let before = self.routes.get(from).and_then(|kinds| kinds.get(kind));
                let anew = !before.is_some_and(|routes| routes.contains(&route));
                if anew && track.kind != MediaKind::Audio && !keyframes.contains(&track) {
                    keyframes.push(track);
                }
            }
        }
        self.routes = routes;
        keyframes
    }
}
