//! One trial: a sitter against the check, picture by picture, in virtual time.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use vbranch_domain::{
    Mono, RtpTime,
    kyc::{CameraTraits, KycEvent, KycOutcome, KycRequest, KycSignal, KycVerdict, Portrait},
};
use vbranch_kyc::{
    CheckOutput, FaceCheck, LivenessPolicy, PictureTimes, h264::H264Decoder, video::Decoded,
    vision::FaceModels,
};

use crate::{
    codec::Sender,
    roles::{Kind, Setting, role, seeded},
    sitter::Sitter,
    subject::Cast,
};

/// What every trial needs.
pub struct Stage {
    /// The people.
    pub cast: Cast,
    /// The models of the check.
    pub models: FaceModels,
    /// What the check demands.
    pub policy: LivenessPolicy,
    /// A portrait of each person, as PNG.
    pub portraits: Vec<Portrait>,
    /// Where the course of each check is written down, if anywhere.
    pub traces: Option<PathBuf>,
}

/// How a trial went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Which kind.
    pub kind: Kind,
    /// Which trial of the kind.
    pub index: u32,
    /// Name of the person's film.
    pub subject: String,
    /// What it was played under.
    pub setting: Setting,
    /// The verdict, e.g. `pass`.
    pub outcome: String,
    /// Its reason.
    pub reason: String,
    /// Every signal.
    pub signals: Vec<KycSignal>,
    /// How long the check took in virtual time, ms.
    pub took_ms: u64,
    /// Pictures looked at.
    pub looks: u32,
    /// Gestures made: from the film, and painted.
    pub gestures: (u32, u32),
}

/// A check that has no verdict by then never ends.
const LONGEST: f32 = 200.0;

impl Stage {
    /// Plays a trial.
    ///
    /// # Errors
    /// When codec or film fail.
    pub fn play(&self, kind: Kind, index: u32) -> anyhow::Result<Outcome> {
        let people = self.cast.subjects.len();
        let setting = Setting::of(kind, index, people);
        let recorded = if kind.is_replay() { self.record(index, &setting)? } else { None };
        let role = role(kind, index, &setting, people, recorded)?;
        let sitter = Sitter::new(&self.cast, role, setting.size, seeded(kind, index, 3));
        let mut show = Show::new(self, &self.policy, &setting, sitter, kind, index)?;
        let verdict = show.run()?;
        if let (Some(folder), Some(trace)) = (&self.traces, &show.trace) {
            let file = folder.join(format!("{}-{index}.json", kind.name()));
            std::fs::write(&file, trace).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(show.outcome(kind, index, &setting, &verdict))
    }

    /// A live check of the same person under the same conditions, as it was sent: the first of a
    /// few that passes, or the last.
    fn record(&self, index: u32, setting: &Setting) -> anyhow::Result<Option<Vec<Vec<Bytes>>>> {
        let people = self.cast.subjects.len();
        let mut sent = None;
        for take in 0..3 {
            let index = index + 10_000 * (take + 1);
            let role = role(Kind::Live, index, setting, people, None)?;
            let random = seeded(Kind::Live, index, 3);
            let sitter = Sitter::new(&self.cast, role, setting.size, random);
            let mut show = Show::new(self, &self.policy, setting, sitter, Kind::Live, index)?;
            show.sent = Some(Vec::new());
            let verdict = show.run()?;
            sent = show.sent.take();
            if verdict.is_some_and(|v| v.outcome == KycOutcome::Pass) {
                break;
            }
        }
        Ok(sent)
    }
}

/// A trial under way.
pub struct Show<'a> {
    stage: &'a Stage,
    setting: Setting,
    sitter: Sitter<'a>,
    check: FaceCheck,
    sender: Sender,
    decoder: H264Decoder,
    /// What was sent, where it is kept.
    sent: Option<Vec<Vec<Bytes>>>,
    jitter: rand::rngs::StdRng,
    interval: Duration,
    next_look: Mono,
    now: Mono,
    looks: u32,
    /// Gestures that the check found.
    pub found: u32,
    /// The show is over when so many are found.
    pub enough: Option<u32>,
    verdict: Option<KycVerdict>,
    /// The course of the check, once it is over.
    trace: Option<Bytes>,
}

