//! Until when a recording must be kept.

use std::collections::BTreeMap;

use vbranch_domain::UnixMillis;

use crate::{log::LogEntry, manifest::Manifest};

const DAY_MS: i64 = 86_400_000;

/// How long recordings are kept from their end. Of all rules that apply the longest holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRules {
    /// Days for every recording.
    pub days: u32,
    /// Days for recordings of a journey, by its id without the version.
    pub by_journey: BTreeMap<String, u32>,
}

impl Default for RetentionRules {
    fn default() -> Self {
        // Five years, leap days included.
        Self { days: 1826, by_journey: BTreeMap::new() }
    }
}

/// Whether and why a recording must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// It is under legal hold.
    pub is_held: bool,
    /// It must be kept until then.
    pub until: UnixMillis,
}

impl RetentionRules {
    /// How a recording stands, by its manifest and what the log says of it, oldest first.
    #[must_use]
    pub fn standing(&self, manifest: &Manifest, entries: &[LogEntry]) -> Standing {
        let journey = manifest.journey.split('@').next().unwrap_or_default();
        let days = self.by_journey.get(journey).copied().unwrap_or_default().max(self.days);
        let general = manifest.closed_ms.0.saturating_add(i64::from(days).saturating_mul(DAY_MS));
        let mut standing = Standing { is_held: false, until: UnixMillis(general) };
        for entry in entries {
            match entry {
                LogEntry::Hold(_) => standing.is_held = true,
                LogEntry::Unhold(_) => standing.is_held = false,
                LogEntry::Retain(retain) => {
                    standing.until = standing.until.max(retain.until_ms);
                }
                _ => {}
            }
        }
        standing
    }
}
