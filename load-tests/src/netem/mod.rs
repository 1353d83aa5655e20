//! A bad network between real clients and a real server.
//!
//! [`Link`] is one direction of it: a sans-IO, seeded model in virtual time. [`Relay`] drives two
//! links per client over real UDP sockets and stands between the clients and the server. A client
//! comes to the relay because the answer it gets names the relay as the server's address
//! ([`through`]).

mod candidates;
mod conditions;
mod control;
mod link;
mod relay;

pub use candidates::{NoCandidate, first_udp, through};
pub use conditions::{Conditions, Loss, Network, NotAProbability, Probability};
pub use control::{Command, Reply, serve};
pub use link::{Counts, Link};
pub use relay::{Relay, RelayClosed, Totals};
