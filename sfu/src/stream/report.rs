//! Numbers of RTCP sender and receiver reports (RFC 3550 section 6.4).

use vbranch_domain::UnixMillis;

/// Seconds from 1900 (NTP) to 1970 (Unix).
const UNIX_EPOCH_IN_NTP: i64 = 2_208_988_800;

/// One report block of an SR or RR (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReportBlock {
    /// The stream reported on.
    pub(crate) ssrc: u32,
    /// Lost since the previous report, in 1/256.
    pub(crate) fraction_lost: u8,
    /// Lost since the beginning, -2^23..2^23; negative where duplicates were counted.
    pub(crate) cumulative_lost: i32,
    /// Highest sequence number received, with the count of cycles in the upper half.
    pub(crate) highest_seq: u32,
    /// Interarrival jitter in ticks of the RTP clock.
    pub(crate) jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 where none came.
    pub(crate) last_sr: u32,
    /// Time from that sender report to this one, in 1/65536 s.
    pub(crate) delay_since_last_sr: u32,
}

impl ReportBlock {
    /// Length on the wire.
    pub(crate) const LEN: usize = 24;

    /// As on the wire.
    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let lost = self.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1);
        let loss = u32::from(self.fraction_lost) << 24 | (lost as u32 & 0x00ff_ffff);
        let words = [
            self.ssrc,
            loss,
            self.highest_seq,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        let mut out = [0; Self::LEN];
        for (to, word) in out.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// From the wire; any bytes make a block.
    pub(crate) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|w| u32::from_be_bytes(*w));
        let mut next = || words.next().unwrap_or_default();
        let (ssrc, loss) = (next(), next());
        Self {
            ssrc,
            fraction_lost: (loss >> 24) as u8,
            // The shifts extend the sign of 24 bits.
            cumulative_lost: ((loss << 8) as i32) >> 8,
            highest_seq: next(),
            jitter: next(),
            last_sr: next(),
            delay_since_last_sr: next(),
        }
    }
}

/// The sender's part of an SR: where a stream is at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderInfo {
    /// The instant on the sender's wall clock, NTP format (32.32 fixed point seconds since 1900).
    pub(crate) ntp: u64,
    /// The same instant on the RTP clock.
    pub(crate) rtp: u32,
    /// Packets sent, modulo 2^32.
    pub(crate) packets: u32,
    /// Payload octets sent, modulo 2^32.
    pub(crate) octets: u32,
}

impl SenderInfo {
    /// [`clock_offset`] of two streams by their last reports.
    pub(crate) fn offset_to(&self, other: &Self, clock_rate: u32) -> u32 {
        clock_offset((self.ntp, self.rtp), (other.ntp, other.rtp), clock_rate)
    }
}

/// What to add to timestamps of the stream that reported `from` to get timestamps of the stream
/// that reported `to`, both of one sender and of one RTP clock rate: simulcast layers start their
/// clocks at random values. A report is an instant by the sender's wall clock (NTP format) and by
/// the stream's RTP clock. A lie in one gives a wrong offset: whoever uses it compares it with
/// the time that passed.
pub(crate) fn clock_offset(from: (u64, u32), to: (u64, u32), clock_rate: u32) -> u32 {
    let elapsed = i128::from(from.0) - i128::from(to.0);
    let ticks = (elapsed * i128::from(clock_rate)) >> 32;
    // At `from`'s instant the other stream was at `to.1 + ticks`; truncation is the clock's.
    to.1.wrapping_add(ticks as u32).wrapping_sub(from.1)
}

/// Middle 32 bits of an NTP time: 1/65536 s, as LSR carries it.
pub(crate) fn compact_ntp(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// NTP time of a wall-clock time.
pub(crate) fn ntp_from_unix(at: UnixMillis) -> u64 {
    let seconds = at.0.div_euclid(1000).saturating_add(UNIX_EPOCH_IN_NTP);
    let millis = at.0.rem_euclid(1000) as u64;
    // NTP eras wrap every 136 years: truncation to 32 bits of seconds is the format.
    ((seconds as u64) << 32) | ((millis << 32) / 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_block_survives_the_wire(bytes in any::<[u8; 24]>()) {
            prop_assert_eq!(ReportBlock::from_bytes(&bytes).to_bytes(), bytes);
        }
    }

    #[test]
    fn unix_epoch_in_ntp() {
        assert_eq!(ntp_from_unix(UnixMillis(0)), 2_208_988_800 << 32);
        assert_eq!(ntp_from_unix(UnixMillis(500)) as u32, 1 << 31);
    }

    #[test]
    fn layers_of_one_camera_are_put_on_one_clock() {
        let info = |ntp, rtp| SenderInfo { ntp, rtp, packets: 0, octets: 0 };
        // The second layer reports half a second after the first.
        let (low, high) = (info(100 << 32, 5_000), info((100 << 32) + (1 << 31), u32::MAX));
        assert_eq!(high.offset_to(&low, 90_000), 5_000 + 45_000 + 1);
        assert_eq!(low.offset_to(&high, 90_000), 0u32.wrapping_sub(5_000 + 45_000 + 1));
    }
}
