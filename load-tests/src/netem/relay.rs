//! The bad network over real sockets.
//!
//! One task owns the links of every client; a reader task per client brings what the server sends.
//! Times are as fine as the runtime's timer: a packet may leave a millisecond late.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time,
};
use vbranch_domain::{Clock, Mono, SystemClock};

use super::{
    conditions::Network,
    link::{Counts, Link},
};

/// Clients of one relay; packets of one more are dropped. Each has a socket of its own.
const CLIENTS: usize = 1_024;
/// Packets from the server waiting for the relay's task. Full: dropped by the reader, as a socket
/// buffer would.
const ARRIVALS: usize = 4_096;
/// Orders waiting for the relay's task; whoever gives one more waits.
const ORDERS: usize = 16;
/// Packets of clients taken before what is due goes out: keeps a flood from delaying others.
const BATCH: usize = 64;
/// Kernel buffer per socket, best effort: a burst must be lost by the model, not before it.
const KERNEL_BUFFER: usize = 4 << 20;
/// Largest datagram.
const DATAGRAM: usize = 65_536;

/// The relay's task is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay has ended")]
pub struct RelayClosed;

/// What the relay did so far, over all clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Clients seen.
    pub clients: usize,
    /// From clients to the server.
    pub up: Counts,
    /// From the server to clients.
    pub down: Counts,
}

/// A relay between any number of clients and one server address. Each client has two links of its
/// own and comes to the server from an address of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Change(Network),
    BlackOut(Duration),
    ChangeAddress(oneshot::Sender<io::Result<()>>),
    Totals(oneshot::Sender<Totals>),
}

impl Relay {
    /// Opens a relay to `server` on a free loopback port. Client n draws from `seed` + n.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(server: SocketAddr, network: Network, seed: u64) -> io::Result<Self> {
        let listen = socket().await?;
        let address = listen.local_addr()?;
        let (orders, inbox) = mpsc::channel(ORDERS);
        let owner = Owner::new(listen, server, network, seed);
        tokio::spawn(owner.run(inbox));
        Ok(Self { address, orders })
    }

    /// Where clients have to send to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Other conditions from now on.
    ///
    /// # Errors
    /// [`RelayClosed`].
    pub async fn change(&self, network: Network) -> Result<(), RelayClosed> {
        self.order(Order::Change(network)).await
    }

    /// Nothing passes for this long.
    ///
    /// # Errors
    /// [`RelayClosed`].
    pub async fn black_out(&self, during: Duration) -> Result<(), RelayClosed> {
        self.order(Order::BlackOut(during)).await
    }

    /// Every client comes from a new port from now on, and what is sent to the old one is lost: a
    /// NAT that has forgotten its mapping, or a phone in another network.
    ///
    /// # Errors
    /// When no port can be had, or the relay has ended.
    pub async fn change_address(&self) -> io::Result<()> {
        let (reply, done) = oneshot::channel();
        self.order(Order::ChangeAddress(reply)).await.map_err(io::Error::other)?;
        done.await.map_err(|_| io::Error::other(RelayClosed))?
    }

    /// What it did so far.
    ///
    /// # Errors
    /// [`RelayClosed`].
    pub async fn totals(&self) -> Result<Totals, RelayClosed> {
        let (reply, totals) = oneshot::channel();
        self.order(Order::Totals(reply)).await?;
        totals.await.map_err(|_| RelayClosed)
    }

    async fn order(&self, order: Order) -> Result<(), RelayClosed> {
        self.orders.send(order).await.map_err(|_| RelayClosed)
    }
}

async fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let options = SockRef::from(&socket);
    let _ = options.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = options.set_send_buffer_size(KERNEL_BUFFER);
    Ok(socket)
}

/// A packet from the server: for which client, by way of which of its sockets.
type Arrival = (usize, u32, Bytes);

struct Owner {
    clock: SystemClock,
    listen: UdpSocket,
    server: SocketAddr,
    network: Network,
    seed: u64,
    blackout_until: Mono,
    clients: Vec<Client>,
    readers: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
}

struct Client {
    address: SocketAddr,
    outside: Outside,
    up: Link<Bytes>,
    down: Link<Bytes>,
}

