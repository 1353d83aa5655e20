//! The media plane: UDP sockets, shards, peers, the call router, and taps.
//!
//! A **shard** is one OS thread that owns one UDP port and everything behind it: its peers, its
//! calls, its timers. Nothing on the packet path is locked or shared. The rest of the program
//! talks to a shard by values over bounded queues ([`SfuHandle`]), and hears from it through
//! [`SfuEvent`]s.
//!
//! A **peer** knows packets: one ICE-lite / DTLS-SRTP connection. A **call** knows who may hear
//! whom. **Taps** (recorder, KYC) are fed by a reassembly thread beside each shard, so that nothing
//! a tap does can delay a packet.
//!
//! The crate knows nothing of people, money or SQL.

mod bwe;
mod call;
mod codec;
mod config;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod io;
mod peer;
mod rtp;
mod sdp;
mod shard;
pub mod srtp;
mod stream;
mod tap;
mod transport;

pub use config::SfuConfig;
pub use handle::{Answer, JoinError, Sfu, SfuEvent, SfuHandle, StartError};
