//! ICE over TCP for networks without UDP (RFC 6544): clients connect to us, packets are framed by
//! RFC 4571. One listener per shard, on the same port number as UDP.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use vbranch_domain::Mono;

use super::framing::{Deframer, frame_header};
use crate::transport::TcpId;

/// Connections of one shard. More are closed at once: each costs a descriptor and some memory
/// before anyone has proved to be a client.
const MAX_CONNECTIONS: usize = 1024;
/// Connections from one address, for the same reason.
const MAX_PER_ADDRESS: usize = 64;
/// A connection that has not shown a valid check by then is closed.
const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// Bytes waiting for a slow client: about a second of video. More only delays what is shown; then
/// packets are dropped, as a network would.
const MAX_WAITING: usize = 256 << 10;
/// Packets taken from a connection before it has shown a valid check. A client sends a handful of
/// checks; more, and whoever can connect can keep the shard busy.
const MAX_UNPROVEN_PACKETS: u32 = 32;
/// Reads per event, so that one connection cannot keep the shard to itself.
const READS: usize = 4;

/// The listener and its connections.
pub(crate) struct TcpPort {
    listener: TcpListener,
    registry: Registry,
    connections: HashMap<TcpId, Connection>,
    first_token: usize,
    next: u64,
}

struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    deframer: Deframer,
    /// Frames not yet taken by the kernel.
    waiting: Vec<u8>,
    opened: Mono,
    /// Packets that came before a valid check; `None` since it came.
    unproven: Option<u32>,
}

/// What came of an event.
pub(crate) enum TcpEvent<'a> {
    /// A packet from a client.
    Packet(SocketAddr, &'a mut [u8]),
    /// The connection is gone.
    Closed,
}

impl TcpPort {
    /// Takes connections from `listener`; `first_token` and all above it are ours.
    pub(crate) fn new(
        mut listener: TcpListener,
        registry: Registry,
        listen_token: Token,
        first_token: usize,
    ) -> io::Result<Self> {
        registry.register(&mut listener, listen_token, Interest::READABLE)?;
        Ok(Self { listener, registry, connections: HashMap::new(), first_token, next: 0 })
    }

    /// Takes in everyone who waits at the listener.
    pub(crate) fn accept(&mut self, now: Mono) {
        loop {
            match self.listener.accept() {
                Ok((stream, remote)) => {
                    if let Err(error) = self.add(stream, remote, now) {
                        tracing::debug!(%error, "ICE-TCP connection refused");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::debug!(%error, "ICE-TCP accept");
                    }
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream, remote: SocketAddr, now: Mono) -> io::Result<()> {
        let from_there = self.connections.values().filter(|c| c.remote.ip() == remote.ip()).count();
        if self.connections.len() >= MAX_CONNECTIONS || from_there >= MAX_PER_ADDRESS {
            metrics::counter!("vbranch_sfu_tcp_refused_total").increment(1);
            return Err(io::Error::other("too many connections"));
        }
        stream.set_nodelay(true)?;
        let id = TcpId(self.next);
        let token = usize::try_from(self.next).unwrap_or(usize::MAX - self.first_token);
        self.registry.register(
            &mut stream,
            Token(self.first_token + token),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.next += 1;
        let connection = Connection {
            stream,
            remote,
            deframer: Deframer::default(),
            waiting: vec![],
            opened: now,
            unproven: Some(0),
        };
        self.connections.insert(id, connection);
        Ok(())
    }

    /// Which connection an event is about.
    pub(crate) fn id_of(&self, token: Token) -> Option<TcpId> {
        let n = token.0.checked_sub(self.first_token)?;
        u64::try_from(n).ok().map(TcpId).filter(|id| self.connections.contains_key(id))
    }

    /// Reads what there is and sends what waits; true where more may be there to read.
    pub(crate) fn handle(
        &mut self,
        id: TcpId,
        buffer: &mut [u8],
        mut each: impl FnMut(TcpEvent<'_>),
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let alive = connection.send_waiting().is_ok();
        let outcome = if alive { connection.read(buffer, &mut each) } else { Outcome::Closed };
        if matches!(outcome, Outcome::Closed) {
            self.close(id);
            each(TcpEvent::Closed);
        }
        matches!(outcome, Outcome::More)
    }

    /// A valid check came in over this connection: it may stay.
    pub(crate) fn prove(&mut self, id: TcpId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.unproven = None;
        }
    }

    /// Puts a packet in line for [`Self::flush`]; false where it was dropped.
    pub(crate) fn send(&mut self, id: TcpId, packet: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let Some(header) = frame_header(packet) else { return false };
        if connection.waiting.len() + packet.len() > MAX_WAITING {
            return false;
        }
        connection.waiting.extend_from_slice(&header);
        connection.waiting.extend_from_slice(packet);
        true
    }

    /// Hands what is in line to the kernel, as far as it takes it.
    pub(crate) fn flush(&mut self, id: TcpId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            // A broken connection says so at its next event.
            let _ = connection.send_waiting();
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, id: TcpId) {
        if let Some(mut connection) = self.connections.remove(&id) {
            let _ = self.registry.deregister(&mut connection.stream);
        }
    }

    /// Closes connections that never showed a valid check.
    pub(crate) fn expire(&mut self, now: Mono) {
        let late: Vec<TcpId> = self
            .connections
            .iter()
            .filter(|(_, c)| c.unproven.is_some() && now.since(c.opened) >= PROVE_WITHIN)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.close(id);
        }
    }
}

enum Outcome {
    Drained,
    More,
    Closed,
}

impl Connection {
    fn read(&mut self, buffer: &mut [u8], each: &mut impl FnMut(TcpEvent<'_>)) -> Outcome {
        for _ in 0..READS {
            match self.stream.read(buffer) {
                Ok(0) => return Outcome::Closed,
                Ok(len) => {
                    let (remote, unproven) = (self.remote, &mut self.unproven);
                    let bytes = buffer.get(..len).unwrap_or_default();
                    let give = |packet: &mut [u8]| {
                        if let Some(count) = unproven {
                            *count = count.saturating_add(1);
                        }
                        if unproven.is_none_or(|count| count <= MAX_UNPROVEN_PACKETS) {
                            each(TcpEvent::Packet(remote, packet));
                        }
                    };
                    let framed = self.deframer.push(bytes, give).is_ok();
                    if !framed || self.unproven.is_some_and(|n| n > MAX_UNPROVEN_PACKETS) {
                        return Outcome::Closed;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Closed,
            }
        }
        Outcome::More
    }

    fn send_waiting(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.waiting.drain(..len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
