//! From packets to taps: reorder, depacketize, hand on complete frames.
//!
//! Runs on one thread beside each shard. The shard feeds it through one bounded queue
//! ([`feed::TapFeed`]) and never waits for it.

pub(crate) mod feed;
mod h264;
mod reassembly;
mod reorder;
mod worker;

pub(crate) use reassembly::RtpPacket;
pub(crate) use worker::Worker;
