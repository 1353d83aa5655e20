//! Whoever sits before the camera, or stands in for it: hears what the check asks, and answers with
//! the next picture.

use std::{collections::VecDeque, f32::consts::TAU};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use vbranch_domain::kyc::{Challenge, FlashColour, KycEvent};

use crate::{
    acting::{Acting, Manner},
    codec::Recording,
    light::{Camera, Light, Shade, lit},
    medium::{Around, Medium},
    picture::{Rgb, encoded, linear3, to_byte},
    subject::Cast,
    warp::Placement,
};

/// What a sitter does when they are asked for gestures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Obedience {
    /// What is asked, after a reaction time of that many seconds.
    Asked(f32, f32),
    /// Something else than is asked, always.
    Contrary,
    /// Every gesture in turn, whatever is asked.
    Cycle,
    /// Nothing.
    Never,
}

/// How the colours of the page come to be in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// The screen shines on what is before it.
    Truly,
    /// Not at all.
    Not,
    /// The whole picture is tinted.
    Tint,
    /// The face is lit, in other colours.
    Wrong,
    /// The face is lit, so many seconds late.
    Late(f32),
}

/// One person takes another's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swap {
    /// After how many gestures.
    pub after: u32,
    /// Who comes.
    pub to: usize,
    /// What is seen in between.
    pub how: SwapHow,
}

/// How one takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapHow {
    /// From one picture to the next.
    Cut,
    /// Behind a hand over the camera.
    Covered,
    /// One leaves the picture, the other comes.
    Walk,
}

/// Everything about a sitter.
pub struct Role {
    /// Which person.
    pub subject: usize,
    /// How they act.
    pub manner: Manner,
    /// What they do when asked.
    pub obedience: Obedience,
    /// What they are shown on, if they are not there themselves.
    pub medium: Option<Medium>,
    /// A medium is turned instead of the head.
    pub tilts: bool,
    /// An earlier check that is played instead.
    pub recording: Option<Recording>,
    /// How they answer colours.
    pub answer: Answer,
    /// Somebody else takes over.
    pub swap: Option<Swap>,
    /// The camera; none where pictures are fed in.
    pub camera: Option<Camera>,
    /// Where they sit.
    pub zoom: f32,
    /// The room's light as factors.
    pub room: [f32; 3],
    /// More light from one side.
    pub side: f32,
    /// A white screen's light on a face that looks at it, against the room's.
    pub screen: f32,
    /// What of it reaches the background.
    pub background: f32,
    /// Sway of the body, in pixels.
    pub sway: f32,
    /// Seconds from the check's word to the screen, on top of the network.
    pub page_delay: f32,
}

/// A sitter at work.
pub struct Sitter<'a> {
    cast: &'a Cast,
    role: Role,
    size: (usize, usize),
    random: StdRng,
    acting: Acting,
    placement: Placement,
    /// What was said, and when it is heard.
    heard: VecDeque<(f32, KycEvent)>,
    wanted: Option<Challenge>,
    /// When they begin with what is wanted.
    begins: Option<f32>,
    colour: Option<FlashColour>,
    done: u32,
    swap_at: Option<f32>,
    cycle: usize,
    /// When the film that is played in a loop last began, and what it begins with.
    film_began: f32,
    film_seed: u64,
    tilt: Option<(Challenge, f32)>,
    phases: [f32; 4],
    /// Gestures begun: those of the film, and painted ones.
    pub gestures: (u32, u32),
}

/// What an attacker's loop runs through.
const ALL: [Challenge; 6] = [
    Challenge::Blink,
    Challenge::TurnLeft,
    Challenge::OpenMouth,
    Challenge::TurnRight,
    Challenge::Nod,
    Challenge::Smile,
];
/// A page that asks for no colour is almost white.
const PAGE: f32 = 0.8;
/// Seconds in which one sitter takes another's place, where it is not a cut.
const SWAP_TIME: f32 = 1.2;
/// Seconds after which people try again.
const RETRY: f32 = 4.5;

impl<'a> Sitter<'a> {
    /// Sits down.
    #[must_use]
    pub fn new(cast: &'a Cast, role: Role, size: (usize, usize), mut random: StdRng) -> Self {
        let subject = &cast.subjects[role.subject];
        let aside = random.random_range(-0.05..0.05);
        let film_seed = random.random();
        Self {
            acting: Acting::new(subject, role.manner, &mut StdRng::seed_from_u64(film_seed)),
            film_began: 0.0,
            film_seed,
            placement: subject.placement(size, role.zoom, aside, role.manner.mirror),
            phases: std::array::from_fn(|_| random.random_range(0.0..TAU)),
            cast,
            role,
            size,
            random,
            heard: VecDeque::new(),
            wanted: None,
            begins: None,
            colour: None,
            done: 0,
            swap_at: None,
            cycle: 0,
            tilt: None,
            gestures: (0, 0),
        }
    }

