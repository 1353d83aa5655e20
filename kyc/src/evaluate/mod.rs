//! Measuring the check: error rates over clips (ISO/IEC 30107-3) and over pairs of faces
//! (ISO/IEC 19795-1).

mod clips;
mod matching;
mod rates;

pub use clips::{ClipReport, Clips, EvalError, EvalReport, evaluate};
pub use matching::{AtThreshold, MatchError, MatchReport, Pair, compare, read_pairs};
pub use rates::Rate;
