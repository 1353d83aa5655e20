//! A run of calls for people.

use super::{Outcome, Second};
use crate::load::report;

/// The figures, one a line.
#[must_use]
pub fn table(o: &Outcome) -> String {
    let of =
        |p: super::Percentiles| format!("{:.1} / {:.1} / {:.1} ms", p.p50_ms, p.p95_ms, p.p99_ms);
    let per_call = o.server_cores * 1e3 / o.calls.max(1) as f64;
    let rows = [
        ("calls", o.calls.to_string()),
        ("video sent per party", format!("{:.0} kbit/s", o.video_bps / 1e3)),
        ("video delivered in whole frames", format!("{:.3} %", o.video_delivered * 100.0)),
        ("audio delivered", format!("{:.3} %", o.audio_delivered * 100.0)),
        ("frame delay p50 / p95 / p99", of(o.video_delay)),
        ("audio delay p50 / p95 / p99", of(o.audio_delay)),
        ("offer to connected p50 / p95 / p99", of(o.connect)),
        ("frames shown per second", format!("{:.1}", o.fps)),
        ("time frozen", format!("{:.2} %", o.frozen * 100.0)),
        ("freezes per party and minute", format!("{:.2}", o.freezes_per_minute)),
        ("key frames asked per party and minute", format!("{:.2}", o.key_frames_per_minute)),
        ("parties without a picture", o.blind.to_string()),
        (
            "server CPU",
            format!("{:.1} % of a core, {per_call:.2} m-cores a call", o.server_cores * 100.0),
        ),
        ("server memory", format!("{:.1} MB", o.server_rss_kb as f64 / 1e3)),
        ("clients' CPU", format!("{:.1} % of a core", o.client_cores * 100.0)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
    report::table(&["", "measured"], &rows)
}

/// A page that needs nothing else: the figures, and their course.
#[must_use]
pub fn page(o: &Outcome) -> String {
    let series = |of: fn(&Second) -> f64| -> Vec<(f64, f64)> {
        o.course.iter().map(|s| (s.at_s, of(s))).collect()
    };
    let delays = [("p50", series(|s| s.delay_p50_ms)), ("p99", series(|s| s.delay_p99_ms))];
    let blocks = [
        report::preformatted(&table(o)),
        report::lines("Frame delay", "ms", &delays),
        report::lines("Frames shown per second and party", "", &[("fps", series(|s| s.fps))]),
        report::lines("Server CPU", "cores", &[("CPU", series(|s| s.server_cores))]),
        report::lines("Server memory", "MB", &[("RSS", series(|s| s.server_rss_kb as f64 / 1e3))]),
    ];
    report::page(&format!("{} calls", o.calls), &blocks)
}
