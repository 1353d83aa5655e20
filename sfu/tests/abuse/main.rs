//! What an attacker or a broken client tries against the running media plane, over real sockets.
//!
//! Beside each attempt an honest call goes on, whose two parties must keep seeing and hearing each
//! other; the offender gets an error or silence. Cases are numbered as in the project's list of
//! abuse cases. They run one after the other in one server, so that what one leaves behind would
//! be met by the next.
#![expect(clippy::unwrap_used, reason = "helpers of a test may panic like the test")]
#![expect(clippy::indexing_slicing, reason = "as above")]
#![expect(clippy::large_futures, reason = "a test has a few clients, with a packet buffer each")]

mod branch;
mod client;
mod gauges;
mod handshake;
mod ice;
mod identity;
mod media;
mod network;
mod rtcp;
mod wire;
