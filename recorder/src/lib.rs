//! The encrypted dual recorder: tap -> fMP4 segment -> seal -> two stores -> manifest -> log, and
//! back: verify, replay, export. The only holder of keys.

pub mod capture;
pub mod segment;
#[cfg(test)]
mod test_media;
