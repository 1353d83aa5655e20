//! Who takes part by a token (WHIP, WHEP): a third party who publishes, or one who watches unseen.
//!
//! Tokens live as long as the call does and no longer, hence only here and not among the visit's
//! events; that somebody took part is on the recording's timeline.

use vbranch_domain::{
    CallId, ParticipantId, Seat, UserId, VisitId, recording::RecordedParticipant,
    timeline::TimelineKind,
};

use super::{Outbox, PortCall, Refusal, Visit};
use crate::auth::TokenHash;

/// Tokens of one visit at one time: as many outsiders as can take part at once.
const GUESTS: usize = 8;
/// Tokens ever made in one visit, those taken back included. Whoever came by one keeps a place in
/// the call, of which the media plane has 32, and a track of the recording, of which there are as
/// many: with more tokens than this, guests could keep supervisors out or go unrecorded.
const INVITATIONS: usize = 16;

/// What a token allows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MediaRight {
    /// To take part as a third party.
    Publish,
    /// To see and hear everyone, unseen and unheard.
    Watch,
}

impl MediaRight {
    /// The place in the call that goes with it.
    #[must_use]
    pub const fn seat(self) -> Seat {
        match self {
            Self::Publish => Seat::ThirdParty,
            Self::Watch => Seat::SupervisorSilent,
        }
    }
}

/// Who makes a token or takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inviter {
    /// The account.
    pub user: UserId,
    /// An administrator, who may for every visit; staff may for their own.
    pub any_visit: bool,
}

/// A token to be known from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewGuest {
    /// By what it is recognised.
    pub token: TokenHash,
    /// What it allows.
    pub right: MediaRight,
    /// The place in the call of whoever shows it.
    pub participant: ParticipantId,
}

/// What happens about guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestCommand {
    /// A token is made.
    Invite(Inviter, NewGuest),
    /// A token is taken back.
    Uninvite(Inviter, ParticipantId),
    /// A session begins; it replaces a former one of the same token.
    Joining(ParticipantId, TokenHash),
    /// It has a new connection, which is not up yet and for which the former one made way. Not
    /// said of a connection that goes on with new ICE credentials.
    Joined(ParticipantId),
    /// A session is ended by its owner.
    Leave(ParticipantId, TokenHash),
    /// A media connection is up.
    Connected(ParticipantId),
    /// A media connection is gone.
    Disconnected(ParticipantId),
}

/// What the holder of a token needs to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPlan {
    /// Which visit.
    pub visit: VisitId,
    /// Which call.
    pub call: CallId,
    /// As whom.
    pub participant: ParticipantId,
    /// The session at present, by the hash of its name.
    pub session: Option<TokenHash>,
}

/// The guests of a visit.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    /// Those whose token is good.
    invited: Vec<Guest>,
    /// Tokens made so far.
    invitations: usize,
}

#[derive(Debug, Clone)]
struct Guest {
    id: NewGuest,
    invited_by: UserId,
    session: Option<TokenHash>,
    connected: bool,
}

impl Visit {
    /// Whether the token gives the right, and what follows from it.
    ///
    /// # Errors
    /// Unknown here, made for the other right, or the call is not on.
    pub fn guest_plan(&self, token: &TokenHash, right: MediaRight) -> Result<GuestPlan, Refusal> {
        let known = self.live.guests.invited.iter().find(|g| g.id.token == *token);
        let guest = known.ok_or(Refusal::GuestUnknown)?;
        if guest.id.right != right {
            return Err(Refusal::WrongRight);
        }
        self.check_in_call()?;
        let (visit, call) = (self.id, self.state.created.call);
        Ok(GuestPlan { visit, call, participant: guest.id.participant, session: guest.session })
    }

    /// Whether the participant is one who has a token.
    #[must_use]
    pub fn has_guest(&self, participant: ParticipantId) -> bool {
        self.live.guests.invited.iter().any(|g| g.id.participant == participant)
    }

