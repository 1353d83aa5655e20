//! Where the media plane touches the network: one UDP socket and one TCP listener per shard.

mod egress;
mod framing;
mod tcp;
mod udp;

pub(crate) use egress::Egress;
pub(crate) use framing::Deframer;
pub(crate) use tcp::{TcpEvent, TcpPort};
pub(crate) use udp::{Batch, UdpPort};

/// Largest packet taken or sent: an Ethernet frame's worth.
pub(crate) const MAX_PACKET: usize = 1500;