impl<'a> Show<'a> {
    /// Sets a trial up.
    ///
    /// # Errors
    /// When there is no codec.
    pub fn new(
        stage: &'a Stage,
        policy: &LivenessPolicy,
        setting: &Setting,
        sitter: Sitter<'a>,
        kind: Kind,
        index: u32,
    ) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        seeded(kind, index, 4).fill(&mut seed);
        let request = KycRequest {
            attempt: 1,
            portrait: stage.portraits.get(setting.portrait).cloned(),
            camera: CameraTraits {
                label: Some("Integrated Camera".to_owned()),
                width: u32::try_from(setting.size.0).ok(),
                height: u32::try_from(setting.size.1).ok(),
                frame_rate: Some(setting.fps),
                mobile: Some(false),
            },
        };
        Ok(Self {
            stage,
            setting: *setting,
            sitter,
            check: FaceCheck::new(policy.clone(), request, seed, Mono::ZERO),
            sender: Sender::new(setting.fps, setting.kbit)?,
            decoder: H264Decoder::new()?,
            sent: None,
            jitter: seeded(kind, index, 5),
            interval: Duration::from_secs(1) / policy.max_fps.max(1),
            next_look: Mono::ZERO,
            now: Mono::ZERO,
            looks: 0,
            found: 0,
            enough: None,
            verdict: None,
            trace: None,
        })
    }

    /// Plays to the verdict; none when the check never ends.
    ///
    /// # Errors
    /// When the codec fails.
    pub fn run(&mut self) -> anyhow::Result<Option<KycVerdict>> {
        let fps = self.setting.fps;
        let pictures = (LONGEST * fps) as u32;
        for n in 0..pictures {
            let at = n as f32 / fps;
            let picture = self.sitter.picture(at, 1.0 / fps);
            let nals = self.sender.encode(&picture)?;
            if let Some(sent) = &mut self.sent {
                sent.push(nals.clone());
            }
            let jitter = self.setting.jitter;
            let late = if jitter > 0.0 { self.jitter.random_range(0.0..jitter) } else { 0.0 };
            let arrived = Mono::from_nanos(((at + self.setting.up + late) * 1e9) as u64);
            self.receive(&nals, n, arrived.max(self.now))?;
            if self.verdict.is_some() || self.enough.is_some_and(|n| self.found >= n) {
                break;
            }
        }
        Ok(self.verdict.clone())
    }

    fn receive(&mut self, nals: &[Bytes], n: u32, arrived: Mono) -> anyhow::Result<()> {
        self.pass_time(arrived);
        // A camera's pictures are not quite evenly spaced; those of a program are.
        let uneven = 0.25 * f64::from(self.setting.jitter);
        let off = if uneven > 0.0 { self.jitter.random_range(-uneven..uneven) } else { 0.0 };
        let taken = (f64::from(n) / f64::from(self.setting.fps) + off).max(0.0);
        let rtp = RtpTime((taken * 90_000.0) as u64);
        let times = PictureTimes { arrived, rtp };
        self.check.frame(times);
        let due = arrived >= self.next_look;
        if let Decoded::Picture(picture) = self.decoder.decode(nals, due)? {
            self.next_look = (self.next_look + self.interval).max(arrived);
            self.looks += 1;
            self.check.look(&self.stage.models, &picture, times);
        }
        self.now = arrived;
        self.hear();
        Ok(())
    }

    /// Lets the check's own deadlines pass up to a moment.
    fn pass_time(&mut self, until: Mono) {
        while let Some(due) = self.check.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.check.handle_timeout(self.now);
            self.hear();
        }
    }

    fn hear(&mut self) {
        while let Some(output) = self.check.poll() {
            let event = match output {
                CheckOutput::Event(event) => event,
                CheckOutput::Artifact(artifact) => {
                    if artifact.media_type == "application/json" {
                        self.trace = Some(artifact.bytes);
                    }
                    continue;
                }
            };
            let at = self.now.as_nanos() as f32 / 1e9;
            self.sitter.told(at + self.setting.down, &event);
            match event {
                KycEvent::ChallengeDone { .. } => self.found += 1,
                KycEvent::Verdict(verdict) => self.verdict = Some(verdict),
                _ => {}
            }
        }
    }

    fn outcome(
        &self,
        kind: Kind,
        index: u32,
        setting: &Setting,
        verdict: &Option<KycVerdict>,
    ) -> Outcome {
        let (outcome, reason, signals) = match verdict {
            None => ("none".to_owned(), "never ended".to_owned(), Vec::new()),
            Some(v) => {
                (format!("{:?}", v.outcome).to_lowercase(), v.reason.clone(), v.signals.clone())
            }
        };
        Outcome {
            kind,
            index,
            subject: self.stage.cast.subjects[setting.subject].film.name.clone(),
            setting: *setting,
            outcome,
            reason,
            signals,
            took_ms: self.now.as_nanos() / 1_000_000,
            looks: self.looks,
            gestures: self.sitter.gestures,
        }
    }
}
