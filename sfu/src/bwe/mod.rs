//! Congestion control of what is sent to one peer, after Google congestion control
//! (draft-ietf-rmcat-gcc-02 and libwebrtc's later estimators).
//!
//! [`SendBwe`] gives every outgoing packet its transport-wide number, learns from the peer's
//! reports what became of it, and says how much may be sent ([`Estimate`]) and when (its pacer). The
//! rate is the lesser of what delay allows (`delay`: does a queue grow? `aimd`: what follows) and
//! what loss allows (`loss`), and less still while a long queue drains (`standing`). Bursts above it (`probe`) find out whether the path carries more, when
//! more is wanted. `outage` holds and lowers the rate while reports stop.
//!
//! The other direction, reports about what the peer sends, is [`ArrivalLog`]. A peer that did not
//! negotiate transport-wide feedback has no [`SendBwe`].
//!
//! Nothing here reads a clock or allocates per packet: logs grow to the busiest moment and stay.

mod acked;
mod aimd;
mod bitrate;
mod delay;
mod loss;
mod measure;
mod outage;
mod pacer;
mod probe;
mod queue;
mod send;
mod standing;
mod twcc;

#[cfg(test)]
mod link;
#[cfg(test)]
mod tests;

pub(crate) use bitrate::Bitrate;
pub(crate) use probe::Padding;
pub(crate) use queue::{Class, PacedQueue};
pub(crate) use send::{BweConfig, Estimate, SendBwe};
pub(crate) use twcc::{ArrivalLog, parse as parse_feedback};
