//! Playing recorded clips against the check: who is accepted, and how often it errs.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vbranch_domain::{
    Mono, RtpTime,
    kyc::{CameraTraits, KycEvent, KycOutcome, KycRequest, KycSignal, KycVerdict, Portrait},
};

use super::rates::Rate;
use crate::{
    analyze::{AnalyzeError, ClipFrames},
    check::{CheckOutput, FaceCheck, PictureTimes},
    liveness::LivenessPolicy,
    vision::{FaceModels, InferenceError},
};

/// Why clips cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A folder or file cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// There is no clip in a folder.
    #[error("no clip is in {}", .0.display())]
    Empty(PathBuf),
    /// What lies beside a clip is not a script.
    #[error("{}: {what}", file.display())]
    Script {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A clip cannot be read.
    #[error("{}: {source}", file.display())]
    Clip {
        /// Which.
        file: PathBuf,
        /// Why.
        source: AnalyzeError,
    },
    /// A label is given twice, or is that of live people.
    #[error("the label {0} is given twice")]
    Label(String),
    /// A model failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// What lies beside a clip (`CLIP.json`): under what it was recorded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Script {
    /// The seed of the check, 64 hex digits, as in its trace: with it and the same policy the check
    /// asks for the same gestures and shows the same colours again.
    seed: Option<String>,
    /// Milliseconds of the clip before the check began.
    begins_ms: u64,
    /// The portrait, a file beside it.
    portrait: Option<String>,
    /// What the page said of the camera.
    camera: CameraTraits,
}

/// How one clip was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipReport {
    /// `bona_fide`, or the attack's label.
    pub label: String,
    /// The clip's file name.
    pub clip: String,
    /// Whether it was recorded under a known seed. Otherwise it answers to nothing, and only what
    /// needs no answer is judged.
    pub scripted: bool,
    /// Whether it was taken for a live person: the outcome is `pass`.
    pub accepted: bool,
    /// The check's outcome.
    pub outcome: KycOutcome,
    /// Its reason.
    pub reason: String,
    /// Its signals.
    pub signals: Vec<KycSignal>,
}

/// How all clips were judged (ISO/IEC 30107-3).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// Attack presentation classification error rate of each label: attacks that were accepted.
    pub apcer: BTreeMap<String, Rate>,
    /// That of the label with the highest.
    pub apcer_highest: f64,
    /// Bona fide presentation classification error rate: live people that were not accepted,
    /// whether refused or referred to staff.
    pub bpcer: Rate,
    /// Mean of the highest APCER and BPCER.
    pub acer: f64,
    /// SHA-256 of the policy that judged.
    pub policy_sha256: String,
    /// Every clip.
    pub clips: Vec<ClipReport>,
}

/// Label of live people.
const BONA_FIDE: &str = "bona_fide";
/// Clips are played at this many pictures a second, whatever they were recorded at.
const CLIP_FPS: u32 = 25;
/// 90 kHz, divided by the above.
const RTP_STEP: u64 = 90_000 / CLIP_FPS as u64;
/// Scripts are a few lines; a larger file is something else.
const MAX_SCRIPT: u64 = 64 << 10;

/// The clips to be judged, each with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clips(Vec<(String, PathBuf)>);

impl Clips {
    /// Looks for the clips of live people and of each kind of attack.
    ///
    /// # Errors
    /// When a folder cannot be read or has no clip, or a label is given twice.
    pub fn find(bona_fide: &Path, attacks: &[(String, PathBuf)]) -> Result<Self, EvalError> {
        let mut folders = vec![(BONA_FIDE, bona_fide)];
        for (label, folder) in attacks {
            if folders.iter().any(|(known, _)| *known == label.as_str()) {
                return Err(EvalError::Label(label.clone()));
            }
            folders.push((label.as_str(), folder.as_path()));
        }
        let mut found = Vec::new();
        for (label, folder) in folders {
            found.extend(clips(folder)?.into_iter().map(|clip| (label.to_owned(), clip)));
        }
        Ok(Self(found))
    }
}

/// Judges all clips; `each` hears of every one.
///
/// # Errors
/// When a clip or script cannot be read, or a model fails.
pub fn evaluate(
    models: &FaceModels,
    policy: &LivenessPolicy,
    clips: &Clips,
    each: &mut dyn FnMut(&ClipReport),
) -> Result<EvalReport, EvalError> {
    let mut reports = Vec::new();
    for (label, clip) in &clips.0 {
        let report = judge(models, policy, label, clip)?;
        each(&report);
        reports.push(report);
    }
    Ok(rates(reports, policy.sha256()))
}

