//! WebRTC bots and bad networks: people and links for tests and load.
//!
//! A [`Bot`] encodes a moving picture and a tone, joins a call by an SDP exchange, and decodes
//! and counts what comes back; it is made of another WebRTC stack than the server. [`netem`]
//! stands between clients and the server and loses, delays and reorders packets.

pub mod bot;
#[cfg(feature = "cli")]
pub mod load;
pub mod netem;
pub mod scene;

pub use bot::{Bot, Heard};