    /// The check says something; it reaches the page `at` seconds.
    pub fn told(&mut self, at: f32, event: &KycEvent) {
        let late = match (event, self.role.answer) {
            (KycEvent::Flash { .. }, Answer::Late(late)) => late,
            _ => 0.0,
        };
        self.heard.push_back((at + self.role.page_delay + late, event.clone()));
    }

    /// The picture taken at that time, `dt` seconds after the last.
    pub fn picture(&mut self, at: f32, dt: f32) -> Rgb {
        self.listen(at);
        self.act(at);
        let size = self.size;
        if let Some(recording) = &mut self.role.recording {
            let shown = recording.next_picture();
            return self.through_medium(shown, at, dt);
        }
        let screen = self.screen();
        let look = self.acting.step(&self.cast.subjects[self.role.subject], dt);
        if self.role.medium.is_some() {
            // The medium shows a picture made earlier, in its own light.
            let mut content = Rgb::filled(size.0, size.1, [0; 3]);
            let subject = &self.cast.subjects[self.role.subject];
            subject.paint(&look, &self.placement, &self.cast.triangles, &mut content);
            return self.through_medium(content, at, dt);
        }
        let mut scene = Rgb::filled(size.0, size.1, [0; 3]);
        let placement = self.swayed(at);
        let subject = &self.cast.subjects[self.role.subject];
        let points = subject.paint(&look, &placement, &self.cast.triangles, &mut scene);
        let shade = match self.role.answer {
            Answer::Tint => Shade::flat(size.0, size.1, 1.0),
            // The screen stands before the face, a little lower.
            _ => Shade::of_person(
                size,
                &points,
                &self.cast.triangles,
                [0.0, 0.24, -0.97],
                self.role.background,
            ),
        };
        let light = Light { room: self.role.room, side: self.role.side, screen, gloss: [0.0; 3] };
        let light = lit(&scene, &shade, &light);
        let picture = self.take(&light, dt);
        if self.covered(at) { Rgb::filled(size.0, size.1, [9, 7, 7]) } else { picture }
    }

    fn through_medium(&mut self, content: Rgb, at: f32, dt: f32) -> Rgb {
        let around = Around { room: self.role.room, screen: self.screen() };
        let turned = self.tilted(at);
        let Some(medium) = &self.role.medium else { return content };
        let light = medium.seen(&content, self.size, at, turned, &around);
        self.take(&light, dt)
    }

    fn take(&mut self, light: &[[f32; 3]], dt: f32) -> Rgb {
        let size = self.size;
        match &mut self.role.camera {
            Some(camera) => camera.take(light, size, dt, &mut self.random),
            None => Rgb {
                width: size.0,
                height: size.1,
                pixels: light.iter().map(|p| p.map(|v| to_byte(encoded(v)))).collect(),
            },
        }
    }

    fn listen(&mut self, at: f32) {
        // Colours may be later than what was said after them.
        let mut waiting = VecDeque::new();
        for (when, event) in std::mem::take(&mut self.heard) {
            if when > at {
                waiting.push_back((when, event));
                continue;
            }
            match event {
                KycEvent::Challenge { challenge, .. } => self.asked(challenge, at),
                KycEvent::ChallengeDone { .. } => {
                    (self.wanted, self.begins) = (None, None);
                    self.done += 1;
                    if self.role.swap.is_some_and(|swap| swap.after == self.done) {
                        self.swap_at = Some(at + 0.4);
                    }
                }
                KycEvent::Flash { colour, .. } => self.colour = colour,
                KycEvent::Advice { .. } | KycEvent::Verdict(_) => {}
            }
        }
        self.heard = waiting;
    }

    fn asked(&mut self, challenge: Challenge, at: f32) {
        match self.role.obedience {
            Obedience::Asked(least, most) => {
                self.wanted = Some(challenge);
                self.begins = Some(at + self.random.random_range(least..most));
            }
            Obedience::Contrary => {
                let others: Vec<_> = ALL.into_iter().filter(|c| *c != challenge).collect();
                self.wanted = Some(others[self.random.random_range(0..others.len())]);
                self.begins = Some(at + self.random.random_range(0.3..0.9));
            }
            Obedience::Cycle | Obedience::Never => {}
        }
    }

