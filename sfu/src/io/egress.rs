//! Packets of one client on their way out, gathered so that one system call carries many.

use std::{io, net::IpAddr};

use super::{MAX_PACKET, tcp::TcpPort, udp::UdpPort};
use crate::transport::Path;

/// Bytes gathered before they are sent at the latest: what one UDP_SEGMENT call may carry.
const MAX_BATCH: usize = 60_000;

/// Sealed packets, one behind the other. Empty and without memory until first used, and its memory
/// is used again afterwards.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    /// Used up to `used`; what lies behind is room that need not be cleared again.
    bytes: Vec<u8>,
    used: usize,
    lens: Vec<u16>,
}

/// What became of a flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    pub(crate) packets: u64,
    /// Packets that the kernel or a slow TCP connection had no room for.
    pub(crate) dropped: u64,
}

impl Egress {
    pub(crate) fn is_empty(&self) -> bool {
        self.lens.is_empty()
    }

    /// Whether it should be flushed before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.used + MAX_PACKET > MAX_BATCH
    }

    /// Adds a packet: `write` fills a buffer of [`MAX_PACKET`] bytes and says how long the packet
    /// became, or that there is none.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<usize> {
        let end = self.used + MAX_PACKET;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let len = write(self.bytes.get_mut(self.used..end)?).filter(|len| *len <= MAX_PACKET)?;
        self.used += len;
        self.lens.push(u16::try_from(len).unwrap_or(u16::MAX));
        Some(len)
    }

    /// Sends everything to where the client is.
    pub(crate) fn flush(&mut self, path: Path, udp: &UdpPort, tcp: &mut TcpPort) -> Flushed {
        let flushed = match path {
            Path::Udp { remote, local } => self.flush_udp(udp, remote, local),
            Path::Tcp { id, .. } => self.flush_tcp(tcp, id),
        };
        self.clear();
        flushed
    }

    /// Forgets what there is: the client has no way yet, or none any more.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.lens.clear();
    }

    fn flush_udp(&mut self, udp: &UdpPort, remote: std::net::SocketAddr, local: IpAddr) -> Flushed {
        let mut flushed = Flushed::default();
        let (mut lens, mut bytes) =
            (self.lens.as_slice(), self.bytes.get(..self.used).unwrap_or_default());
        while let Some(&segment) = lens.first() {
            let run = run_length(lens, udp.max_segments());
            let (head, rest) = lens.split_at(run);
            let size: usize = head.iter().map(|len| usize::from(*len)).sum();
            let Some((contents, tail)) = bytes.split_at_checked(size) else { break };
            match udp.send(remote, local, contents, usize::from(segment)) {
                Ok(()) => flushed.packets += run as u64,
                Err(error) => {
                    flushed.dropped += run as u64;
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::debug!(%error, "send");
                    }
                }
            }
            (lens, bytes) = (rest, tail);
        }
        flushed
    }

    fn flush_tcp(&mut self, tcp: &mut TcpPort, id: crate::transport::TcpId) -> Flushed {
        let mut flushed = Flushed::default();
        let mut bytes = self.bytes.as_slice();
        for len in &self.lens {
            let Some((packet, tail)) = bytes.split_at_checked(usize::from(*len)) else { break };
            if tcp.send(id, packet) {
                flushed.packets += 1;
            } else {
                flushed.dropped += 1;
            }
            bytes = tail;
        }
        tcp.flush(id);
        flushed
    }
}

/// How many packets from the front one segmented send may carry: equally long ones, and behind
/// them one that is shorter.
fn run_length(lens: &[u16], max: usize) -> usize {
    let Some(&first) = lens.first() else { return 0 };
    let equal = lens.iter().take(max).take_while(|len| **len == first).count();
    let shorter = lens.get(equal).is_some_and(|len| *len < first) && equal < max;
    equal + usize::from(shorter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_equal_packets_and_one_shorter() {
        assert_eq!(run_length(&[10, 10, 10, 7, 10], 64), 4);
        assert_eq!(run_length(&[10, 12], 64), 1);
        assert_eq!(run_length(&[10, 10, 10], 2), 2);
        assert_eq!(run_length(&[10, 9], 1), 1);
        assert_eq!(run_length(&[], 64), 0);
    }

    #[test]
    fn a_packet_that_was_not_written_leaves_nothing_behind() {
        let mut egress = Egress::default();
        assert_eq!(egress.push(|_| None), None);
        assert!(egress.is_empty());
        let written = egress.push(|out| {
            out[..3].copy_from_slice(b"abc");
            Some(3)
        });
        assert_eq!(written, Some(3));
        assert_eq!(egress.bytes.get(..egress.used), Some(b"abc".as_slice()));
        assert_eq!(egress.lens, [3]);
    }
}
