//! Is it one person throughout, and the one on the portrait? Judged by how alike faces are; the
//! faces themselves stay outside.

/// How alike faces are (cosine, `-1..=1`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The face now and that of the check so far; `None` for the first.
    pub same: Option<f32>,
    /// All faces of the check together and the portrait; `None` where there is none.
    pub portrait: Option<f32>,
}

/// What was asked for a portrait and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PortraitState {
    /// None was given.
    #[default]
    None,
    /// One face is in it.
    Ready,
    /// It cannot be read, or has no face or several.
    Unusable,
}

/// What is known of the person so far.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The least likeness that was seen twice in a row: a single blurred look says little.
    pub(super) same: Option<f32>,
    last: Option<f32>,
    pub(super) portrait: Option<f32>,
    pub(super) compared: u32,
    pub(super) state: PortraitState,
}

impl Identity {
    pub(super) fn compared(&mut self, comparison: Comparison) {
        self.compared = self.compared.saturating_add(1);
        if let Some(same) = comparison.same.filter(|v| v.is_finite()) {
            // The better of two in a row.
            let steady = self.last.map_or(1.0, |last| last.max(same));
            self.last = Some(same);
            self.same = Some(self.same.map_or(steady, |least| least.min(steady)));
        }
        if let Some(portrait) = comparison.portrait.filter(|v| v.is_finite()) {
            self.portrait = Some(portrait);
        }
    }
}
