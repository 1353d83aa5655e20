//! The branch itself: HTTP API and WebSocket, sign-in, visits, the queue, journeys, replay
//! endpoints, the database.
//!
//! `visit` is the sans-IO core: what may happen in a visit, and in which order. `branch` owns
//! all live visits and performs what they ask for. `api` lets the world in. Media, recording and
//! KYC are plugged in through [`ports`].

mod api;
mod auth;
mod branch;
mod config;
mod content;
mod jpeg;
mod metrics;
mod person;
mod png;
pub mod ports;
mod sdp;
mod signaling;
mod store;
mod visit;

pub use auth::PasswordError;
pub use config::{Limits, SignalingConfig};
pub use content::{ContentError, Text};
pub use signaling::{DEMO_ACCOUNTS, DemoAccount, Parts, Signaling, SignalingError};
pub use store::{HeldCall, Role, StoreError, held_calls};
