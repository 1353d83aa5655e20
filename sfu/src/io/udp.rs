//! The shard's UDP socket: batched receive with GRO, segmented send with GSO, and the local
//! address of every datagram.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use mio::net::UdpSocket;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Room for one GRO batch. WebRTC packets are at most 1500 bytes; the kernel joins up to 64.
const BUFFER: usize = 65_536;
/// Kernel buffers: about 0.1 s of 300 Mbit/s. Smaller drops bursts while the shard is busy.
const KERNEL_BUFFER: usize = 4 << 20;

/// A bound socket.
pub(crate) struct UdpPort {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// Bound to every address: each send says which one it comes from.
    is_wildcard: bool,
}

/// What one receive call brought. Kept apart from the socket, so that packets can be opened where
/// they lie while the answer to one is being sent.
pub(crate) struct Batch {
    buffers: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
    count: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            buffers: vec![vec![0; BUFFER]; BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
            count: 0,
        }
    }

    /// Calls `each(from, to, datagram)`; `to` is the local address where the kernel told it.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(SocketAddr, Option<IpAddr>, &mut [u8])) {
        for (meta, buffer) in self.metas.iter().zip(&mut self.buffers).take(self.count) {
            let received = buffer.get_mut(..meta.len).unwrap_or_default();
            for datagram in received.chunks_mut(meta.stride.max(1)) {
                each(meta.addr, meta.dst_ip, datagram);
            }
        }
    }

    /// Memory to read something else into while no datagrams are looked at.
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        self.count = 0;
        self.buffers.first_mut().map(Vec::as_mut_slice).unwrap_or_default()
    }

    /// How many datagrams there are.
    pub(crate) fn datagrams(&self) -> u64 {
        let of = |meta: &RecvMeta| meta.len.div_ceil(meta.stride.max(1)) as u64;
        self.metas.iter().take(self.count).map(of).sum()
    }
}

impl UdpPort {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // The library asks for the time of every datagram, which costs more than to look once for
        // a batch.
        let _ = setsockopt(&socket, ReceiveTimestampns, &false);
        // Best effort: the kernel caps them at its own limits.
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER);
        let local = socket.local_addr()?;
        Ok(Self { socket, state, local, is_wildcard: local.ip().is_unspecified() })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// For registration with the poller.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives one batch. `WouldBlock` when there is none.
    pub(crate) fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.count = 0;
        // One small allocation per system call, not per packet: the slices borrow the buffers.
        let mut slices: Vec<IoSliceMut<'_>> =
            batch.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        let (state, metas) = (&self.state, &mut batch.metas);
        batch.count =
            self.socket.try_io(|| state.recv((&self.socket).into(), &mut slices, metas))?;
        Ok(())
    }

    /// How many datagrams one send call may carry.
    pub(crate) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends datagrams of `segment` bytes each (the last may be shorter) to one address. A full
    /// kernel buffer drops them: waiting would delay everyone.
    pub(crate) fn send(
        &self,
        to: SocketAddr,
        from: IpAddr,
        bytes: &[u8],
        segment: usize,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: bytes,
            segment_size: (segment < bytes.len()).then_some(segment),
            src_ip: (self.is_wildcard && !from.is_unspecified()).then_some(from),
        };
        self.socket.try_io(|| self.state.try_send((&self.socket).into(), &transmit))
    }
}
