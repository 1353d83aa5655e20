//! A client's UDP socket.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use mio::net::UdpSocket;
use nix::sys::socket::{
    setsockopt,
    sockopt::{RcvBufForce, UdpGroSegment},
};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

/// Kernel buffer, best effort. Smaller loses bursts while the one thread looks elsewhere.
const KERNEL_BUFFER: usize = 8 << 20;
/// What the kernel joins at most.
const BUFFER: usize = 65_536;
/// Batches read before other sockets get their turn.
const BATCHES: usize = 8;

/// Receive buffers, shared by all sockets of a thread.
pub struct Buffers {
    bytes: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
}

impl Default for Buffers {
    fn default() -> Self {
        let bytes = vec![vec![0; BUFFER]; BATCH_SIZE];
        Self { bytes, metas: vec![RecvMeta::default(); BATCH_SIZE] }
    }
}

/// One socket on the loopback interface.
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    /// Opens a socket on a free port.
    ///
    /// Peers are many and far: what they send comes one by one, and what the server joins is cut
    /// before it reaches them. So nothing is `joined` where the server's cost is measured, although
    /// it would be quicker: on loopback, its side would pay less than on a real network. Where its
    /// delay is measured, this side must not be the one that is late.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(joined: bool) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let state = UdpSocketState::new((&socket).into())?;
        setsockopt(&socket, UdpGroSegment, &joined)?;
        // Beyond the system's limit where we may.
        if setsockopt(&socket, RcvBufForce, &KERNEL_BUFFER).is_err() {
            let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        }
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// For registration with a poller.
    pub const fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Sends a datagram; a full kernel buffer drops it.
    pub fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let _ = self.socket.send_to(datagram, to);
    }

    /// Gives what has arrived to `each(from, arrived, datagram)`, with the kernel's time since the
    /// epoch. Whether there may be more.
    pub fn receive(
        &mut self,
        buffers: &mut Buffers,
        mut each: impl FnMut(&mut Self, SocketAddr, Option<Duration>, &[u8]),
    ) -> bool {
        for _ in 0..BATCHES {
            let Buffers { bytes, metas } = buffers;
            let mut slices: Vec<IoSliceMut<'_>> =
                bytes.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            let state = &self.state;
            let received =
                self.socket.try_io(|| state.recv((&self.socket).into(), &mut slices, metas));
            let Ok(count) = received else { return false };
            for (meta, buffer) in metas.iter().zip(bytes).take(count) {
                let received = buffer.get(..meta.len).unwrap_or_default();
                for datagram in received.chunks(meta.stride.max(1)) {
                    each(self, meta.addr, meta.timestamp, datagram);
                }
            }
        }
        true
    }
}
