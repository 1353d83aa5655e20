//! The branch itself: HTTP API and WebSocket, sign-in, visits, the queue, journeys, replay
//! endpoints, the database.
//!
//! [`visit`] is the sans-IO core: what may happen in a visit, and in which order. [`branch`] owns
//! all live visits and performs what they ask for. [`api`] lets the world in. Media, recording and
//! KYC are plugged in through [`ports`].

pub mod api;
pub mod auth;
pub mod branch;
pub mod config;
pub mod content;
pub mod ports;
pub mod store;
pub mod visit;

mod metrics;
mod png;
mod signaling;

pub use config::{Limits, SignalingConfig};
pub use content::Text;
pub use signaling::{DEMO_ACCOUNTS, DemoAccount, Signaling, SignalingError};
