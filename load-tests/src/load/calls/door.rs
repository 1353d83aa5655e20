//! How a party gets into a call, and by which way it sends.

use std::{collections::HashMap, net::SocketAddr};

use tokio::runtime::Runtime;

use crate::{
    load::signal::{self, Request},
    netem::{self, Conditions, Network, Relay},
};

/// Lets a party in: which call, which of the two, its offer; gives the answer. The address in the
/// answer is where the party sends to.
pub trait Door {
    /// Joins.
    ///
    /// # Errors
    /// When the server refuses.
    fn join(&mut self, call: usize, party: usize, offer: String) -> anyhow::Result<String>;

    /// Parties that may connect at once: more would wait for each other's handshakes.
    fn at_once(&self) -> usize {
        8
    }

    /// Lets everyone go.
    fn leave(&mut self) {}
}

/// The door of a bench server.
pub struct BenchDoor(pub SocketAddr);

impl Door for BenchDoor {
    fn join(&mut self, call: usize, _party: usize, sdp: String) -> anyhow::Result<String> {
        signal::ask(self.0, &Request { room: call, publ: true, sdp })
    }
}

impl Door for Box<dyn Door> {
    fn join(&mut self, call: usize, party: usize, offer: String) -> anyhow::Result<String> {
        self.as_mut().join(call, party, offer)
    }

    fn at_once(&self) -> usize {
        self.as_ref().at_once()
    }

    fn leave(&mut self) {
        self.as_mut().leave();
    }
}

/// A door behind a bad network: each party has a way of its own to the server and back.
pub struct NetemDoor<D> {
    door: D,
    /// Not needed where nothing is wrong.
    network: Option<(Runtime, Network)>,
    seed: u64,
    /// One per address of the server, which may have several media ports.
    relays: HashMap<SocketAddr, Relay>,
}

impl<D> NetemDoor<D> {
    /// The same conditions both ways.
    ///
    /// # Errors
    /// When no thread can be had for the network.
    pub fn new(door: D, conditions: Conditions, seed: u64) -> anyhow::Result<Self> {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1).enable_all().build()
        };
        let good = Conditions {
            loss: netem::Loss::Uniform(netem::Probability::ZERO),
            ..Conditions::default()
        };
        let network = match conditions == good {
            true => None,
            false => Some((runtime()?, Network::both(conditions))),
        };
        Ok(Self { door, network, seed, relays: HashMap::new() })
    }
}

impl<D: Door> Door for NetemDoor<D> {
    fn join(&mut self, call: usize, party: usize, offer: String) -> anyhow::Result<String> {
        let answer = self.door.join(call, party, offer)?;
        let Some((runtime, network)) = &self.network else { return Ok(answer) };
        let server = netem::first_udp(&answer)?;
        let relay = match self.relays.entry(server) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(runtime.block_on(Relay::open(server, *network, self.seed))?)
            }
        };
        Ok(netem::through(relay.address(), &answer)?)
    }

    fn at_once(&self) -> usize {
        self.door.at_once()
    }

    fn leave(&mut self) {
        self.door.leave();
    }
}
