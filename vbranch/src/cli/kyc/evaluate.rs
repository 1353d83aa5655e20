//! `vbranch kyc eval` and `vbranch kyc match-eval`: error rates over clips and pairs.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use vbranch_kyc::{
    LivenessPolicy,
    evaluate::{
        AtThreshold, ClipReport, Clips, EvalError, EvalReport, MatchError, MatchReport, Rate,
        compare, evaluate, read_pairs,
    },
    vision::FaceModels,
};

use super::{Place, open};
use crate::cli::{USAGE, complain, say, say_json};

#[derive(Debug, Args)]
pub struct Eval {
    /// Folder with clips of live people
    #[arg(long, value_name = "DIR")]
    bona_fide: PathBuf,
    /// Kind of attack and folder with its clips; may be given several times
    #[arg(long = "attack", value_name = "LABEL=DIR", required = true, value_parser = labelled)]
    attacks: Vec<(String, PathBuf)>,
    /// Policy to judge by (TOML); that of the settings file where none is given
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub struct MatchEval {
    /// List of pairs, one `a,b,same` a line: two pictures or clips, and whether they show one person
    #[arg(long, value_name = "FILE.csv")]
    pairs: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

fn labelled(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((label, folder)) if !label.is_empty() && !folder.is_empty() => {
            Ok((label.to_owned(), folder.into()))
        }
        _ => Err("must be LABEL=DIR".to_owned()),
    }
}

pub(super) fn eval(options: &Eval) -> ExitCode {
    let policy = match policy(options) {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let clips = match Clips::find(&options.bona_fide, &options.attacks) {
        Ok(clips) => clips,
        Err(error) => return complain(USAGE, &error),
    };
    let models = match load(&options.place, &policy) {
        Ok(models) => models,
        Err(code) => return code,
    };
    let mut each = |clip: &ClipReport| {
        if !options.json {
            say(&clip_line(clip));
        }
    };
    match evaluate(&models, &policy, &clips, &mut each) {
        Ok(report) if options.json => say_json(&report),
        Ok(report) => {
            eval_table(&report);
            ExitCode::SUCCESS
        }
        Err(error @ EvalError::Inference(_)) => complain(1, &error),
        Err(error) => complain(USAGE, &error),
    }
}

fn policy(options: &Eval) -> Result<LivenessPolicy, ExitCode> {
    let config = crate::config::Config::load(options.place.config.as_deref())
        .map_err(|e| complain(USAGE, &e))?;
    let Some(file) = options.policy.as_ref().or(config.kyc.policy_file.as_ref()) else {
        return Ok(LivenessPolicy::default());
    };
    let text = std::fs::read_to_string(file)
        .map_err(|e| complain(USAGE, &format!("{}: {e}", file.display())))?;
    LivenessPolicy::from_toml(&text)
        .map_err(|e| complain(USAGE, &format!("{}: {e}", file.display())))
}

fn load(place: &Place, policy: &LivenessPolicy) -> Result<FaceModels, ExitCode> {
    let store = open(place)?;
    let models =
        FaceModels::load(&store).map_err(|e| complain(1, &e))?.with_passive(&store, policy);
    let broken = models.passive.iter().find_map(|model| model.as_ref().err());
    match broken {
        Some(error) => Err(complain(1, error)),
        None => Ok(models),
    }
}

fn clip_line(clip: &ClipReport) -> String {
    let how = if clip.scripted { "scripted" } else { "unscripted" };
    format!(
        "{:<16} {:<9} {how:<10} {} ({})",
        clip.label,
        if clip.accepted { "accepted" } else { "refused" },
        clip.clip,
        clip.reason
    )
}

fn eval_table(report: &EvalReport) {
    for (label, rate) in &report.apcer {
        say(&format!("APCER {label}: {}", rate_words(rate)));
    }
    say(&format!("APCER, highest: {:.2} %", report.apcer_highest * 100.0));
    say(&format!("BPCER: {}", rate_words(&report.bpcer)));
    say(&format!("ACER: {:.2} %", report.acer * 100.0));
}

fn rate_words(rate: &Rate) -> String {
    format!(
        "{:.2} % ({} of {}; 95 % bounds {:.2} to {:.2} %)",
        rate.rate * 100.0,
        rate.events,
        rate.trials,
        rate.low * 100.0,
        rate.high * 100.0
    )
}

pub(super) fn match_eval(options: &MatchEval) -> ExitCode {
    let pairs = match read_pairs(&options.pairs) {
        Ok(pairs) => pairs,
        Err(error) => return complain(USAGE, &format!("{}: {error}", options.pairs.display())),
    };
    let models = match load(&options.place, &LivenessPolicy::default()) {
        Ok(models) => models,
        Err(code) => return code,
    };
    match compare(&models, &pairs) {
        Ok(report) if options.json => say_json(&report),
        Ok(report) => {
            match_table(&report);
            ExitCode::SUCCESS
        }
        Err(error @ (MatchError::NoModel(_) | MatchError::Inference(_))) => complain(1, &error),
        Err(error) => complain(USAGE, &error),
    }
}

fn match_table(report: &MatchReport) {
    for (file, why) in &report.unusable {
        say(&format!("left out: {file}: {why}"));
    }
    let range = |range: Option<(f32, f32)>| {
        range.map_or_else(|| "none".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"))
    };
    say(&format!(
        "{} pairs of one person ({}), {} of two ({}), {} left out",
        report.genuine,
        range(report.genuine_range),
        report.impostor,
        range(report.impostor_range),
        report.left_out
    ));
    for at in &report.thresholds {
        say(&threshold_line(at));
    }
    if let Some(equal) = &report.equal_error {
        say(&format!("equal error: {}", threshold_line(equal)));
    }
    for (most, at) in &report.at_fmr {
        say(&format!("FNMR at FMR {most}: {}", threshold_line(at)));
        if f64::from(report.impostor) * most < 1.0 {
            say(&format!(
                "  (only {} pairs of two people: too few for this rate)",
                report.impostor
            ));
        }
    }
}

fn threshold_line(at: &AtThreshold) -> String {
    format!(
        "threshold {:.3}  FMR {}  FNMR {}",
        at.threshold,
        rate_words(&at.fmr),
        rate_words(&at.fnmr)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place() -> Place {
        Place { config: None }
    }

    fn is_usage(code: ExitCode) -> bool {
        format!("{code:?}") == format!("{:?}", ExitCode::from(USAGE))
    }

    #[test]
    fn an_attack_is_a_label_and_a_folder() {
        assert_eq!(labelled("print=a/b"), Ok(("print".to_owned(), PathBuf::from("a/b"))));
        for wrong in ["print", "=a", "print="] {
            assert!(labelled(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn folders_and_lists_that_are_not_there_are_wrong_usage() {
        let folder = tempfile::tempdir().unwrap();
        let eval_of = |bona_fide: PathBuf| Eval {
            bona_fide,
            attacks: vec![("print".to_owned(), folder.path().join("none"))],
            policy: None,
            json: false,
            place: place(),
        };
        assert!(is_usage(eval(&eval_of(folder.path().to_path_buf()))), "an empty folder");
        assert!(is_usage(eval(&eval_of(folder.path().join("none")))), "no folder");
        let pairs = folder.path().join("pairs.csv");
        let list = |pairs: &PathBuf| MatchEval { pairs: pairs.clone(), json: true, place: place() };
        assert!(is_usage(match_eval(&list(&pairs))), "no list");
        fs::write(&pairs, "a.jpg,b.jpg,perhaps").unwrap();
        assert!(is_usage(match_eval(&list(&pairs))), "not a pair");
    }
}
