//! All signals together: what each says, and what follows.
//!
//! The rule: a signal that fails and whose action is "fail" fails the check; else one whose action
//! is "refer" sends the customer to staff; else so many that only count, together, do. The reason
//! is that of the first such signal in the order below. Signals that could not be measured are
//! not held against anybody, except the colours: their silence has an action of its own.

use vbranch_domain::kyc::{CameraTraits, KycOutcome, KycSignal};

use super::{
    attempt::Attempt,
    flash::{Answer, FlashReading},
    identity::{Identity, PortraitState},
    parallax::Solidity,
    passive::PassiveScores,
    policy::{Action, LivenessPolicy},
    stream::{self, StreamReading},
};

/// What a check has gathered.
pub(super) struct Evidence<'a> {
    pub(super) gestures: &'a [KycSignal],
    pub(super) wrong: f32,
    pub(super) flash: Option<&'a FlashReading>,
    /// Colours were shown.
    pub(super) flash_asked: bool,
    pub(super) turns: &'a [Option<Solidity>],
    pub(super) stream: StreamReading,
    pub(super) camera: &'a CameraTraits,
    pub(super) identity: &'a Identity,
    pub(super) passive: &'a PassiveScores,
    pub(super) presence: Option<f32>,
}

/// A signal, what follows when it fails, and the word for it.
struct Weighed {
    signal: KycSignal,
    action: Action,
    reason: &'static str,
}

