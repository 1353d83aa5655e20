//! Reading a feedback message: strict, borrowing, nothing allocated.

use super::TICK_US;

/// Transport-layer feedback, RFC 4585 section 6.1.
pub(super) const PACKET_TYPE: u8 = 205;
/// The feedback format of transport-wide congestion control.
pub(super) const FORMAT: u8 = 15;
/// Bytes before the first chunk: RTCP header, two SSRCs, base, count, reference time, message count.
pub(super) const HEADER: usize = 20;

/// Most packets one message may speak of. A handful of bytes can claim 65535 of them, and each
/// costs us a look-up: larger and a peer buys our time cheaply, smaller and the message after a long
/// outage on a fast link (5 s at 1500 packets/s) is refused.
const STATUSES_MAX: u16 = 8192;

/// Why a message is not feedback we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FeedbackError {
    /// Not RTCP version 2, type 205, format 15.
    #[error("not transport-wide feedback")]
    WrongType,
    /// Ends before what its header, chunks or deltas announce.
    #[error("feedback cut short")]
    Truncated,
    /// Speaks of no packet, or of more than any message of ours is answered with.
    #[error("feedback for {0} packets")]
    Count(u16),
    /// A symbol or run the draft reserves, or padding longer than the message.
    #[error("feedback malformed")]
    Malformed,
}

/// One feedback message whose structure has been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feedback<'a> {
    /// Number of the first packet spoken of.
    pub(crate) base: u16,
    /// How many packets, `base` onwards, are spoken of.
    pub(crate) count: u16,
    /// Reference time, 24 bits, in units of 64 ms of the receiver's clock.
    pub(crate) reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What a message says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// The packet's transport-wide number.
    pub(crate) seq: u16,
    /// When it arrived, microseconds after the message's reference time; `None` if it had not.
    pub(crate) arrival_us: Option<i64>,
}

/// Parses one RTCP packet (no compound; what follows the packet's own length is ignored).
pub(crate) fn parse(bytes: &[u8]) -> Result<Feedback<'_>, FeedbackError> {
    let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(FeedbackError::Truncated)?;
    let [first, kind, l1, l0, _, _, _, _, _, _, _, _, b1, b0, c1, c0, r2, r1, r0, _] = *header;
    if first >> 6 != 2 || first & 0x1f != FORMAT || kind != PACKET_TYPE {
        return Err(FeedbackError::WrongType);
    }
    let length = (usize::from(u16::from_be_bytes([l1, l0])) + 1) * 4;
    let packet = bytes.get(..length).ok_or(FeedbackError::Truncated)?;
    let padding = match packet.last() {
        Some(&n) if first & 0x20 != 0 => usize::from(n),
        _ => 0,
    };
    let end = length.checked_sub(padding).ok_or(FeedbackError::Malformed)?;
    let body = packet.get(HEADER..end).ok_or(FeedbackError::Truncated)?;

    let count = u16::from_be_bytes([c1, c0]);
    if count == 0 || count > STATUSES_MAX {
        return Err(FeedbackError::Count(count));
    }
    let (chunks, deltas) = split(body, count)?;
    Ok(Feedback {
        base: u16::from_be_bytes([b1, b0]),
        count,
        reference: u32::from_be_bytes([0, r2, r1, r0]),
        chunks,
        deltas,
    })
}

/// Splits the body after its last chunk, having checked that every announced delta is there.
fn split(body: &[u8], count: u16) -> Result<(&[u8], &[u8]), FeedbackError> {
    let mut symbols = Symbols::new(body, count);
    let mut needed = 0_usize;
    let mut seen = 0_u16;
    for symbol in &mut symbols {
        needed += match symbol {
            Symbol::Lost => 0,
            Symbol::Small => 1,
            Symbol::Large => 2,
            Symbol::Reserved => return Err(FeedbackError::Malformed),
        };
        seen += 1;
    }
    if seen != count {
        return Err(FeedbackError::Truncated);
    }
    let at = body.len() - symbols.chunks.len();
    let (chunks, deltas) = body.split_at_checked(at).ok_or(FeedbackError::Truncated)?;
    if deltas.len() < needed {
        return Err(FeedbackError::Truncated);
    }
    Ok((chunks, deltas))
}

impl<'a> Feedback<'a> {
    /// What the message says, packet by packet, in order of their numbers.
    pub(crate) fn statuses(&self) -> Statuses<'a> {
        Statuses {
            symbols: Symbols::new(self.chunks, self.count),
            deltas: self.deltas,
            seq: self.base,
            ticks: 0,
        }
    }
}

/// Iterator over [`Feedback::statuses`].
pub(crate) struct Statuses<'a> {
    symbols: Symbols<'a>,
    deltas: &'a [u8],
    seq: u16,
    ticks: i64,
}

impl Iterator for Statuses<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        let received = match self.symbols.next()? {
            Symbol::Small => {
                let (delta, rest) = self.deltas.split_first()?;
                self.ticks += i64::from(*delta);
                self.deltas = rest;
                true
            }
            Symbol::Large => {
                let (delta, rest) = self.deltas.split_first_chunk::<2>()?;
                self.ticks += i64::from(i16::from_be_bytes(*delta));
                self.deltas = rest;
                true
            }
            Symbol::Lost | Symbol::Reserved => false,
        };
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        Some(Status { seq, arrival_us: received.then(|| self.ticks * TICK_US.cast_signed()) })
    }
}

/// What a chunk can say of a packet (section 3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Lost,
    Small,
    Large,
    Reserved,
}

impl Symbol {
    const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Lost,
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Reserved,
        }
    }
}

/// Unrolls run-length and status-vector chunks (sections 3.1.3 and 3.1.4).
struct Symbols<'a> {
    /// Chunks not yet begun.
    chunks: &'a [u8],
    chunk: u16,
    /// Symbols left in `chunk`.
    left: u16,
    /// Symbols left in the message.
    remaining: u16,
}

impl<'a> Symbols<'a> {
    const fn new(chunks: &'a [u8], count: u16) -> Self {
        Self { chunks, chunk: 0, left: 0, remaining: count }
    }
}

impl Iterator for Symbols<'_> {
    type Item = Symbol;

    fn next(&mut self) -> Option<Symbol> {
        self.remaining = self.remaining.checked_sub(1)?;
        // A run of length zero says nothing; it is stepped over.
        while self.left == 0 {
            let (chunk, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = u16::from_be_bytes(*chunk);
            self.left = match self.chunk >> 14 {
                0 | 1 => self.chunk & 0x1fff,
                2 => 14,
                _ => 7,
            };
        }
        self.left -= 1;
        Some(match self.chunk >> 14 {
            0 | 1 => Symbol::from_bits(self.chunk >> 13),
            2 => Symbol::from_bits((self.chunk >> self.left) & 1),
            _ => Symbol::from_bits(self.chunk >> (2 * self.left)),
        })
    }
}
