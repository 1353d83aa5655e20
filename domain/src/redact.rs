//! A wrapper for what must never be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that `Debug` and logs show as `[redacted]`. It has no `Display` on purpose.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a secret or personal value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each call is a place to review.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, by move.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        #[derive(Debug)]
        struct Login {
            #[expect(dead_code, reason = "read by Debug")]
            password: Redacted<String>,
        }
        let shown = format!("{:?}", Login { password: Redacted::new("hunter2".into()) });
        assert_eq!(shown, "Login { password: [redacted] }");
    }
}