/// The signal of one challenge.
pub(super) fn challenge_signal(index: usize, attempt: &Attempt, passed: bool) -> KycSignal {
    KycSignal {
        name: format!("challenge.{index}.{}", Attempt::name(attempt.challenge())),
        score: finite(attempt.best),
        threshold: finite(attempt.threshold),
        passed,
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// Every signal, and what they come to.
pub(super) fn fuse(
    evidence: &Evidence<'_>,
    policy: &LivenessPolicy,
) -> (Vec<KycSignal>, KycOutcome, &'static str) {
    let mut all: Vec<Weighed> = Vec::new();
    identity(&mut all, evidence, policy);
    flash(&mut all, evidence, policy);
    turns(&mut all, evidence, policy);
    passive(&mut all, evidence, policy);
    stream(&mut all, evidence, policy);
    gestures(&mut all, evidence, policy);
    all.retain(|w| w.action != Action::Off);

    let first = |action: Action| {
        all.iter().find(|w| w.action == action && !w.signal.passed).map(|w| w.reason)
    };
    let doubts = all.iter().filter(|w| w.action == Action::Count && !w.signal.passed).count();
    let (outcome, reason) = if let Some(reason) = first(Action::Fail) {
        (KycOutcome::Fail, reason)
    } else if let Some(reason) = first(Action::Refer) {
        (KycOutcome::Refer, reason)
    } else if doubts >= usize::try_from(policy.doubts).unwrap_or(usize::MAX) {
        (KycOutcome::Refer, "several_doubts")
    } else {
        (KycOutcome::Pass, "live")
    };
    let signals =
        evidence.gestures.iter().cloned().chain(all.into_iter().map(|w| w.signal)).collect();
    (signals, outcome, reason)
}

/// `passed` where the score reaches the threshold.
fn reach(name: impl Into<String>, score: f32, threshold: f32) -> KycSignal {
    let score = finite(score);
    KycSignal { name: name.into(), score, threshold, passed: score >= threshold }
}

/// `passed` where the score stays within the threshold.
fn within(name: impl Into<String>, score: f32, threshold: f32) -> KycSignal {
    KycSignal { name: name.into(), score, threshold, passed: score <= threshold }
}

fn identity(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    let p = &policy.identity;
    let identity = evidence.identity;
    if let Some(same) = identity.same {
        all.push(Weighed {
            signal: reach("face.same", same, p.same),
            action: p.changed,
            reason: "face_changed",
        });
    }
    match (identity.state, identity.portrait) {
        (PortraitState::None, _) => {}
        (PortraitState::Unusable, _) => all.push(Weighed {
            signal: reach("face.portrait", 0.0, 1.0),
            action: Action::Refer,
            reason: "portrait_unusable",
        }),
        // Never looked straight and sharp enough to be compared.
        (PortraitState::Ready, None) => all.push(Weighed {
            signal: reach("face.match", 0.0, p.pass),
            action: Action::Refer,
            reason: "match_unsure",
        }),
        (PortraitState::Ready, Some(alike)) => {
            let unsure = alike >= p.unsure;
            all.push(Weighed {
                signal: reach("face.match", alike, p.pass),
                action: if unsure { Action::Refer } else { p.no_match },
                reason: if unsure { "match_unsure" } else { "no_match" },
            });
        }
    }
}

fn flash(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    let p = &policy.flash;
    let Some(r) = evidence.flash else {
        if evidence.flash_asked {
            all.push(Weighed {
                signal: reach("flash.correlation", 0.0, p.correlation),
                action: p.unseen,
                reason: "flash_unseen",
            });
        }
        return;
    };
    let (action, reason) = match r.answer {
        Answer::Foreign => (p.mismatch, "flash_mismatch"),
        Answer::Late => (p.unseen, "flash_late"),
        Answer::Unseen | Answer::Follows => (p.unseen, "flash_unseen"),
    };
    let signals = [
        reach("flash.correlation", r.correlation, p.correlation),
        reach("flash.margin", r.margin, p.margin),
        reach("flash.gain", r.gain, p.gain),
        reach("flash.regions", r.worst_region, p.region_correlation),
        within("flash.lag_ms", r.lag_ms as f32, p.lag_max_ms as f32),
    ];
    all.extend(signals.map(|signal| Weighed { signal, action, reason }));
    if r.answer == Answer::Follows {
        all.push(Weighed {
            signal: reach("flash.relief", r.relief, p.relief),
            action: p.flat,
            reason: "flat_face",
        });
    }
}

fn turns(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    let p = &policy.parallax;
    for (n, turn) in evidence.turns.iter().enumerate() {
        let Some(turn) = turn else {
            // A turn from no straight look before it: nobody can say, and nobody passes by it.
            all.push(Weighed {
                signal: reach(format!("parallax.{n}.depth"), 0.0, p.depth),
                action: if p.flat == Action::Fail { Action::Refer } else { p.flat },
                reason: "flat_face",
            });
            continue;
        };
        for signal in [
            reach(format!("parallax.{n}.depth"), turn.depth, p.depth),
            reach(format!("parallax.{n}.agreement"), turn.agreement, p.agreement),
        ] {
            all.push(Weighed { signal, action: p.flat, reason: "flat_face" });
        }
    }
}

/// A model that never gave a score (it is missing, or no look was good enough) has not said "live".
fn passive(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    all.extend(policy.passive.iter().enumerate().map(|(n, p)| {
        let (score, action) = match evidence.passive.mean(n) {
            Some(score) => (score, p.action),
            // Nobody fails for want of a look.
            None if p.action == Action::Fail => (0.0, Action::Refer),
            None => (0.0, p.action),
        };
        let signal = reach(format!("passive.{}", p.model), score, p.live);
        Weighed { signal, action, reason: "passive_refused" }
    }));
}

fn stream(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    let (p, s) = (&policy.stream, &evidence.stream);
    let mut push = |signal: Option<KycSignal>, action: Action, reason: &'static str| {
        all.extend(signal.map(|signal| Weighed { signal, action, reason }));
    };
    push(
        s.loop_difference.map(|d| reach("stream.loop", d, p.loop_difference)),
        p.looped,
        "film_suspected",
    );
    let jumps = within("stream.jumps", s.jumps as f32, p.max_jumps as f32);
    push(Some(jumps), p.jumps, "film_suspected");
    push(s.frozen.map(|f| within("stream.frozen", f, p.max_frozen)), p.frozen, "film_suspected");
    push(
        s.noise.map(|n| reach("stream.noise", n, p.min_noise)),
        p.noiseless,
        "injection_suspected",
    );
    push(
        s.jitter_ms.map(|j| reach("stream.jitter_ms", j, p.min_jitter_ms)),
        p.even,
        "injection_suspected",
    );
    push(
        evidence
            .camera
            .label
            .as_ref()
            .map(|_| reach("camera.real", f32::from(!stream::is_virtual(evidence.camera)), 1.0)),
        p.virtual_camera,
        "injection_suspected",
    );
    let fits = s.size.and_then(|size| stream::fits(evidence.camera, size));
    push(
        fits.map(|fits| reach("camera.size", f32::from(fits), 1.0)),
        p.other_size,
        "injection_suspected",
    );
}

fn gestures(all: &mut Vec<Weighed>, evidence: &Evidence<'_>, policy: &LivenessPolicy) {
    let g = &policy.gestures;
    all.push(Weighed {
        signal: within("challenge.wrong", evidence.wrong, g.wrong_most),
        action: g.wrong,
        reason: "wrong_gestures",
    });
    if let Some(presence) = evidence.presence {
        all.push(Weighed {
            signal: reach("face.presence", presence, policy.quality.min_presence),
            action: Action::Count,
            reason: "no_face",
        });
    }
}
