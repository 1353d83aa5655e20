//! The report: error rates with their bounds, and what stopped each attack.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use vbranch_kyc::evaluate::Rate;

use crate::{
    actions::{Did, Found, GESTURES},
    roles::Kind,
    run::read_lines,
    stage::Outcome,
};

/// Where things are.
#[derive(Debug, Args)]
pub struct Report {
    /// Outcomes of `run`
    #[arg(long)]
    results: PathBuf,
    /// What `actions` found
    #[arg(long)]
    actions: Option<PathBuf>,
    /// Text to put below the tables (Markdown)
    #[arg(long)]
    notes: Option<PathBuf>,
    /// The report as Markdown
    #[arg(long)]
    md: PathBuf,
    /// The report as JSON
    #[arg(long)]
    json: PathBuf,
}

#[derive(Serialize)]
struct Figures {
    attacks: Vec<Row>,
    beyond: Vec<Row>,
    apcer_worst: f64,
    attempts: u32,
    accepted: u32,
    live: Live,
    acer: f64,
    gestures: Vec<GestureRow>,
}

#[derive(Serialize)]
struct Row {
    kind: String,
    attempts: u32,
    accepted: u32,
    referred: u32,
    apcer: Rate,
    stopped_by: BTreeMap<String, u32>,
    signals: BTreeMap<String, u32>,
}

#[derive(Serialize)]
struct Live {
    attempts: u32,
    passed: u32,
    referred: u32,
    bpcer: Rate,
    refused_for: BTreeMap<String, u32>,
    by_person: BTreeMap<String, (u32, u32)>,
    by_screen: BTreeMap<String, (u32, u32)>,
    median_seconds: f64,
    gestures_of_film: u32,
    gestures_painted: u32,
}

#[derive(Serialize)]
struct GestureRow {
    gesture: String,
    source: &'static str,
    made: u32,
    found: u32,
    not_made: u32,
    found_all_the_same: u32,
}

/// Makes the report.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(options: &Report) -> anyhow::Result<()> {
    let outcomes: Vec<Outcome> = read_lines(&options.results)?;
    ensure!(!outcomes.is_empty(), "no outcomes in {}", options.results.display());
    let found: Vec<Found> = match &options.actions {
        Some(path) => read_lines(path)?,
        None => Vec::new(),
    };
    let figures = figures(&outcomes, &found);
    std::fs::write(&options.json, serde_json::to_string_pretty(&figures)? + "\n")?;
    let mut text = markdown(&figures)?;
    if let Some(path) = &options.notes {
        text += &std::fs::read_to_string(path)?;
    }
    std::fs::write(&options.md, text)?;
    Ok(())
}

fn figures(outcomes: &[Outcome], found: &[Found]) -> Figures {
    let rows = |kinds: &[Kind]| -> Vec<Row> {
        kinds.iter().filter_map(|kind| row(*kind, outcomes)).collect()
    };
    let attacks = rows(&Kind::ATTACKS);
    let apcer_worst = attacks.iter().map(|r| r.apcer.rate).fold(0.0, f64::max);
    let live = live(outcomes);
    Figures {
        beyond: rows(&[Kind::RelitPuppet]),
        apcer_worst,
        attempts: attacks.iter().map(|r| r.attempts).sum(),
        accepted: attacks.iter().map(|r| r.accepted).sum(),
        acer: f64::midpoint(apcer_worst, live.bpcer.rate),
        attacks,
        live,
        gestures: gestures(found),
    }
}

fn row(kind: Kind, outcomes: &[Outcome]) -> Option<Row> {
    let all: Vec<&Outcome> = outcomes.iter().filter(|o| o.kind == kind).collect();
    let attempts = count(all.len());
    let accepted = count(all.iter().filter(|o| o.outcome == "pass").count());
    let (mut stopped_by, mut signals) = (BTreeMap::new(), BTreeMap::new());
    for o in all.iter().filter(|o| o.outcome != "pass") {
        *stopped_by.entry(o.reason.clone()).or_insert(0) += 1;
        let mut failed: Vec<String> =
            o.signals.iter().filter(|s| !s.passed).map(|s| signal_family(&s.name)).collect();
        failed.sort();
        failed.dedup();
        for name in failed {
            *signals.entry(name).or_insert(0) += 1;
        }
    }
    (attempts > 0).then(|| Row {
        kind: kind.name(),
        attempts,
        accepted,
        referred: count(all.iter().filter(|o| o.outcome == "refer").count()),
        apcer: Rate::of(accepted, attempts),
        stopped_by,
        signals,
    })
}

/// `challenge.2.blink` is a `challenge.blink`, whenever it was asked for.
fn signal_family(name: &str) -> String {
    name.split('.').filter(|part| part.parse::<u32>().is_err()).collect::<Vec<_>>().join(".")
}

fn live(outcomes: &[Outcome]) -> Live {
    let all: Vec<&Outcome> = outcomes.iter().filter(|o| o.kind == Kind::Live).collect();
    let (mut refused_for, mut by_person, mut by_screen) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut took: Vec<u64> = Vec::new();
    for o in &all {
        let passed = o.outcome == "pass";
        let screen = match o.setting.screen {
            s if s < 0.25 => "screen 0.15 to 0.25 of the room's light",
            s if s < 0.45 => "screen 0.25 to 0.45",
            _ => "screen 0.45 to 0.80",
        };
        for (table, key) in
            [(&mut by_person, o.subject.clone()), (&mut by_screen, screen.to_owned())]
        {
            let entry: &mut (u32, u32) = table.entry(key).or_default();
            entry.0 += u32::from(passed);
            entry.1 += 1;
        }
        if passed {
            took.push(o.took_ms);
        } else {
            *refused_for.entry(o.reason.clone()).or_insert(0) += 1;
        }
    }
    took.sort_unstable();
    let attempts = count(all.len());
    let passed = count(took.len());
    Live {
        attempts,
        passed,
        referred: count(all.iter().filter(|o| o.outcome == "refer").count()),
        bpcer: Rate::of(attempts - passed, attempts),
        refused_for,
        by_person,
        by_screen,
        median_seconds: took.get(took.len() / 2).map_or(0.0, |ms| *ms as f64 / 1_000.0),
        gestures_of_film: all.iter().map(|o| o.gestures.0).sum(),
        gestures_painted: all.iter().map(|o| o.gestures.1).sum(),
    }
}

