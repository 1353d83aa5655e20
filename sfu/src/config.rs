//! What the media plane has to be told before it starts.

use std::net::{IpAddr, SocketAddr};

/// Settings of the media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SfuConfig {
    /// Address and port of shard 0; shard n listens on port + n.
    pub listen: SocketAddr,
    /// Addresses put into answers as host candidates: where clients can reach `listen`.
    pub advertise: Vec<IpAddr>,
    /// How many shards (OS threads) to run.
    pub shards: u16,
}
