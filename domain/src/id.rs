//! Identifiers. Each is a UUID v7 of its own type, so that a call id can never be passed for a
//! visit id, and so that a path built from one can never leave its folder.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id. UUID v7: ids made later sort later.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::now_v7())
            }

            /// Wraps an existing UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The sixteen bytes of the UUID, big endian (for key derivation contexts).
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                // Only the canonical spelling, so that one id has one name on disk and in URLs.
                match Uuid::try_parse(s) {
                    Ok(uuid) if uuid.as_hyphenated().to_string() == s => Ok(Self(uuid)),
                    _ => Err(InvalidId { expected: stringify!($name) }),
                }
            }
        }
    };
}

/// A string that is not the canonical (lower-case, hyphenated) spelling of a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

id!(
    /// One customer's passage through the branch, from link to close.
    VisitId
);
id!(
    /// The media session inside a visit.
    CallId
);
id!(
    /// What is kept of a call.
    RecordingId
);
id!(
    /// One party of a call. Stable across reloads and reconnects.
    ParticipantId
);
id!(
    /// A staff member, supervisor, auditor or administrator with an account.
    UserId
);
id!(
    /// One film made of a recording.
    FilmId
);
id!(
    /// One authorised viewing of a recording.
    ReplayId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_printed() {
        let id = VisitId::random();
        assert_eq!(id.to_string().parse::<VisitId>(), Ok(id));
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = RecordingId::random().to_string();
        for bad in [
            "",
            "../../etc/passwd",
            &id.to_uppercase(),
            &id.replace('-', ""),
            &format!("{{{id}}}"),
            &format!("urn:uuid:{id}"),
        ] {
            assert!(bad.parse::<RecordingId>().is_err(), "{bad} was accepted");
        }
    }
}
