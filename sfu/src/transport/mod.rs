//! What lies below RTP: ICE-lite, DTLS, and telling protocols on one port apart.

pub(crate) mod demux;
pub(crate) mod dtls;
pub(crate) mod ice;

use std::net::{IpAddr, SocketAddr};

/// One TCP connection of a shard; never used again after it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TcpId(pub(crate) u64);

/// A way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Datagrams to `remote`, sent from the address they were received on.
    Udp { remote: SocketAddr, local: IpAddr },
    /// Frames on a TCP connection that the client opened (RFC 6544).
    Tcp { remote: SocketAddr, id: TcpId },
}

impl Path {
    pub(crate) fn remote(&self) -> SocketAddr {
        match self {
            Self::Udp { remote, .. } | Self::Tcp { remote, .. } => *remote,
        }
    }
}
