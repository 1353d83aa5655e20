//! The check as a whole: usable picture, challenges and colours, verdict.

mod steps;

use std::{collections::VecDeque, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};
use vbranch_domain::{
    Mono, RtpTime,
    kyc::{Advice, CameraTraits, KycEvent, KycModel, KycOutcome, KycSignal, KycVerdict},
};

use super::{
    course::{Course, Phase},
    flash::{FlashReading, LightLog, Shown},
    identity::{Comparison, Identity, PortraitState},
    look::{FaceObservation, FrameObservation},
    parallax::Parallax,
    passive::PassiveScores,
    policy::{LivenessPolicy, millis},
    quality,
    stream::StreamWatch,
    tell::Adviser,
    usual::UsualFace,
    verdict::{Evidence, challenge_signal, fuse},
    wrong::WrongGestures,
};

/// A look stands for no more than this of the time that a gesture may take, or that a picture may
/// be unfit for the next one. What a customer did between looks further apart, nobody saw: a server
/// without time or a poor line must not use up the time of who has to do it again. The time of the
/// whole check runs on all the same.
const LOOK_STANDS_FOR: Duration = Duration::from_millis(300);

/// One liveness check. Feed it with [`handle`](Self::handle), wake it at
/// [`poll_timeout`](Self::poll_timeout), take what it says from [`poll`](Self::poll).
#[derive(Debug)]
pub struct Liveness {
    policy: LivenessPolicy,
    rng: StdRng,
    course: Course,
    phase: Phase,
    models: Vec<KycModel>,
    camera: CameraTraits,
    started: Mono,
    /// The latest moment the engine knows of; time never runs backwards in it.
    now: Mono,
    last_look: Option<Mono>,
    /// Until then frames came that could not be taken: no fault of the customer's.
    missed: Option<Mono>,
    last_track: Option<u32>,
    unusable: Option<(Advice, Mono)>,
    adviser: Adviser,
    usual: UsualFace,
    wrong: WrongGestures,
    light: LightLog,
    flash: Option<FlashReading>,
    shown: Vec<Shown>,
    /// Until then the customer is asked for less light.
    dim_until: Option<Mono>,
    parallax: Parallax,
    stream: StreamWatch,
    identity: Identity,
    passive: PassiveScores,
    gestures: Vec<KycSignal>,
    presence_sum: f32,
    usable_frames: u32,
    frames: u32,
    moment: Moment,
    out: VecDeque<KycEvent>,
}

/// What the face does at the last look, for those who keep pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moment {
    /// Nothing of note, or nothing usable.
    #[default]
    None,
    /// A usable face at rest looks straight.
    AtRest,
    /// The gesture asked for (which one, from 0) is at its height, for the first time of this try.
    Peak(usize),
}

