//! The branch itself: HTTP API and WebSocket, sign-in, visits, the queue, journeys, replay
//! endpoints, the database.

pub mod config;
pub mod content;
pub mod ports;

mod signaling;

pub use config::{Limits, SignalingConfig};
pub use content::Text;
pub use signaling::{DEMO_ACCOUNTS, DemoAccount, Signaling, SignalingError};