fn rates(clips: Vec<ClipReport>, policy_sha256: String) -> EvalReport {
    let mut counted: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for clip in &clips {
        let (accepted, all) = counted.entry(&clip.label).or_default();
        *accepted += u32::from(clip.accepted);
        *all += 1;
    }
    let (accepted, all) = counted.remove(BONA_FIDE).unwrap_or_default();
    let bpcer = Rate::of(all - accepted, all);
    let apcer: BTreeMap<String, Rate> = counted
        .into_iter()
        .map(|(label, (accepted, all))| (label.to_owned(), Rate::of(accepted, all)))
        .collect();
    let apcer_highest = apcer.values().map(|r| r.rate).fold(0.0, f64::max);
    let acer = f64::midpoint(apcer_highest, bpcer.rate);
    EvalReport { apcer, apcer_highest, bpcer, acer, policy_sha256, clips }
}

/// The files of a folder that are not scripts or portraits, in order of their names.
fn clips(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let unreadable = |e| EvalError::Unreadable(folder.to_path_buf(), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let beside = ["json", "jpg", "jpeg", "png"].contains(&extension.to_lowercase().as_str());
        if path.is_file() && !beside {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() { Err(EvalError::Empty(folder.to_path_buf())) } else { Ok(found) }
}

/// Plays one clip as a camera.
fn judge(
    models: &FaceModels,
    policy: &LivenessPolicy,
    label: &str,
    clip: &Path,
) -> Result<ClipReport, EvalError> {
    let script = Script::beside(clip)?;
    let (seed, request, begins_ms) = match &script {
        Some(script) => (script.seed(clip)?, script.request(clip)?, script.begins_ms),
        None => (None, KycRequest::default(), 0),
    };
    let scripted = seed.is_some();
    let request = KycRequest { attempt: 1, ..request };
    let mut check = match seed {
        Some(seed) => FaceCheck::new(policy.clone(), request, seed, Mono::ZERO),
        None => FaceCheck::open(policy.clone(), request, Mono::ZERO),
    };
    let interval = Duration::from_secs(1) / policy.max_fps.max(1);
    let failed = |source| EvalError::Clip { file: clip.to_path_buf(), source };
    let (mut next_look, mut verdict, mut now) = (Mono::ZERO, None, Mono::ZERO);
    let first = begins_ms * u64::from(CLIP_FPS) / 1_000;
    for (n, picture) in ClipFrames::open(clip, CLIP_FPS).map_err(failed)?.enumerate() {
        let picture = picture.map_err(failed)?;
        let Some(n) = u64::try_from(n).unwrap_or(u64::MAX).checked_sub(first) else { continue };
        now = Mono::from_millis(n * 1_000 / u64::from(CLIP_FPS));
        while let Some(due) = check.poll_timeout().filter(|due| *due <= now) {
            check.handle_timeout(due);
        }
        let times = PictureTimes { arrived: now, rtp: RtpTime(n * RTP_STEP) };
        check.frame(times);
        if now >= next_look {
            next_look = (next_look + interval).max(now);
            check.look(models, &picture, times);
        }
        verdict = said(&mut check);
        if verdict.is_some() {
            break;
        }
    }
    let verdict = match verdict {
        Some(verdict) => Some(verdict),
        None => {
            if scripted {
                // It was to do something and ended before it was done.
                check.refer("clip_too_short");
            } else {
                check.finish(now);
            }
            said(&mut check)
        }
    };
    let Some(verdict) = verdict else {
        return Err(EvalError::Script {
            file: clip.to_path_buf(),
            what: "the check came to no verdict".to_owned(),
        });
    };
    Ok(report(label, clip, scripted, verdict))
}

fn report(label: &str, clip: &Path, scripted: bool, verdict: KycVerdict) -> ClipReport {
    ClipReport {
        label: label.to_owned(),
        clip: clip.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        scripted,
        accepted: verdict.outcome == KycOutcome::Pass,
        outcome: verdict.outcome,
        reason: verdict.reason,
        signals: verdict.signals,
    }
}

/// What a check has said: only the verdict is of interest.
fn said(check: &mut FaceCheck) -> Option<KycVerdict> {
    let mut verdict = None;
    while let Some(output) = check.poll() {
        if let CheckOutput::Event(KycEvent::Verdict(v)) = output {
            verdict = Some(v);
        }
    }
    verdict
}

impl Script {
    /// The script of a clip: the clip's name with `.json` in place of, or behind, its extension.
    fn beside(clip: &Path) -> Result<Option<Self>, EvalError> {
        let mut behind = clip.as_os_str().to_owned();
        behind.push(".json");
        let Some(file) =
            [clip.with_extension("json"), behind.into()].into_iter().find(|f| f.is_file())
        else {
            return Ok(None);
        };
        let wrong = |what: String| EvalError::Script { file: file.clone(), what };
        let unreadable = |e| EvalError::Unreadable(file.clone(), e);
        if fs::metadata(&file).map_err(unreadable)?.len() > MAX_SCRIPT {
            return Err(wrong("it is too large to be a script".to_owned()));
        }
        let text = fs::read(&file).map_err(unreadable)?;
        // A list would do for a structure of which everything may be missing.
        serde_json::from_slice::<serde_json::Map<_, _>>(&text)
            .and_then(|members| serde_json::from_value(members.into()))
            .map(Some)
            .map_err(|e| wrong(e.to_string()))
    }

    fn seed(&self, clip: &Path) -> Result<Option<[u8; 32]>, EvalError> {
        let Some(text) = &self.seed else { return Ok(None) };
        let mut seed = [0; 32];
        match hex::decode_to_slice(text, &mut seed) {
            Ok(()) => Ok(Some(seed)),
            Err(_) => Err(EvalError::Script {
                file: clip.to_path_buf(),
                what: "the script's seed is not 64 hex digits".to_owned(),
            }),
        }
    }

    fn request(&self, clip: &Path) -> Result<KycRequest, EvalError> {
        let portrait = match &self.portrait {
            None => None,
            Some(name) => {
                // A plain name: a script cannot have other files of the machine looked at.
                let plain = Path::new(name).file_name().is_some_and(|n| n == name.as_str());
                let file = clip.with_file_name(name);
                if !plain {
                    let what = "the script's portrait is not a plain file name".to_owned();
                    return Err(EvalError::Script { file: clip.to_path_buf(), what });
                }
                let bytes = fs::read(&file).map_err(|e| EvalError::Unreadable(file, e))?;
                Some(Portrait(Bytes::from(bytes)))
            }
        };
        Ok(KycRequest { attempt: 1, portrait, camera: self.camera.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(label: &str, accepted: bool) -> ClipReport {
        ClipReport {
            label: label.to_owned(),
            clip: String::new(),
            scripted: true,
            accepted,
            outcome: if accepted { KycOutcome::Pass } else { KycOutcome::Fail },
            reason: String::new(),
            signals: Vec::new(),
        }
    }

    #[test]
    fn rates_are_those_of_the_standard() {
        let clips = vec![
            clip(BONA_FIDE, true),
            clip(BONA_FIDE, true),
            clip(BONA_FIDE, false),
            clip(BONA_FIDE, true),
            clip("print", false),
            clip("print", true),
            clip("screen", false),
        ];
        let report = rates(clips, String::new());
        assert_eq!((report.bpcer.events, report.bpcer.trials), (1, 4));
        assert_eq!(report.apcer["print"].rate, 0.5);
        assert_eq!(report.apcer["screen"].events, 0);
        assert_eq!((report.apcer_highest, report.acer), (0.5, 0.375));
    }

    #[test]
    fn clips_are_told_from_what_lies_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.mp4", "a.webm", "a.json", "b.mp4.json", "face.jpg"] {
            fs::write(folder.path().join(name), b"{}").unwrap();
        }
        let names: Vec<_> = clips(folder.path())
            .unwrap()
            .iter()
            .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.webm", "b.mp4"]);
        assert!(Script::beside(&folder.path().join("b.mp4")).unwrap().is_some());
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(Clips::find(empty.path(), &[]), Err(EvalError::Empty(_))));
        let twice = [("print".to_owned(), folder.path().to_path_buf())];
        let twice = [twice.clone(), twice].concat();
        assert!(matches!(Clips::find(folder.path(), &twice), Err(EvalError::Label(_))));
    }

    #[test]
    fn a_script_that_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("a.mp4");
        for (text, word) in [
            (r#"{"seed": "00"}"#, "seed"),
            (r#"{"portrait": "../../etc/passwd"}"#, "portrait"),
            (r#"{"typo": 1}"#, "typo"),
            ("[]", "a.json"),
        ] {
            fs::write(folder.path().join("a.json"), text).unwrap();
            let error = Script::beside(&clip)
                .and_then(|s| s.unwrap().seed(&clip).map(|_| Script::beside(&clip).unwrap()))
                .and_then(|s| s.unwrap().request(&clip))
                .unwrap_err();
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}
