//! What a subscriber's bandwidth is spent on.
//!
//! Sound is reserved first and never cut. Then every picture gets its least, in order of
//! [`Class`]; what is left raises them in the same order. Where not even one picture fits, the
//! subscriber hears and sees nothing move.
//!
//! It does not flap: what is shown already costs what it costs, anything better must fit with
//! [`MARGIN_PERCENT`] to spare, and whoever was lowered stays there for [`RAISE_AFTER`], twice as
//! long each time that raising it did not last.

use std::time::Duration;

use vbranch_domain::{Mono, TrackId};

use super::slots::MAX_SLOTS;

/// Room that a better layer must leave. Smaller flaps with the estimate's own noise; larger leaves
/// bandwidth unused.
const MARGIN_PERCENT: u64 = 15;
/// How long a lowered picture stays lowered. Shorter asks for key frames at every swing of the
/// estimate; longer keeps a picture poor after the network recovered.
const RAISE_AFTER: Duration = Duration::from_secs(2);
/// How long a paused picture stays paused: a still picture is worse than a change too many.
const RESUME_AFTER: Duration = Duration::from_millis(500);
/// A raise that is taken back within this time was a mistake.
const LASTING: Duration = Duration::from_secs(10);
/// The wait is doubled with each mistake after the first, up to this many: 16 s for a raise, 4 s for a resume.
const MOST_MISTAKES: u32 = 4;
/// The least that a source without layers can be asked to come down to and still be a picture.
const ELASTIC_LEAST: u64 = 80_000;
/// A source without layers is of no more use with more than this: 720p of a face.
pub(crate) const ELASTIC_MOST: u64 = 2_500_000;

/// What matters more when bandwidth is short comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Screen,
    Speaker,
    Camera,
}

/// A picture slot that has a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) slot: u8,
    pub(crate) source: TrackId,
    pub(crate) class: Class,
    /// Measured bit/s of what can be chosen, worst first: simulcast layers, each with its temporal
    /// layers. 0 where the publisher does not send it at present. Smoothed by the caller over a
    /// second or more, since pictures come in bursts.
    pub(crate) layers: &'a [u64],
    /// The source has one layer and lets itself be told how much to send (by REMB); [`Choice`]
    /// then says how much this subscriber can take of it.
    pub(crate) elastic: bool,
}

/// What a slot gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    /// Index into [`Demand::layers`]; `None` pauses the slot.
    pub(crate) layer: Option<u8>,
    /// What is set aside for it, bit/s. For an elastic source: the most it should send for this
    /// subscriber.
    pub(crate) bitrate: u64,
}

/// How a subscriber's bandwidth is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Allocation {
    /// By slot.
    pub(crate) choices: [Choice; MAX_SLOTS],
    /// Set aside in all, sound included, bit/s. Within the estimate, unless sound alone is more.
    pub(crate) used: u64,
    /// The estimate at which the most important picture that could be better would be; 0 where
    /// nothing could. Worth probing for.
    pub(crate) next: u64,
    /// The estimate at which everything would be at its best: what quality is measured against.
    pub(crate) full: u64,
}

/// Spends one subscriber's bandwidth; remembers what each slot had, so as not to flap.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    held: [Held; MAX_SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    source: Option<TrackId>,
    layer: Option<u8>,
    raised_at: Option<Mono>,
    lowered_at: Option<Mono>,
    /// Raises in a row that did not last.
    mistakes: u32,
}

/// A demand on its way to a choice.
struct Row<'a> {
    demand: &'a Demand<'a>,
    held: Held,
    chosen: Option<u8>,
    /// Set aside so far.
    spent: u64,
}

