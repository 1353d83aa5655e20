//! Single gestures: are those that are made found, and none that are not?

use std::{collections::HashSet, path::PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use vbranch_domain::kyc::Challenge;
use vbranch_kyc::{LivenessPolicy, liveness::Action};

use crate::{
    Places,
    acting::other_side,
    roles::{Kind, Setting, role, seeded},
    run::{read_lines, side_by_side},
    sitter::{Obedience, Sitter},
    stage::{Show, Stage},
};

/// What to ask.
#[derive(Debug, Args)]
pub struct Actions {
    #[command(flatten)]
    places: Places,
    /// Times that each person makes each gesture, each time in other light, size, side and bitrate
    #[arg(long, default_value_t = 4)]
    times: u32,
    /// What was found, one JSON object a line
    #[arg(long)]
    out: PathBuf,
    /// Nothing is begun after so many seconds
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// What a person did when a gesture was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// What was asked.
    Asked,
    /// Another gesture.
    Another,
    /// Nothing.
    Nothing,
}

/// What the check made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The gesture asked for.
    pub asked: Challenge,
    /// Whose film.
    pub subject: String,
    /// Which time.
    pub time: u32,
    /// What was done.
    pub did: Did,
    /// Whether the gesture is of the film; else it is painted.
    pub own: bool,
    /// Whether the check found the gesture it asked for.
    pub found: bool,
    /// The verdict's reason.
    pub reason: String,
}

/// Every gesture there is.
pub const GESTURES: [Challenge; 6] = [
    Challenge::Blink,
    Challenge::TurnLeft,
    Challenge::TurnRight,
    Challenge::OpenMouth,
    Challenge::Nod,
    Challenge::Smile,
];

type Job = (Challenge, usize, u32, Did);

/// Asks for gestures one at a time.
///
/// # Errors
/// When films, models or a codec fail.
pub fn run(options: &Actions) -> anyhow::Result<()> {
    let stage = Stage::load(&options.places)?;
    let key = |f: &Found| (f.asked, f.subject.clone(), f.time, f.did);
    let done: HashSet<_> = read_lines::<Found>(&options.out)?.iter().map(key).collect();
    let mut jobs: Vec<Job> = Vec::new();
    for time in 0..options.times {
        for subject in 0..stage.cast.subjects.len() {
            for asked in GESTURES {
                // Every other time something else is done, or nothing.
                let other = if time % 2 == 0 { Did::Another } else { Did::Nothing };
                jobs.extend([Did::Asked, other].map(|did| (asked, subject, time, did)));
            }
        }
    }
    let name = |subject: usize| stage.cast.subjects[subject].film.name.clone();
    jobs.retain(|&(asked, subject, time, did)| !done.contains(&(asked, name(subject), time, did)));
    let work = |job: &Job| ask(&stage, job);
    let say = |f: &Found| {
        let source = if f.own { "film" } else { "painted" };
        format!(
            "{:?} {} did {:?} ({source}): found {} {}",
            f.asked, f.subject, f.did, f.found, f.reason
        )
    };
    side_by_side(&jobs, options.threads, options.seconds, &options.out, work, say)
}

fn ask(stage: &Stage, &(asked, subject, time, did): &Job) -> anyhow::Result<Found> {
    let people = stage.cast.subjects.len();
    let index = 50_000 + time * 1_000 + subject as u32 * 100 + asked as u32 * 10 + did as u32;
    let setting = Setting { subject, portrait: subject, ..Setting::of(Kind::Live, index, people) };
    let mut role = role(Kind::Live, index, &setting, people, None)?;
    role.obedience = match did {
        Did::Asked => Obedience::Asked(0.5, 1.5),
        Did::Another => Obedience::Contrary,
        Did::Nothing => Obedience::Never,
    };
    // Every other time gestures are painted even where the film has them.
    role.manner.own_gestures = time % 2 == 0;
    role.manner.mirror = time / 2 % 2 == 1;
    let filmed = if role.manner.mirror { other_side(asked) } else { asked };
    let has = stage.cast.subjects[subject].gestures.iter().any(|g| g.kind == filmed);
    let own = (role.manner.own_gestures || asked == Challenge::Blink) && has;
    let sitter = Sitter::new(&stage.cast, role, setting.size, seeded(Kind::Live, index, 3));
    let policy = only(&stage.policy, asked);
    let mut show = Show::new(stage, &policy, &setting, sitter, Kind::Live, index)?;
    show.enough = Some(1);
    let verdict = show.run()?;
    Ok(Found {
        asked,
        subject: stage.cast.subjects[subject].film.name.clone(),
        time,
        did,
        own,
        found: show.found > 0,
        reason: verdict.map_or_else(String::new, |v| v.reason),
    })
}

/// The policy with one gesture and nothing else that could end the check.
fn only(policy: &LivenessPolicy, asked: Challenge) -> LivenessPolicy {
    let mut policy = policy.clone();
    policy.challenges = vec![asked];
    policy.asked = 1;
    policy.challenge_timeout_ms = 8_000;
    policy.gestures.wrong = Action::Off;
    policy.flash.tries = 0;
    policy
}