/// The socket by which the server knows a client.
struct Outside {
    generation: u32,
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Owner {
    fn new(listen: UdpSocket, server: SocketAddr, network: Network, seed: u64) -> Self {
        let (readers, arrivals) = mpsc::channel(ARRIVALS);
        Self {
            clock: SystemClock::start(),
            listen,
            server,
            network,
            seed,
            blackout_until: Mono::ZERO,
            clients: vec![],
            readers,
            arrivals,
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let due = self.next_at().map(|at| self.clock.instant(at).into());
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                arrival = self.arrivals.recv() => if let Some(arrival) = arrival {
                    self.take_from_server(arrival);
                },
                received = self.listen.recv_from(&mut buffer) => {
                    self.take_from_clients(received, &mut buffer).await;
                }
                () = until(due) => {}
            }
            self.deliver();
        }
    }

    fn next_at(&self) -> Option<Mono> {
        self.clients.iter().flat_map(|c| [c.up.next_at(), c.down.next_at()]).flatten().min()
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Change(network) => {
                self.network = network;
                for client in &mut self.clients {
                    client.up.change(network.up);
                    client.down.change(network.down);
                }
            }
            Order::BlackOut(during) => {
                let now = self.clock.mono();
                self.blackout_until = now + during;
                for client in &mut self.clients {
                    client.up.black_out(now..self.blackout_until);
                    client.down.black_out(now..self.blackout_until);
                }
            }
            Order::ChangeAddress(reply) => {
                let _ = reply.send(self.change_address().await);
            }
            Order::Totals(reply) => {
                let _ = reply.send(self.totals());
            }
        }
    }

    async fn change_address(&mut self) -> io::Result<()> {
        for (index, client) in self.clients.iter_mut().enumerate() {
            let next = client.outside.generation + 1;
            client.outside = outside(self.server, index, next, self.readers.clone()).await?;
        }
        Ok(())
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals { clients: self.clients.len(), ..Totals::default() };
        for client in &self.clients {
            totals.up = totals.up + client.up.counts();
            totals.down = totals.down + client.down.counts();
        }
        totals
    }

    fn take_from_server(&mut self, (index, generation, packet): Arrival) {
        let now = self.clock.mono();
        if let Some(client) = self.clients.get_mut(index)
            && client.outside.generation == generation
        {
            client.down.push(now, packet);
        }
    }

    async fn take_from_clients(
        &mut self,
        mut received: io::Result<(usize, SocketAddr)>,
        buffer: &mut [u8],
    ) {
        for _ in 0..BATCH {
            // An error is that of an earlier packet to a client that is gone (ICMP).
            let Ok((length, from)) = received else { return };
            let packet = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            let now = self.clock.mono();
            if let Some(client) = self.client(from, now).await {
                client.up.push(now, packet);
            }
            received = self.listen.try_recv_from(buffer);
        }
    }

    async fn client(&mut self, address: SocketAddr, now: Mono) -> Option<&mut Client> {
        if let Some(index) = self.clients.iter().position(|c| c.address == address) {
            return self.clients.get_mut(index);
        }
        let index = self.clients.len();
        if index >= CLIENTS {
            return None;
        }
        let outside = outside(self.server, index, 0, self.readers.clone()).await.ok()?;
        let seed = self.seed.wrapping_add(2 * index as u64);
        let mut up = Link::new(self.network.up, seed);
        let mut down = Link::new(self.network.down, seed.wrapping_add(1));
        if self.blackout_until > now {
            up.black_out(now..self.blackout_until);
            down.black_out(now..self.blackout_until);
        }
        self.clients.push(Client { address, outside, up, down });
        self.clients.last_mut()
    }

    fn deliver(&mut self) {
        let now = self.clock.mono();
        for client in &mut self.clients {
            // A full kernel buffer loses the packet, as any network may.
            while let Some(packet) = client.up.poll(now) {
                let _ = client.outside.socket.try_send(&packet);
            }
            while let Some(packet) = client.down.poll(now) {
                let _ = self.listen.try_send_to(&packet, client.address);
            }
        }
    }
}

async fn until(at: Option<time::Instant>) {
    match at {
        Some(at) => time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn outside(
    server: SocketAddr,
    client: usize,
    generation: u32,
    arrivals: mpsc::Sender<Arrival>,
) -> io::Result<Outside> {
    let socket = Arc::new(socket().await?);
    socket.connect(server).await?;
    let from = socket.clone();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            // An error is the server's closed port (ICMP): it may open again.
            let Ok(length) = from.recv(&mut buffer).await else { continue };
            let packet = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            let _ = arrivals.try_send((client, generation, packet));
        }
    });
    Ok(Outside { generation, socket, reader })
}