    /// Guests who are in the call, with their seats.
    pub(super) fn guests_present(&self) -> impl Iterator<Item = (ParticipantId, Seat)> + '_ {
        let present = self.live.guests.invited.iter().filter(|g| g.connected);
        present.map(|g| (g.id.participant, g.id.right.seat()))
    }

    pub(super) fn guest(&mut self, out: &mut Outbox, command: GuestCommand) -> Result<(), Refusal> {
        match command {
            GuestCommand::Invite(by, guest) => self.invite(by, guest),
            GuestCommand::Uninvite(by, participant) => self.uninvite(out, by, participant),
            GuestCommand::Joining(participant, session) => {
                self.guest_joining(out, participant, session)
            }
            GuestCommand::Leave(participant, session) => {
                let guest = self.known_guest(participant)?;
                if guest.session != Some(session) {
                    return Err(Refusal::GuestUnknown);
                }
                guest.session = None;
                self.guest_gone(out, participant);
                Ok(())
            }
            GuestCommand::Connected(participant) => self.guest_connected(out, participant),
            GuestCommand::Joined(participant) | GuestCommand::Disconnected(participant) => {
                self.guest_gone(out, participant);
                Ok(())
            }
        }
    }

    fn invite(&mut self, by: Inviter, guest: NewGuest) -> Result<(), Refusal> {
        self.check_inviter(by)?;
        self.check_in_call()?;
        let guests = &mut self.live.guests;
        if guests.invited.len() >= GUESTS || guests.invitations >= INVITATIONS {
            return Err(Refusal::TooManyGuests);
        }
        guests.invitations += 1;
        let invited_by = by.user;
        guests.invited.push(Guest { id: guest, invited_by, session: None, connected: false });
        Ok(())
    }

    fn uninvite(
        &mut self,
        out: &mut Outbox,
        by: Inviter,
        participant: ParticipantId,
    ) -> Result<(), Refusal> {
        self.check_inviter(by)?;
        self.known_guest(participant)?;
        self.guest_gone(out, participant);
        self.live.guests.invited.retain(|g| g.id.participant != participant);
        Ok(())
    }

    fn guest_joining(
        &mut self,
        out: &mut Outbox,
        participant: ParticipantId,
        session: TokenHash,
    ) -> Result<(), Refusal> {
        self.check_in_call()?;
        let guest = self.known_guest(participant)?;
        guest.session = Some(session);
        if guest.id.right == MediaRight::Publish
            && let Some(recording) = self.state.recording
        {
            let who = RecordedParticipant { id: participant, role: "third_party".to_owned() };
            out.port(PortCall::AddParticipant(recording, who));
        }
        Ok(())
    }

    fn guest_connected(
        &mut self,
        out: &mut Outbox,
        participant: ParticipantId,
    ) -> Result<(), Refusal> {
        let guest = self.known_guest(participant)?;
        // Its owner has ended the session meanwhile, or this is said twice.
        if guest.session.is_none() || std::mem::replace(&mut guest.connected, true) {
            return Ok(());
        }
        let (seat, invited_by) = (guest.id.right.seat(), guest.invited_by);
        self.mark(out, TimelineKind::GuestJoined { participant, seat, invited_by });
        Ok(())
    }

    fn guest_gone(&mut self, out: &mut Outbox, participant: ParticipantId) {
        let Ok(guest) = self.known_guest(participant) else { return };
        if std::mem::take(&mut guest.connected) {
            self.mark(out, TimelineKind::GuestLeft { participant });
        }
    }

    fn known_guest(&mut self, participant: ParticipantId) -> Result<&mut Guest, Refusal> {
        let mut guests = self.live.guests.invited.iter_mut();
        guests.find(|g| g.id.participant == participant).ok_or(Refusal::GuestUnknown)
    }

    fn check_inviter(&self, by: Inviter) -> Result<(), Refusal> {
        let owner = self.state.staff.as_ref().map(|staff| staff.id);
        if by.any_visit || owner == Some(by.user) { Ok(()) } else { Err(Refusal::NotYourVisit) }
    }
}
