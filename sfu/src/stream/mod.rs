//! Per-stream state of RTP: what one SSRC needs to be received, repaired, kept, renumbered and
//! sent again. Independent of sockets and of encryption; time is a parameter.
//!
//! A packet's way through this module:
//!
//! ```text
//! publisher ─► ReceiveStream ─► PacketHistory (once per incoming stream)
//!                 │ NACK, RR        ▲
//!                 ▼                 │ get(source_ext_seq)
//!              publisher            │
//!              Rewriter ─► SendStream::sent ─► subscriber (one each per slot)
//!                          SendStream::resolve ◄─ NACK
//! ```
//!
//! Sequence numbers are extended to 64 bits everywhere (RFC 3550 section 6.4.1): comparing is `<`,
//! and SRTP's rollover counter is bits 16 to 47.

pub(crate) mod history;
pub(crate) mod keyframe;
pub(crate) mod nack;
pub(crate) mod receive;
pub(crate) mod red;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod rewrite;
mod ring;
pub(crate) mod rtx;
pub(crate) mod send;
pub(crate) mod seq;

#[cfg(test)]
mod tests;