impl Liveness {
    /// A check that begins at `at`. What it asks for follows from `seed`, which must be
    /// unpredictable to the customer. `camera` is what the page claims.
    #[must_use]
    pub fn new(policy: LivenessPolicy, camera: CameraTraits, seed: [u8; 32], at: Mono) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let course = Course::draw(&policy, &mut rng);
        Self {
            policy,
            rng,
            course,
            phase: Phase::Settling { good_since: None },
            models: Vec::new(),
            camera,
            started: at,
            now: at,
            last_look: None,
            missed: None,
            last_track: None,
            unusable: None,
            adviser: Adviser::default(),
            usual: UsualFace::default(),
            wrong: WrongGestures::default(),
            light: LightLog::default(),
            flash: None,
            shown: Vec::new(),
            dim_until: None,
            parallax: Parallax::default(),
            stream: StreamWatch::default(),
            identity: Identity::default(),
            passive: PassiveScores::default(),
            gestures: Vec::new(),
            presence_sum: 0.0,
            usable_frames: 0,
            frames: 0,
            moment: Moment::None,
            out: VecDeque::new(),
        }
    }

    /// A check that asks for nothing and only looks, until [`Self::finish_open`]: for recorded
    /// videos, whose people cannot answer.
    #[must_use]
    pub fn open(policy: LivenessPolicy, camera: CameraTraits, at: Mono) -> Self {
        Self { course: Course::open(), ..Self::new(policy, camera, [0; 32], at) }
    }

    /// The video is over. A check that only looks is judged by what it saw; any other is not done,
    /// and is referred.
    pub fn finish_open(&mut self, now: Mono) {
        self.handle_timeout(now);
        match self.is_done() {
            true => {}
            false if self.course.open && self.usable_frames > 0 => self.judge_all(),
            false => self.finish(KycOutcome::Refer, "no_video"),
        }
    }

    /// The models that look, for the verdict.
    pub fn use_models(&mut self, models: &[KycModel]) {
        if self.models.is_empty() {
            self.models = models.to_vec();
        }
    }

    /// What came of the portrait of the request.
    pub const fn portrait(&mut self, state: PortraitState) {
        self.identity.state = state;
    }

    /// Notes when a frame was taken, looked at or not.
    pub fn frame(&mut self, rtp: RtpTime) {
        self.stream.frame(rtp);
    }

    /// Notes how alike faces are.
    pub fn compared(&mut self, comparison: Comparison) {
        self.identity.compared(comparison);
    }

    /// Takes one look at the picture. Looks come in the order of their time.
    pub fn handle(&mut self, seen: &FrameObservation) {
        let gap = self.last_look.map_or(Duration::ZERO, |last| seen.at.since(last));
        // First of all: with a picture here, none is missing, however late its turn came.
        self.last_look = Some(self.last_look.map_or(seen.at, |last| last.max(seen.at)));
        self.handle_timeout(seen.at);
        self.moment = Moment::None;
        if self.is_done() {
            return;
        }
        self.frames = self.frames.saturating_add(1);
        self.stream.look(seen);

        let asked = matches!(self.phase, Phase::Asking { .. });
        let obstacle = quality::obstacle(seen, &self.policy.quality, asked);
        let flashing = matches!(self.phase, Phase::Flashing { .. });
        // In the dark of a dark colour a face is dark, and blinded eyes turn away: that is no fault
        // of the customer's.
        let obstacle = obstacle.filter(|o| !flashing || *o != Advice::MoreLight);
        // Before the first challenge the picture has to be good, later only usable.
        let poor = match self.phase {
            Phase::Settling { .. } => quality::shortcoming(seen, &self.policy.quality),
            _ => None,
        };
        self.note_obstacle(obstacle.or(poor), seen.at);
        match (obstacle, &seen.face) {
            (None, Some(face)) => {
                self.usable_frames = self.usable_frames.saturating_add(1);
                self.presence_sum += face.presence;
                let track = self.last_track.replace(face.track);
                let torn = gap > millis(self.policy.max_gap_ms)
                    || track.is_some_and(|track| track != face.track);
                self.judge(seen, face, gap.min(LOOK_STANDS_FOR), torn);
            }
            (obstacle, _) => {
                if let Phase::Flashing { run, .. } = &mut self.phase {
                    run.look(seen.at, None);
                }
                self.interrupt();
                self.advise(obstacle.unwrap_or(Advice::NoFace));
            }
        }
    }

    /// Lets time pass until `now`.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.now = self.now.max(now);
        if self.is_done() {
            return;
        }
        let over = |since: Mono, limit: u64| self.now.since(since) >= millis(limit);
        if self.video_overdue(self.now) {
            self.finish(KycOutcome::Refer, "no_video");
        } else if over(self.started, self.policy.overall_timeout_ms) {
            self.finish(KycOutcome::Fail, "overall_timeout");
        } else if let Some((advice, since)) = self.unusable
            && over(since, self.policy.unusable_timeout_ms)
        {
            self.finish(KycOutcome::Fail, quality::failure_of(advice));
        } else if let Phase::Flashing { run, .. } = &self.phase
            && self.now >= run.due()
        {
            self.flash_on();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due; `None` when the check is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let policy = &self.policy;
        let step = match &self.phase {
            Phase::Done => return None,
            Phase::Flashing { run, .. } => Some(run.due()),
            _ => None,
        };
        let times = [
            Some(self.last_video() + millis(policy.no_video_timeout_ms)),
            Some(self.started + millis(policy.overall_timeout_ms)),
            self.unusable.map(|(_, since)| since + millis(policy.unusable_timeout_ms)),
            step,
        ];
        times.into_iter().flatten().min()
    }

    /// The next thing to tell, in order.
    pub fn poll(&mut self) -> Option<KycEvent> {
        self.out.pop_front()
    }

    /// Whether no picture has come for so long that the check is about to end for it.
    #[must_use]
    pub fn video_overdue(&self, now: Mono) -> bool {
        now.since(self.last_video()) >= millis(self.policy.no_video_timeout_ms)
    }

    /// Takes what a passive model (which one of the policy's, from 0) says of a picture, `0..=1`.
    pub fn passive(&mut self, model: usize, score: f32) {
        self.passive.add(model, score);
    }

    /// Notes that frames came until `at` which this side was too busy to take.
    pub fn missed(&mut self, at: Mono) {
        self.missed = self.missed.max(Some(at));
    }

    fn last_video(&self) -> Mono {
        self.last_look.max(self.missed).unwrap_or(self.started)
    }

    /// Ends the check for a reason outside the picture (no model, no decodable video).
    pub fn refer(&mut self, reason: &str) {
        if !self.is_done() {
            self.finish(KycOutcome::Refer, reason);
        }
    }

    /// Whether the verdict is out (it may still have to be polled).
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// What the face did at the last look.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.moment
    }

    /// Everything that was shown on the screen so far.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// How the face answered to the colours, once it is known.
    #[must_use]
    pub const fn flash(&self) -> Option<&FlashReading> {
        self.flash.as_ref()
    }

    /// Whether colours are on the screen.
    #[must_use]
    pub const fn is_flashing(&self) -> bool {
        matches!(self.phase, Phase::Flashing { .. })
    }

    /// Keeps the time since when the picture has been unusable, and for what.
    const fn note_obstacle(&mut self, obstacle: Option<Advice>, at: Mono) {
        self.unusable = match (obstacle, self.unusable) {
            (None, _) => None,
            (Some(advice), Some((_, since))) => Some((advice, since)),
            (Some(advice), None) => Some((advice, at)),
        };
    }

    /// What was seen before cannot be joined to what follows.
    fn interrupt(&mut self) {
        self.wrong.interrupt();
        self.parallax.interrupt();
        match &mut self.phase {
            Phase::Settling { good_since } => *good_since = None,
            Phase::Asking { attempt, .. } => attempt.interrupt(),
            Phase::Pausing { .. } | Phase::Flashing { .. } | Phase::Done => {}
        }
    }

    /// Judges a usable face. `elapsed` is the time since the last look, as far as it counts.
    fn judge(
        &mut self,
        seen: &FrameObservation,
        face: &FaceObservation,
        elapsed: Duration,
        torn: bool,
    ) {
        if torn {
            self.interrupt();
        }
        self.usual.learn(face);
        let straight = face.yaw.abs() <= self.policy.gestures.straight_yaw;
        self.parallax.look(face, straight);
        if straight {
            // A face that is cut off tells less of whose it is.
            if face.visible >= self.policy.quality.min_visible {
                self.moment = Moment::AtRest;
            }
            if self.course.open && self.parallax.has_turned() {
                self.parallax.end_turn();
            }
        }
        let advice = match &mut self.phase {
            Phase::Settling { .. } | Phase::Pausing { .. } => {
                self.light.push(seen.at, face);
                self.between(seen, straight, elapsed)
            }
            Phase::Asking { .. } => self.asking(seen.at, face, straight, elapsed),
            Phase::Flashing { run, .. } => {
                run.look(seen.at, Some(face));
                if straight { Advice::Good } else { Advice::LookStraight }
            }
            Phase::Done => return,
        };
        self.advise(advice);
    }

    /// Writes down how far the challenge that is out has got.
    fn push_gesture(&mut self, passed: bool) {
        if let Phase::Asking { index, attempt, .. } = &self.phase {
            self.gestures.push(challenge_signal(*index, attempt, passed));
        }
    }

    /// The course is run, or ended by too many wrong gestures: all signals together decide.
    fn judge_all(&mut self) {
        let (signals, outcome, reason) = fuse(&self.evidence(), &self.policy);
        self.end(outcome, reason, signals);
    }

    /// Ends the check for one reason, whatever the other signals say.
    fn finish(&mut self, outcome: KycOutcome, reason: &str) {
        self.push_gesture(false);
        let (signals, ..) = fuse(&self.evidence(), &self.policy);
        self.end(outcome, reason, signals);
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            gestures: &self.gestures,
            wrong: self.wrong.sum,
            flash: self.flash.as_ref(),
            flash_asked: !self.shown.is_empty(),
            turns: &self.parallax.results,
            stream: self.stream.read(),
            camera: &self.camera,
            identity: &self.identity,
            passive: &self.passive,
            presence: (self.usable_frames > 0)
                .then(|| self.presence_sum / self.usable_frames as f32),
        }
    }

    fn end(&mut self, outcome: KycOutcome, reason: &str, signals: Vec<KycSignal>) {
        // A page that shows a colour gets its screen back.
        if let Phase::Flashing { run, .. } = &self.phase
            && self.shown.last().is_some_and(|s| s.colour.is_some())
        {
            let index = self.shown.last().map_or(0, |s| s.index);
            self.shown.push(Shown { at: self.now, colour: None, index });
            self.out.push_back(KycEvent::Flash { colour: None, index, of: run.count() });
        }
        self.phase = Phase::Done;
        self.out.push_back(KycEvent::Verdict(KycVerdict {
            outcome,
            reason: reason.to_owned(),
            signals,
            models: self.models.clone(),
            frames: self.frames,
            artifacts: Vec::new(),
            policy_sha256: self.policy.sha256(),
        }));
    }

    fn advise(&mut self, advice: Advice) {
        if !self.is_done()
            && let Some(advice) = self.adviser.advise(advice, self.now)
        {
            self.out.push_back(KycEvent::Advice { advice });
        }
    }
}
