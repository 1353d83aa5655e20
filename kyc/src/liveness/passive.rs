//! What models that look at single pictures make of the face, over the whole check.

/// Scores of each passive model of the policy, in its order.
#[derive(Debug, Default)]
pub(super) struct PassiveScores(Vec<Mean>);

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f32,
    count: u16,
}

impl PassiveScores {
    /// Adds what one model says of one picture, `0..=1`.
    pub(super) fn add(&mut self, model: usize, score: f32) {
        if self.0.len() <= model {
            self.0.resize(model + 1, Mean::default());
        }
        if let Some(mean) = self.0.get_mut(model).filter(|_| score.is_finite()) {
            mean.sum += score;
            mean.count = mean.count.saturating_add(1);
        }
    }

    /// The mean of a model's scores; `None` where it never gave one.
    pub(super) fn mean(&self, model: usize) -> Option<f32> {
        let mean = self.0.get(model).filter(|mean| mean.count > 0)?;
        Some(mean.sum / f32::from(mean.count))
    }
}