    fn act(&mut self, at: f32) {
        self.change_places(at);
        if self.role.obedience == Obedience::Cycle && self.acting.is_resting() {
            let due = *self.begins.get_or_insert(at + 0.5);
            if at >= due && self.cycle == ALL.len() {
                // The film is over and begins anew, the same to the last picture.
                let subject = &self.cast.subjects[self.role.subject];
                let random = &mut StdRng::seed_from_u64(self.film_seed);
                self.acting = Acting::new(subject, self.role.manner, random);
                (self.film_began, self.cycle, self.begins) = (at, 0, None);
            } else if at >= due {
                self.begin(ALL[self.cycle], at);
                self.cycle += 1;
                self.begins = None;
            }
            return;
        }
        if let (Some(kind), Some(due)) = (self.wanted, self.begins)
            && at >= due
            && self.acting.is_resting()
        {
            self.begin(kind, at);
            self.begins = Some(at + RETRY);
        }
    }

    fn begin(&mut self, kind: Challenge, at: f32) {
        if self.role.tilts {
            self.tilt = Some((kind, at));
            return;
        }
        let subject = &self.cast.subjects[self.role.subject];
        if self.acting.begin(subject, kind) {
            self.gestures.0 += 1;
        } else {
            self.gestures.1 += 1;
        }
        if self.role.manner.cuts {
            // A clip of another day: not quite in the same place.
            self.placement.offset[0] += self.random.random_range(-6.0..6.0);
            self.placement.offset[1] += self.random.random_range(-3.0..3.0);
        }
    }

    fn change_places(&mut self, at: f32) {
        let (Some(swap), Some(when)) = (self.role.swap, self.swap_at) else { return };
        let half = if swap.how == SwapHow::Cut { 0.0 } else { SWAP_TIME / 2.0 };
        if at >= when + half && self.role.subject != swap.to {
            self.role.subject = swap.to;
            let subject = &self.cast.subjects[swap.to];
            self.acting = Acting::new(subject, self.role.manner, &mut self.random);
            let mirror = self.role.manner.mirror;
            self.placement = subject.placement(self.size, self.role.zoom, 0.0, mirror);
        }
    }

    /// How far a change of places has got, `0..=1`, while it goes on.
    fn changing(&self, at: f32, how: SwapHow) -> Option<f32> {
        let (swap, when) = (self.role.swap?, self.swap_at?);
        let share = (at - when) / SWAP_TIME;
        (swap.how == how && (0.0..1.0).contains(&share)).then_some(share)
    }

    fn covered(&self, at: f32) -> bool {
        self.changing(at, SwapHow::Covered).is_some()
    }

    fn swayed(&self, at: f32) -> Placement {
        let mut placement = self.placement;
        let at = at - self.film_began;
        let wave = |n: usize, hertz: f32| {
            (at * hertz * std::f32::consts::TAU + self.phases[n]).sin() * self.role.sway
        };
        placement.offset[0] += wave(0, 0.17) + 0.4 * wave(1, 0.41);
        placement.offset[1] += 0.6 * wave(2, 0.23) + 0.2 * wave(3, 0.6);
        if let Some(share) = self.changing(at + self.film_began, SwapHow::Walk) {
            let out = 1.0 - (2.0 * share - 1.0).abs();
            placement.offset[0] += out * 1.1 * self.size.0 as f32;
        }
        placement
    }

    /// What the screen throws on the face, as factors.
    fn screen(&self) -> [f32; 3] {
        let strength = self.role.screen;
        let Some(colour) = self.colour else { return [PAGE * strength; 3] };
        let [r, g, b] = [colour.r, colour.g, colour.b];
        let shown = match self.role.answer {
            Answer::Truly | Answer::Tint | Answer::Late(_) => [r, g, b],
            Answer::Not => return [PAGE * strength; 3],
            Answer::Wrong if r == g && g == b => [255 - r; 3],
            Answer::Wrong => [g, b, r],
        };
        linear3(shown).map(|v| v * strength)
    }

    /// How far a medium is turned now, about the upright and the level axis, radians.
    fn tilted(&mut self, at: f32) -> (f32, f32) {
        let Some((kind, since)) = self.tilt else { return (0.0, 0.0) };
        let time = (at - since) / 1.8;
        if time >= 1.0 {
            self.tilt = None;
            return (0.0, 0.0);
        }
        let wave = (time * std::f32::consts::PI).sin();
        match kind {
            Challenge::TurnLeft => (0.75 * wave, 0.0),
            Challenge::TurnRight => (-0.75 * wave, 0.0),
            _ => (0.0, 0.7 * wave),
        }
    }
}
