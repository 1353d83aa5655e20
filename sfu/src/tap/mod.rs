//! From packets to taps: reorder, depacketize, hand on complete frames.
//!
//! Runs on one thread beside each shard. The shard feeds it through one bounded queue
//! ([`feed::TapFeed`]) and never waits for it.

pub(crate) mod feed;
pub(crate) mod h264;
mod reassembly;
mod reorder;
mod timeline;
pub(crate) mod vp8;
mod worker;

pub(crate) use reassembly::{Output, RtpPacket, Stream};
pub(crate) use worker::Worker;
