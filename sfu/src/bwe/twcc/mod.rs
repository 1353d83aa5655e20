//! Transport-wide congestion control feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01.
//!
//! Every RTP packet of a peer carries one running number, whatever its stream. The receiver reports
//! when each number arrived ([`ArrivalLog`] writes such reports); the sender matches a report with
//! what it sent ([`SentLog`]).

mod recv;
mod send;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use recv::ArrivalLog;
pub(crate) use send::{Received, Report, SentLog};
pub(crate) use wire::{FeedbackError, parse};

/// Arrival times are told in ticks of 250 µs (section 3.1.5).
const TICK_US: u64 = 250;

/// The reference time of a report is told in units of 64 ms (section 3.1): 256 ticks.
const TICKS_PER_REFERENCE: u32 = 256;
