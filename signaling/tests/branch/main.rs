//! The real router on a loopback port, the real database, and peers that behave like the real
//! media plane, recorder and KYC engine towards it.

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod call_news;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod document;
#[cfg(test)]
mod film;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod kyc;
#[cfg(test)]
mod kyc_abuse;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod supervision;
#[cfg(test)]
mod support;
#[cfg(test)]
mod whip;