fn gestures(found: &[Found]) -> Vec<GestureRow> {
    let mut rows = Vec::new();
    for asked in GESTURES {
        for (source, own) in [("film", true), ("painted", false)] {
            let of = |did: fn(Did) -> bool| -> Vec<&Found> {
                found.iter().filter(|f| f.asked == asked && f.own == own && did(f.did)).collect()
            };
            let (made, others) = (of(|d| d == Did::Asked), of(|d| d != Did::Asked));
            let yes = |list: &[&Found]| count(list.iter().filter(|f| f.found).count());
            if !made.is_empty() || !others.is_empty() {
                rows.push(GestureRow {
                    gesture: serde_json::to_value(asked)
                        .ok()
                        .and_then(|v| v.as_str().map(str::to_owned))
                        .unwrap_or_default(),
                    source,
                    made: count(made.len()),
                    found: yes(&made),
                    not_made: count(others.len()),
                    found_all_the_same: yes(&others),
                });
            }
        }
    }
    rows
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn words(table: &BTreeMap<String, u32>) -> String {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    all.iter().map(|(name, n)| format!("`{name}` {n}")).collect::<Vec<_>>().join(", ")
}

fn markdown(f: &Figures) -> anyhow::Result<String> {
    let mut text = String::from("# Liveness: presentation attack trials\n\n");
    writeln!(
        text,
        "{} attacks of {} kinds, {} accepted. Highest APCER of a kind {}; BPCER {} ({} of {} live \
         people not passed; 95 % bounds {} to {}); ACER {}.\n",
        f.attempts,
        f.attacks.len(),
        f.accepted,
        percent(f.apcer_worst),
        percent(f.live.bpcer.rate),
        f.live.attempts - f.live.passed,
        f.live.attempts,
        percent(f.live.bpcer.low),
        percent(f.live.bpcer.high),
        percent(f.acer),
    )?;
    text += "## Attacks\n\n| Kind | Attempts | Accepted | Referred | APCER | 95 % bounds | Verdict's reason | Signals that failed |\n|---|---|---|---|---|---|---|---|\n";
    for r in &f.attacks {
        attack_row(&mut text, r)?;
    }
    if !f.beyond.is_empty() {
        text += "\nBeyond what is claimed: a picture made to move and lit as a face is, in real \
                 time, by somebody who controls the camera's stream. It is not among the figures \
                 above.\n\n| Kind | Attempts | Accepted | Referred | APCER | 95 % bounds | Verdict's reason | Signals that failed |\n|---|---|---|---|---|---|---|---|\n";
        for r in &f.beyond {
            attack_row(&mut text, r)?;
        }
    }
    live_text(&mut text, &f.live)?;
    if !f.gestures.is_empty() {
        gesture_text(&mut text, &f.gestures)?;
    }
    Ok(text)
}

fn attack_row(text: &mut String, r: &Row) -> anyhow::Result<()> {
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} to {} | {} | {} |",
        r.kind,
        r.attempts,
        r.accepted,
        r.referred,
        percent(r.apcer.rate),
        percent(r.apcer.low),
        percent(r.apcer.high),
        words(&r.stopped_by),
        words(&r.signals),
    )?;
    Ok(())
}

fn live_text(text: &mut String, live: &Live) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n## Live people\n\n{} checks, {} passed, {} referred to staff; a passed one took {:.1} s \
         (median). {} gestures were those of the films, {} painted.\n",
        live.attempts,
        live.passed,
        live.referred,
        live.median_seconds,
        live.gestures_of_film,
        live.gestures_painted,
    )?;
    if !live.refused_for.is_empty() {
        writeln!(text, "Not passed for: {}.\n", words(&live.refused_for))?;
    }
    text.push_str("| Who, and in what light | Passed | Of |\n|---|---|---|\n");
    for (key, (passed, of)) in live.by_person.iter().chain(&live.by_screen) {
        writeln!(text, "| {key} | {passed} | {of} |")?;
    }
    Ok(())
}

fn gesture_text(text: &mut String, rows: &[GestureRow]) -> anyhow::Result<()> {
    text.push_str(
        "\n## Gestures\n\nOne gesture asked for; the person makes it, or another, or none. Each time \
         in other light, size, bitrate, plain or mirrored.\n\n| Gesture | From | Made | Found | Not \
         made | Found all the same |\n|---|---|---|---|---|---|\n",
    );
    for r in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            r.gesture, r.source, r.made, r.found, r.not_made, r.found_all_the_same
        )?;
    }
    let sum = |of: fn(&GestureRow) -> u32| rows.iter().map(of).sum::<u32>();
    let (made, found) = (sum(|r| r.made), sum(|r| r.found));
    let (not, wrong) = (sum(|r| r.not_made), sum(|r| r.found_all_the_same));
    writeln!(
        text,
        "\nIn all {found} of {made} gestures found ({}), {wrong} of {not} found that were not made \
         ({}).",
        percent(f64::from(found) / f64::from(made.max(1))),
        percent(f64::from(wrong) / f64::from(not.max(1))),
    )?;
    Ok(())
}
