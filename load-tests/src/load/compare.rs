//! Several servers side by side in one run: what one moment of the machine gives to one, it gives
//! to all.

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{
    flood::{Flood, Outcome},
    report,
    server::Program,
    synthetic::Codec,
};

/// Clients that are connected and silent.
const IDLE: usize = 200;

/// What to run.
#[derive(Debug, Clone)]
pub struct Compare {
    /// Ours first.
    pub programs: Vec<Entrant>,
    /// How often each; the median counts.
    pub rounds: usize,
    /// How long each time.
    pub measure: Duration,
    /// Cores of server and client.
    pub cores: [usize; 2],
}

/// A server and what it can be offered.
#[derive(Debug, Clone)]
pub struct Entrant {
    /// The server.
    pub program: Program,
    /// Its codec.
    pub codec: Codec,
    /// Whether it wants audio in every offer.
    pub audio: bool,
}

/// A cell of the result.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The server.
    pub server: String,
    /// What was done.
    pub scenario: String,
    /// The median round, by packets per core-second.
    pub outcome: Option<Outcome>,
    /// Why there is none.
    pub refused: Option<String>,
}

struct Scenario {
    name: &'static str,
    rooms: usize,
    subs: usize,
    idle: usize,
    /// At half the packets that this scenario, flooded, has carried.
    half_of: Option<&'static str>,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "1 to 1", rooms: 1, subs: 1, idle: 0, half_of: None },
    Scenario { name: "1 to 20", rooms: 1, subs: 20, idle: 0, half_of: None },
    Scenario { name: "8 x 1 to 1", rooms: 8, subs: 1, idle: 0, half_of: None },
    Scenario { name: "1 to 20, half load", rooms: 1, subs: 20, idle: 0, half_of: Some("1 to 20") },
    Scenario {
        name: "8 x 1 to 1, half load",
        rooms: 8,
        subs: 1,
        idle: 0,
        half_of: Some("8 x 1 to 1"),
    },
    Scenario { name: "idle", rooms: 0, subs: 0, idle: IDLE, half_of: None },
];

impl Compare {
    /// Runs everything; `tell` hears of each step.
    pub fn run(&self, mut tell: impl FnMut(&str)) -> Vec<Cell> {
        let mut cells: Vec<Cell> = vec![];
        for scenario in &SCENARIOS {
            let mut rounds: Vec<Vec<anyhow::Result<Outcome>>> =
                self.programs.iter().map(|_| vec![]).collect();
            // Round by round, so that a slow minute is everyone's.
            for _ in 0..self.rounds {
                for (entrant, outcomes) in self.programs.iter().zip(&mut rounds) {
                    let Some(flood) = self.flood(scenario, entrant, &cells) else { continue };
                    // What was refused once is refused again.
                    if outcomes.iter().all(Result::is_ok) {
                        tell(&format!("{}: {}", scenario.name, entrant.program.name));
                        outcomes.push(self.once(entrant, flood));
                    }
                }
            }
            let named = self.programs.iter().zip(rounds);
            cells.extend(named.map(|(e, outcomes)| cell(e, scenario, outcomes)));
        }
        cells
    }

    fn once(&self, entrant: &Entrant, flood: Flood) -> anyhow::Result<Outcome> {
        let server = entrant.program.start(self.cores[0])?;
        flood.run(server.address, server.pid())
    }

    fn flood(&self, scenario: &Scenario, entrant: &Entrant, cells: &[Cell]) -> Option<Flood> {
        let Scenario { rooms, subs, idle, .. } = *scenario;
        let rate = match scenario.half_of {
            None => 0,
            Some(full) => {
                let same = |c: &&Cell| c.scenario == full && c.server == entrant.program.name;
                let carried = cells.iter().find(same)?.outcome.as_ref()?.sent_pps;
                ((carried / 2.0 / rooms as f64) as u64).max(1)
            }
        };
        let Entrant { codec, audio, .. } = *entrant;
        Some(Flood { rooms, subs, idle, measure: self.measure, rate, window: 64, codec, audio })
    }
}

fn cell(entrant: &Entrant, scenario: &Scenario, outcomes: Vec<anyhow::Result<Outcome>>) -> Cell {
    let mut refused = None;
    let mut good: Vec<Outcome> = vec![];
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => good.push(outcome),
            Err(error) => refused = Some(format!("{error:#}")),
        }
    }
    // Idle runs have no packets: there the order is that of memory.
    let key = |o: &Outcome| o.kb_per_idle.unwrap_or(o.per_core_second);
    good.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let middle = good.len() / 2;
    Cell {
        server: entrant.program.name.clone(),
        scenario: scenario.name.to_owned(),
        outcome: good.into_iter().nth(middle),
        refused,
    }
}

