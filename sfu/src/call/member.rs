//! One participant of a call and its present connection.

use vbranch_domain::{Leg, MediaKind, ParticipantId, Seat, VideoCodec};

use super::{
    PeerKey,
    codec::VideoCodecs,
    kinds::Kinds,
    slots::{SlotSpec, Slots},
};

/// What a connection negotiated.
#[derive(Debug, Default)]
pub(crate) struct Media {
    /// What it sends from the start.
    pub(crate) sends: Kinds,
    /// The sections on which it receives, in the order that slot indices refer to.
    pub(crate) slots: Vec<SlotSpec>,
    /// In what it can send pictures.
    pub(crate) sends_in: VideoCodecs,
    /// In what it can be sent pictures.
    pub(crate) takes: VideoCodecs,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) participant: ParticipantId,
    pub(super) seat: Seat,
    /// The connection that counts: the newest one.
    pub(super) peer: Option<PeerKey>,
    /// That connection is up.
    pub(super) up: bool,
    /// A connection has been up, and none has ended since without a newer one in its place. So a
    /// reload does not take the participant out of everybody's slots and put it back.
    present: bool,
    next_leg: u32,
    pub(super) sends: Kinds,
    pub(super) muted: Kinds,
    pub(super) slots: Slots,
    pub(super) sends_in: VideoCodecs,
    pub(super) takes: VideoCodecs,
    /// What it was told to send pictures in.
    pub(super) codec: VideoCodec,
}

impl Member {
    pub(super) fn new(participant: ParticipantId, seat: Seat) -> Self {
        Self {
            participant,
            seat,
            peer: None,
            up: false,
            present: false,
            next_leg: 0,
            sends: Kinds::default(),
            muted: Kinds::default(),
            slots: Slots::default(),
            sends_in: VideoCodecs::default(),
            takes: VideoCodecs::default(),
            codec: VideoCodec::default(),
        }
    }

    /// A new connection; gives its leg and the one it replaces.
    pub(super) fn connect(&mut self, peer: PeerKey, media: Media) -> (Leg, Option<PeerKey>) {
        let leg = Leg(self.next_leg);
        self.next_leg = self.next_leg.saturating_add(1);
        self.up = false;
        self.sends = media.sends;
        self.slots = Slots::new(media.slots);
        (self.sends_in, self.takes) = (media.sends_in, media.takes);
        (leg, self.peer.replace(peer))
    }

    pub(super) fn is_up(&mut self, peer: PeerKey) {
        if self.peer == Some(peer) {
            self.up = true;
            self.present = true;
        }
    }

    pub(super) fn is_gone(&mut self, peer: PeerKey) {
        if self.peer == Some(peer) {
            self.peer = None;
            self.up = false;
            self.present = false;
            self.sends = Kinds::default();
            self.slots = Slots::default();
            (self.sends_in, self.takes) = Default::default();
        }
    }

    /// Whether others may be shown what it sends of this kind.
    pub(super) fn offers(&self, kind: MediaKind) -> bool {
        self.present && self.sends.contains(kind) && !self.muted.contains(kind)
    }
}
