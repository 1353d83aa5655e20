//! Offers read and answers written (RFC 8829, RFC 8866).
//!
//! One connection per client with fixed media sections: who is in them changes over signaling,
//! never by negotiating again. All sections share one transport (BUNDLE, RFC 9143) and one port
//! for RTP and RTCP (RFC 5761).

mod answer;
mod codec;
mod offer;
mod section;

pub(crate) use answer::{CNAME, Ours, write_answer};
pub(crate) use codec::{Codec, Meaning, PayloadTypes};
pub(crate) use offer::{Offer, check_offer, parse_offer};
pub(crate) use section::{Direction, Section};
