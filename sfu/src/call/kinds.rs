//! A set of media kinds, one bit each.

use vbranch_domain::MediaKind;

/// Every kind, in the order of [`index`].
pub(crate) const ALL: [MediaKind; 3] = [MediaKind::Audio, MediaKind::Video, MediaKind::Screen];

/// A kind's place in arrays with one entry per kind.
pub(crate) const fn index(kind: MediaKind) -> usize {
    match kind {
        MediaKind::Audio => 0,
        MediaKind::Video => 1,
        MediaKind::Screen => 2,
    }
}

/// Some of the three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u8);

impl Kinds {
    /// The set with `kind` in it, or out of it.
    #[must_use]
    pub(crate) const fn with(self, kind: MediaKind, present: bool) -> Self {
        let bit = 1 << index(kind);
        Self(if present { self.0 | bit } else { self.0 & !bit })
    }

    pub(crate) const fn contains(self, kind: MediaKind) -> bool {
        self.0 & (1 << index(kind)) != 0
    }
}

impl FromIterator<MediaKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = MediaKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), |set, kind| set.with(kind, true))
    }
}
