//! Where the media plane touches the network: one UDP socket and one TCP listener per shard.

mod egress;
mod framing;
mod tcp;
mod udp;

pub(crate) use egress::Egress;
pub(crate) use framing::Deframer;
pub(crate) use tcp::{TcpEvent, TcpPort};
pub(crate) use udp::{Batch, UdpPort};

use std::{io, net::SocketAddr};

use mio::net::TcpListener;

/// How often a free port is looked for that UDP and TCP both have.
const PORT_TRIES: usize = 16;

/// One shard's sockets: UDP and TCP on the same port number.
pub(crate) struct Listening {
    pub(crate) udp: UdpPort,
    pub(crate) tcp: TcpListener,
}

impl Listening {
    /// Binds both; port 0 takes one that is free for both.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            let udp = UdpPort::bind(address)?;
            match TcpListener::bind(udp.local_addr()) {
                Ok(tcp) => return Ok(Self { udp, tcp }),
                Err(error) if tries == 1 => return Err(error),
                Err(_) => tries -= 1,
            }
        }
    }
}

/// Largest packet taken or sent: an Ethernet frame's worth.
pub(crate) const MAX_PACKET: usize = 1500;
