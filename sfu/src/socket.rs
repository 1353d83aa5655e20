//! The shard's UDP socket: batched receive with GRO, the local address of every datagram.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use mio::net::UdpSocket;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Room for one GRO batch. WebRTC packets are at most 1500 bytes; the kernel joins up to 64.
const BUFFER: usize = 65_536;
/// Kernel buffers: about 0.1 s of 300 Mbit/s. Smaller drops bursts while the shard is busy.
const KERNEL_BUFFER: usize = 4 << 20;

/// A bound socket and its receive buffers.
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    buffers: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
}

impl Socket {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // Best effort: the kernel caps them at its own limits.
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER);
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            state,
            local,
            buffers: vec![vec![0; BUFFER]; BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// For registration with the poller.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives one batch and calls `each(from, to, datagram)`. `WouldBlock` when there is none.
    pub(crate) fn recv_batch(
        &mut self,
        mut each: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> io::Result<()> {
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        let (state, metas) = (&self.state, &mut self.metas);
        let count = self.socket.try_io(|| state.recv((&self.socket).into(), &mut slices, metas))?;
        for (meta, buffer) in self.metas.iter().zip(&self.buffers).take(count) {
            let to = SocketAddr::new(meta.dst_ip.unwrap_or(self.local.ip()), self.local.port());
            let received = buffer.get(..meta.len).unwrap_or_default();
            for datagram in received.chunks(meta.stride.max(1)) {
                each(meta.addr, to, datagram);
            }
        }
        Ok(())
    }

    /// Sends one datagram. A full kernel buffer drops it: waiting would delay everyone.
    pub(crate) fn send(&self, to: SocketAddr, from: IpAddr, bytes: &[u8]) -> io::Result<()> {
        let src_ip = (!from.is_unspecified()).then_some(from);
        let transmit =
            Transmit { destination: to, ecn: None, contents: bytes, segment_size: None, src_ip };
        self.socket.try_io(|| self.state.try_send((&self.socket).into(), &transmit))
    }
}
