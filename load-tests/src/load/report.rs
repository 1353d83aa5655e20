//! Results for people and programs: a table, JSON, and pictures as SVG.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context;
use serde::Serialize;

/// Writes a value as JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a text file, and says which where it cannot.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A table as Markdown whose columns also line up on a terminal.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from("|");
        for (column, cell) in cells.enumerate() {
            let _ = write!(line, " {cell:<width$} |", width = width(column));
        }
        line + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    text.push('|');
    for column in 0..head.len() {
        text.push_str(&"-".repeat(width(column) + 2));
        text.push('|');
    }
    text.push('\n');
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Bars, one per label.
#[must_use]
pub fn bars(title: &str, values: &[(String, f64)]) -> String {
    const LEFT: f64 = 220.0;
    const WIDE: f64 = 420.0;
    const ROW: f64 = 26.0;
    const TOP: f64 = 40.0;
    let most = values.iter().map(|v| v.1).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + ROW * values.len() as f64 + 12.0;
    let mut svg = start(LEFT + WIDE + 110.0, height, title);
    for (row, (label, value)) in values.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let wide = WIDE * value / most;
        let _ = write!(
            svg,
            r##"<text x="{:.0}" y="{:.0}" text-anchor="end">{}</text><rect x="{LEFT:.0}" y="{:.0}" width="{wide:.1}" height="18" fill="#2f6fb2"/><text x="{:.1}" y="{:.0}">{}</text>"##,
            LEFT - 8.0,
            y + 14.0,
            escape(label),
            y,
            LEFT + wide + 6.0,
            y + 14.0,
            short(*value),
        );
    }
    svg + "</svg>\n"
}

/// Lines over time, all of one scale that begins at 0.
#[must_use]
pub fn lines(title: &str, unit: &str, series: &[(&str, Vec<(f64, f64)>)]) -> String {
    const LEFT: f64 = 60.0;
    const WIDE: f64 = 600.0;
    const TOP: f64 = 40.0;
    const TALL: f64 = 180.0;
    const COLOURS: [&str; 6] = ["#2f6fb2", "#b23a2f", "#3b8f4c", "#8a5fb0", "#b08a2f", "#444444"];
    let points = || series.iter().flat_map(|s| &s.1);
    let (x0, x1) = points().fold((f64::MAX, f64::MIN), |(lo, hi), p| (lo.min(p.0), hi.max(p.0)));
    let most = points().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = start(LEFT + WIDE + 20.0, TOP + TALL + 50.0, title);
    let _ = write!(
        svg,
        r##"<path d="M{LEFT:.0} {TOP:.0}V{:.0}H{:.0}" fill="none" stroke="#888"/><text x="{:.0}" y="{:.0}" text-anchor="end">{}</text><text x="{:.0}" y="{:.0}" text-anchor="end">0</text><text x="{:.0}" y="{:.0}" text-anchor="end">{:.0} s</text>"##,
        TOP + TALL,
        LEFT + WIDE,
        LEFT - 6.0,
        TOP + 10.0,
        short(most) + " " + unit,
        LEFT - 6.0,
        TOP + TALL,
        LEFT + WIDE,
        TOP + TALL + 16.0,
        x1,
    );
    for ((name, points), (n, colour)) in series.iter().zip(COLOURS.iter().cycle().enumerate()) {
        let path: String = points
            .iter()
            .map(|(x, y)| {
                let x = LEFT + WIDE * (x - x0) / (x1 - x0).max(f64::MIN_POSITIVE);
                format!("{x:.1},{:.1} ", TOP + TALL * (1.0 - y / most))
            })
            .collect();
        let _ = write!(
            svg,
            r##"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/><text x="{:.0}" y="{:.0}" fill="{colour}">{}</text>"##,
            LEFT + 120.0 * n as f64,
            TOP + TALL + 36.0,
            escape(name),
        );
    }
    svg + "</svg>\n"
}

/// A page that needs nothing else.
#[must_use]
pub fn page(title: &str, blocks: &[String]) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:14px sans-serif;margin:2em;max-width:60em}}\
         pre{{overflow-x:auto}}</style><h1>{title}</h1>\n{}</html>\n",
        blocks.concat()
    )
}

/// Text as it is, in a page.
#[must_use]
pub fn preformatted(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape(text))
}

fn start(width: f64, height: f64, title: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/><text x="10" y="20" font-size="14" font-weight="bold">{}</text>"##,
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Three figures are enough.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e4 => format!("{:.0} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "12".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(
            table(&["x", "y"], &rows),
            "| x    | y  |\n|------|----|\n| a    | 12 |\n| long | 3  |\n"
        );
    }

    #[test]
    fn names_cannot_break_a_picture() {
        let svg = bars("<t>", &[("<script>".into(), 0.0)]);
        assert!(
            svg.contains("&lt;script&gt;") && !svg.contains("<script>") && !svg.contains("NaN")
        );
        assert!(!lines("t", "s", &[("none", vec![])]).contains("NaN"));
    }
}
