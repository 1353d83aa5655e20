//! WebRTC bots: people for tests and load, made of another WebRTC stack than the server's.
//!
//! A [`Bot`] encodes a moving picture and a tone, joins a call by an SDP exchange, and decodes
//! and counts what comes back.

pub mod bot;
pub mod scene;

pub use bot::{Bot, Heard};
