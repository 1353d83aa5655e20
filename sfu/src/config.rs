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
    /// What a client's network is taken to carry before anything is known of it, bit/s.
    pub start_bitrate: u64,
    /// The most one client is sent, whatever its network carries, bit/s.
    pub max_bitrate: u64,
}

impl SfuConfig {
    /// One shard at `listen`, reached at `advertise`, with the usual bitrates.
    #[must_use]
    pub fn new(listen: SocketAddr, advertise: Vec<IpAddr>) -> Self {
        Self {
            listen,
            advertise,
            shards: 1,
            start_bitrate: Self::START_BITRATE,
            max_bitrate: Self::MAX_BITRATE,
        }
    }

    /// Enough for a picture at once, and little enough for a poor mobile network not to choke.
    pub const START_BITRATE: u64 = 1_000_000;
    /// Several pictures of good quality.
    pub const MAX_BITRATE: u64 = 10_000_000;
}
