//! One value for sound and one for picture.

use vbranch_domain::MediaKind;

/// A pair of `T`, addressed by [`MediaKind`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PerKind<T> {
    audio: T,
    video: T,
}

impl<T> PerKind<T> {
    /// Both kinds, in track order (see `mux`).
    pub(super) const KINDS: [MediaKind; 2] = [MediaKind::Video, MediaKind::Audio];

    pub(super) const fn get(&self, kind: MediaKind) -> &T {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video | MediaKind::Screen => &self.video,
        }
    }

    pub(super) const fn get_mut(&mut self, kind: MediaKind) -> &mut T {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video | MediaKind::Screen => &mut self.video,
        }
    }

    /// Picture first, then sound.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MediaKind, &T)> {
        [(MediaKind::Video, &self.video), (MediaKind::Audio, &self.audio)].into_iter()
    }
}
