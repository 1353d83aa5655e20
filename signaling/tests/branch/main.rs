//! The real router on a loopback port, the real database, and peers that behave like the real
//! media plane, recorder and KYC engine towards it.

mod abuse;
mod auth;
mod calls;
mod document;
mod journey;
mod replay;
mod restart;
mod socket;
mod support;
