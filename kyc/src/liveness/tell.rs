//! Advice to the customer: on change only, and not for a flicker.

use std::time::Duration;

use vbranch_domain::{Mono, kyc::Advice};

/// How long an advice must hold before the customer is told: less makes the page flicker, more
/// leaves the customer wondering.
const ADVICE_HOLD: Duration = Duration::from_millis(400);

#[derive(Debug, Default)]
pub(super) struct Adviser {
    told: Option<Advice>,
    pending: Option<(Advice, Mono)>,
}

impl Adviser {
    /// The advice to tell now, if any.
    pub(super) fn advise(&mut self, advice: Advice, now: Mono) -> Option<Advice> {
        if self.told == Some(advice) {
            self.pending = None;
            return None;
        }
        let since = match self.pending {
            Some((pending, since)) if pending == advice => since,
            _ => now,
        };
        if self.told.is_none() || now.since(since) >= ADVICE_HOLD {
            self.told = Some(advice);
            self.pending = None;
            return Some(advice);
        }
        self.pending = Some((advice, since));
        None
    }
}
