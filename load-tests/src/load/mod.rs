//! Load: many light clients in one thread, and what they and the server's process show.

pub mod agent;
pub mod calls;
pub mod compare;
pub mod crowd;
pub mod flood;
pub mod histogram;
pub mod machine;
pub mod play;
pub mod report;
pub mod server;
pub mod signal;
pub mod socket;
pub mod synthetic;