impl Allocator {
    /// Spends `estimate` bit/s, of which sound takes `audio`. To be called whenever the estimate
    /// or the demands change, and a few times a second in any case.
    pub(crate) fn allocate(
        &mut self,
        now: Mono,
        estimate: u64,
        audio: u64,
        demands: &[Demand<'_>],
    ) -> Allocation {
        let mut rows: Vec<Row<'_>> =
            demands.iter().filter_map(|demand| self.row(demand)).take(MAX_SLOTS).collect();
        rows.sort_by_key(|row| (row.demand.class, row.demand.slot));
        let mut left = estimate.saturating_sub(audio);
        for row in &mut rows {
            row.take_least(now, &mut left);
        }
        for at in 0..rows.len() {
            let sharers = sharers(&rows, at);
            if let Some(row) = rows.get_mut(at) {
                row.take_more(now, sharers, &mut left);
            }
        }
        self.remember(now, &rows);
        outcome(audio, &rows)
    }

    fn row<'a>(&self, demand: &'a Demand<'a>) -> Option<Row<'a>> {
        let held = *self.held.get(usize::from(demand.slot))?;
        let held = if held.source == Some(demand.source) { held } else { Held::default() };
        Some(Row { demand, held, chosen: None, spent: 0 })
    }

    fn remember(&mut self, now: Mono, rows: &[Row<'_>]) {
        self.held = Default::default();
        for row in rows {
            if let Some(held) = self.held.get_mut(usize::from(row.demand.slot)) {
                *held = row.held.after(now, row.demand.source, row.chosen);
            }
        }
    }
}

impl Held {
    fn after(mut self, now: Mono, source: TrackId, chosen: Option<u8>) -> Self {
        if chosen > self.layer {
            self.raised_at = Some(now);
        } else if chosen < self.layer {
            // One mistake per raise, however many steps it falls.
            if let Some(at) = self.raised_at.take() {
                let hasty = now.since(at) < LASTING;
                self.mistakes = if hasty { (self.mistakes + 1).min(MOST_MISTAKES) } else { 0 };
            }
            self.lowered_at = Some(now);
        }
        Self { source: Some(source), layer: chosen, ..self }
    }

    /// Whether it has been down for long enough.
    fn may_rise(&self, now: Mono) -> bool {
        let wait = if self.layer.is_none() { RESUME_AFTER } else { RAISE_AFTER };
        // The first may have been the network's doing; a second in a row is not.
        let wait = wait * (1 << self.mistakes.saturating_sub(1));
        self.lowered_at.is_none_or(|at| now.since(at) >= wait)
    }
}

impl Row<'_> {
    /// What is measured of a layer, at least what is measured of those below it; `None` where
    /// the publisher does not send it.
    fn cost(&self, layer: usize) -> Option<u64> {
        let sent = self.demand.layers.get(layer).is_some_and(|bitrate| *bitrate > 0);
        let costs = self.demand.layers.iter().take(layer + 1);
        if self.demand.elastic {
            return (sent && layer == 0).then_some(ELASTIC_LEAST);
        }
        costs.max().copied().filter(|_| sent)
    }

    /// What has to be left for a layer to be chosen; `None` where it must not be, for now.
    fn price(&self, now: Mono, layer: usize) -> Option<u64> {
        let cost = self.cost(layer)?;
        if self.held.layer.is_some_and(|held| layer <= usize::from(held)) {
            return Some(cost);
        }
        self.held.may_rise(now).then(|| with_margin(cost))
    }

    fn take_least(&mut self, now: Mono, left: &mut u64) {
        let Some(layer) = (0..self.demand.layers.len()).find(|l| self.cost(*l).is_some()) else {
            return;
        };
        if let Some(price) = self.price(now, layer).filter(|price| price <= left) {
            self.choose(layer, price, left);
        }
    }

    /// Takes the best layer that fits; an elastic source, its share of what is left.
    fn take_more(&mut self, now: Mono, sharers: u64, left: &mut u64) {
        let Some(chosen) = self.chosen else { return };
        if self.demand.elastic {
            let more = (*left / sharers.max(1)).min(ELASTIC_MOST.saturating_sub(self.spent));
            self.spent += more;
            *left = left.saturating_sub(more);
            return;
        }
        let room = left.saturating_add(self.spent);
        let better = (usize::from(chosen) + 1..self.demand.layers.len())
            .rev()
            .find_map(|layer| Some((layer, self.price(now, layer).filter(|p| *p <= room)?)));
        if let Some((layer, price)) = better {
            *left = room;
            self.choose(layer, price, left);
        }
    }

    fn choose(&mut self, layer: usize, price: u64, left: &mut u64) {
        self.chosen = u8::try_from(layer).ok();
        self.spent = price;
        *left = left.saturating_sub(price);
    }

    /// What more the next better choice would need.
    fn missing(&self) -> Option<u64> {
        if self.demand.elastic {
            let sends = self.demand.layers.first().copied().filter(|sends| *sends > 0)?;
            // A source that does not use what it may have has no use for more.
            let limited = self.chosen.is_none() || sends.saturating_mul(10) >= self.spent * 8;
            let more = (self.spent / 2).max(with_margin(ELASTIC_LEAST));
            return (limited && self.spent < ELASTIC_MOST).then_some(more);
        }
        let from = self.chosen.map_or(0, |chosen| usize::from(chosen) + 1);
        let cost = (from..self.demand.layers.len()).find_map(|layer| self.cost(layer))?;
        Some(with_margin(cost).saturating_sub(self.spent))
    }

    /// What it takes at its best.
    fn full(&self) -> u64 {
        let sent = self.demand.layers.iter().max().copied().unwrap_or(0);
        if self.demand.elastic && sent > 0 { ELASTIC_MOST.min(sent.max(self.spent)) } else { sent }
    }
}

/// How many elastic sources of this row's class, itself included, still have to take their share.
fn sharers(rows: &[Row<'_>], at: usize) -> u64 {
    let Some(class) = rows.get(at).map(|row| row.demand.class) else { return 1 };
    let count = rows
        .iter()
        .skip(at)
        .filter(|row| row.demand.elastic && row.demand.class == class && row.chosen.is_some());
    u64::try_from(count.count()).unwrap_or(1)
}

fn outcome(audio: u64, rows: &[Row<'_>]) -> Allocation {
    let mut allocation = Allocation { used: audio, full: audio, ..Allocation::default() };
    for row in rows {
        if let Some(choice) = allocation.choices.get_mut(usize::from(row.demand.slot)) {
            *choice = Choice { layer: row.chosen, bitrate: row.spent };
        }
        allocation.used = allocation.used.saturating_add(row.spent);
        allocation.full = allocation.full.saturating_add(row.full());
    }
    // A paused picture is worth more than a better one.
    let paused = rows.iter().filter(|row| row.chosen.is_none()).find_map(Row::missing);
    let missing = paused.or_else(|| rows.iter().find_map(Row::missing));
    allocation.next = missing.map_or(0, |more| allocation.used.saturating_add(more));
    allocation
}

fn with_margin(bitrate: u64) -> u64 {
    bitrate.saturating_mul(100 + MARGIN_PERCENT) / 100
}

#[cfg(test)]
#[path = "allocate_tests.rs"]
mod tests;