impl Compare {
    /// Keeps the result as a document, a chart and figures.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep(&self, folder: &Path, cells: &[Cell], note: &str) -> anyhow::Result<()> {
        report::write_json(&folder.join("media-plane.json"), &cells)?;
        report::write(&folder.join("media-plane.svg"), &chart(cells))?;
        let (rounds, seconds) = (self.rounds, self.measure.as_secs());
        let note = if note.is_empty() { String::new() } else { format!("\n{note}\n") };
        let text = format!(
            "# Forwarding, side by side\n\n\
             Packets of 1200 bytes over DTLS-SRTP. Each server has a core of its own, the clients \
             have another; medians of {rounds} rounds of {seconds} s, in which the servers take \
             turns. *Half load* sends half of what the same server carried when flooded, evenly, \
             and times it from a sender's socket to a subscriber's, as the kernel notes it; there the \
             kernel hands them over joined, so that the clients keep up. *Idle* \
             is {IDLE} connected, silent clients. Spinners keep both cores awake. `vbranch` is our \
             media plane; the others are throw-away prototypes that check nothing.\n\n\
             {}\n![Packets per core-second](media-plane.svg)\n\n\
             Made with `scripts/bench-sfu.sh`; all figures are in \
             [media-plane.json](media-plane.json).\n{note}",
            table(cells)
        );
        report::write(&folder.join("media-plane.md"), &text)
    }
}

/// The result for people.
#[must_use]
pub fn table(cells: &[Cell]) -> String {
    let head = [
        "scenario",
        "server",
        "packets per core-second",
        "forwarded/s",
        "server cores",
        "lost",
        "delay p50 / p99 ms",
        "sent late p50 / p99 ms",
        "kB per idle",
        "client cores",
    ];
    let rows: Vec<Vec<String>> = cells.iter().map(row).collect();
    report::table(&head, &rows)
}

fn row(cell: &Cell) -> Vec<String> {
    let mut row = vec![cell.scenario.clone(), cell.server.clone()];
    let Some(o) = &cell.outcome else {
        row.push(cell.refused.clone().unwrap_or_else(|| "not run".to_owned()));
        row.resize(10, String::new());
        return row;
    };
    let of_packets = |text: String| if o.kb_per_idle.is_some() { String::new() } else { text };
    row.push(of_packets(format!("{:.0}", o.per_core_second)));
    row.push(of_packets(format!("{:.0}", o.forwarded_pps)));
    row.push(format!("{:.3}", o.server_cores));
    row.push(of_packets(format!("{:.2} %", o.loss * 100.0)));
    for percentiles in [o.delay, o.sender_late] {
        row.push(
            percentiles.map(|p| format!("{:.2} / {:.2}", p.p50_ms, p.p99_ms)).unwrap_or_default(),
        );
    }
    row.push(o.kb_per_idle.map(|kb| format!("{kb:.1}")).unwrap_or_default());
    row.push(of_packets(format!("{:.2}", o.client_cores)));
    row
}

/// A page that needs nothing else: the figures, and their chart where packets were counted.
#[must_use]
pub fn page(title: &str, cells: &[Cell]) -> String {
    let mut blocks = vec![report::preformatted(&table(cells))];
    if cells.iter().any(|cell| carried(cell).is_some()) {
        blocks.push(chart(cells));
    }
    report::page(title, &blocks)
}

/// Packets per core-second as a picture.
#[must_use]
pub fn chart(cells: &[Cell]) -> String {
    // Half load is for the delays.
    let half = |c: &&Cell| SCENARIOS.iter().any(|s| s.name == c.scenario && s.half_of.is_some());
    let values: Vec<(String, f64)> = cells
        .iter()
        .filter(|cell| !half(cell))
        .filter_map(|c| Some((format!("{}: {}", c.scenario, c.server), carried(c)?)))
        .collect();
    report::bars("Forwarded packets per core-second, 1200 bytes", &values)
}

/// Packets per core-second, where there were packets.
fn carried(cell: &Cell) -> Option<f64> {
    let outcome = cell.outcome.as_ref().filter(|o| o.kb_per_idle.is_none())?;
    Some(outcome.per_core_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_chart_where_packets_were_counted() {
        let page_of = |scenario: &str, kb_per_idle| {
            let outcome = Outcome { per_core_second: 1e5, kb_per_idle, ..Outcome::default() };
            let (server, scenario) = ("vbranch".to_owned(), scenario.to_owned());
            page("t", &[Cell { server, scenario, outcome: Some(outcome), refused: None }])
        };
        assert!(page_of("3 x 1 to 2", None).contains("3 x 1 to 2: vbranch</text>"));
        let idle = page_of("20 idle", Some(80.0));
        assert!(idle.contains("80.0") && !idle.contains("<svg"));
    }
}
