//! Who is tried: live people in all sorts of light, and attackers of every kind.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::{
    acting::Manner,
    codec::Recording,
    light::Camera,
    medium::{Medium, Surface},
    sitter::{Answer, Obedience, Role, Swap, SwapHow},
};

/// Live people, or a kind of attack (ISO/IEC 30107-3: a presentation attack instrument species).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A live person who does what is asked.
    Live,
    /// A photograph, held in the hand.
    PhotoHeld,
    /// A photograph, moved about.
    PhotoMoved,
    /// A photograph, turned instead of the head.
    PhotoTilted,
    /// A photograph, bent round.
    PhotoBent,
    /// A print, held in the hand or turned.
    Print,
    /// A screen with a film that shows every gesture in turn.
    ScreenLoop,
    /// A screen with a film into which the right gesture is cut.
    ScreenCutIn,
    /// A screen with an earlier, passed check.
    ScreenReplay,
    /// A film that shows every gesture in turn, fed in.
    InjectedLoop,
    /// A film into which the right gesture is cut, fed in.
    InjectedCutIn,
    /// An earlier, passed check, fed in.
    InjectedReplay,
    /// A still picture made to do what is asked, fed in: perfect, but in its own light.
    InjectedPuppet,
    /// The same, the whole picture tinted in the colours asked for.
    InjectedTint,
    /// A face lit in other colours than asked for.
    WrongColours,
    /// A face lit in the right colours too late.
    LateColours,
    /// A live person, but not the one on the portrait.
    WrongPerson,
    /// A live person who is replaced by another on the way.
    FaceSwap,
    /// A still picture made to do what is asked and lit as a face is: beyond what the colours tell.
    RelitPuppet,
}

impl Kind {
    /// Every attack that is to be stopped.
    pub const ATTACKS: [Self; 17] = [
        Self::PhotoHeld,
        Self::PhotoMoved,
        Self::PhotoTilted,
        Self::PhotoBent,
        Self::Print,
        Self::ScreenLoop,
        Self::ScreenCutIn,
        Self::ScreenReplay,
        Self::InjectedLoop,
        Self::InjectedCutIn,
        Self::InjectedReplay,
        Self::InjectedPuppet,
        Self::InjectedTint,
        Self::WrongColours,
        Self::LateColours,
        Self::WrongPerson,
        Self::FaceSwap,
    ];

    /// As it is written in results.
    #[must_use]
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether an earlier check is played.
    #[must_use]
    pub const fn is_replay(self) -> bool {
        matches!(self, Self::ScreenReplay | Self::InjectedReplay)
    }
}

/// What a trial is played under.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Width and height of the camera's picture.
    pub size: (usize, usize),
    /// Pictures a second.
    pub fps: f32,
    /// What the encoder may spend.
    pub kbit: u32,
    /// Seconds from camera to server.
    pub up: f32,
    /// Seconds from server to page.
    pub down: f32,
    /// How irregularly pictures come, seconds.
    pub jitter: f32,
    /// Light of a white screen on the face against the room's.
    pub screen: f32,
    /// Whose face.
    pub subject: usize,
    /// Whose portrait.
    pub portrait: usize,
}

/// Source of all randomness of a trial.
#[must_use]
pub fn seeded(kind: Kind, index: u32, salt: u64) -> StdRng {
    StdRng::seed_from_u64((kind as u64) << 40 | u64::from(index) << 8 | salt)
}

impl Setting {
    /// The setting of a trial, among `people`.
    #[must_use]
    pub fn of(kind: Kind, index: u32, people: usize) -> Self {
        let random = &mut seeded(kind, index, 1);
        let sizes = [(480, 360), (360, 480), (640, 480), (480, 360)];
        let subject = index as usize % people;
        let other = (subject + random.random_range(1..people)) % people;
        let fed_in = kind.name().starts_with("injected") || kind == Kind::RelitPuppet;
        Self {
            size: sizes[random.random_range(0..sizes.len())],
            // In a room's light most cameras take fifteen pictures a second.
            fps: if random.random_bool(0.8) { 15.0 } else { 30.0 },
            kbit: random.random_range(300..1_500),
            up: random.random_range(0.03..0.2),
            down: random.random_range(0.02..0.1),
            jitter: if fed_in { 0.0 } else { random.random_range(0.002..0.012) },
            // From a phone in a bright office to a monitor in a dim room.
            screen: (random.random_range(0.15_f32.ln()..0.8_f32.ln())).exp(),
            subject,
            portrait: if kind == Kind::WrongPerson { other } else { subject },
        }
    }
}

/// The sitter of a trial.
///
/// # Errors
/// When a recording cannot be played.
pub fn role(
    kind: Kind,
    index: u32,
    setting: &Setting,
    people: usize,
    recorded: Option<Vec<Vec<bytes::Bytes>>>,
) -> anyhow::Result<Role> {
    let random = &mut seeded(kind, index, 2);
    let mut role = live(setting, random);
    match kind {
        Kind::Live => {}
        Kind::WrongPerson => {}
        Kind::FaceSwap => {
            let how = [SwapHow::Cut, SwapHow::Covered, SwapHow::Walk][index as usize % 3];
            let to = (setting.subject + random.random_range(1..people)) % people;
            role.swap = Some(Swap { after: random.random_range(1..3), to, how });
        }
        Kind::WrongColours => role.answer = Answer::Wrong,
        Kind::LateColours => role.answer = Answer::Late(random.random_range(1.2..3.0)),
        Kind::PhotoHeld | Kind::PhotoMoved | Kind::PhotoTilted | Kind::PhotoBent => {
            hold(&mut role, Surface::Photo, random);
            if let Some(medium) = &mut role.medium {
                match kind {
                    Kind::PhotoMoved => medium.swing = random.random_range(0.15..0.5),
                    Kind::PhotoBent => {
                        medium.bend = random.random_range(0.6..1.7);
                        medium.swing = random.random_range(0.0..0.3);
                    }
                    _ => {}
                }
            }
            if kind == Kind::PhotoHeld {
                lie_still(&mut role);
            }
        }
        Kind::Print => {
            let surface = Surface::Print {
                dots: random.random_range(90.0..240.0),
                strength: random.random_range(0.1..0.5),
            };
            hold(&mut role, surface, random);
            if !index.is_multiple_of(2) {
                lie_still(&mut role);
            }
        }
        Kind::ScreenLoop | Kind::ScreenCutIn | Kind::ScreenReplay => {
            let surface = display(random);
            hold(&mut role, surface, random);
            role.tilts = false;
            film(&mut role, kind == Kind::ScreenCutIn);
        }
        Kind::InjectedLoop | Kind::InjectedCutIn => {
            feed_in(&mut role);
            film(&mut role, kind == Kind::InjectedCutIn);
        }
        Kind::InjectedReplay => feed_in(&mut role),
        Kind::InjectedPuppet | Kind::InjectedTint | Kind::RelitPuppet => {
            feed_in(&mut role);
            role.manner.still = true;
            role.manner.own_gestures = false;
            role.obedience = Obedience::Asked(0.05, 0.6);
            role.sway = 0.0;
            role.answer = match kind {
                Kind::InjectedPuppet => Answer::Not,
                Kind::InjectedTint => Answer::Tint,
                _ => Answer::Truly,
            };
            role.page_delay = 0.0;
        }
    }
    if kind.is_replay() {
        role.recording = recorded.map(Recording::new).transpose()?;
    }
    Ok(role)
}

/// A person before a camera of their own.
fn live(setting: &Setting, random: &mut StdRng) -> Role {
    let cast = random.random_range(-0.18_f32..0.18);
    Role {
        subject: setting.subject,
        manner: Manner {
            own_gestures: random.random_bool(0.6),
            mirror: random.random_bool(0.5),
            still: false,
            cuts: false,
            vigour: 1.0,
        },
        obedience: Obedience::Asked(0.5, 1.7),
        medium: None,
        tilts: false,
        recording: None,
        answer: Answer::Truly,
        swap: None,
        camera: Some(Camera::random(random)),
        zoom: random.random_range(1.0..1.12),
        room: [1.0 + cast, 1.0, 1.0 - cast],
        side: random.random_range(-0.35..0.35),
        screen: setting.screen,
        background: random.random_range(0.02..0.12),
        sway: random.random_range(1.0..4.0),
        page_delay: random.random_range(0.02..0.12),
    }
}

fn hold(role: &mut Role, surface: Surface, random: &mut StdRng) {
    role.medium = Some(Medium::new(surface, random));
    role.manner.still = true;
    role.obedience = Obedience::Asked(0.4, 1.2);
    role.tilts = true;
    role.zoom = 1.0;
}

/// Paper that is only held does nothing, whatever is asked.
fn lie_still(role: &mut Role) {
    role.tilts = false;
    role.obedience = Obedience::Never;
}

fn display(random: &mut StdRng) -> Surface {
    Surface::Display {
        pixels: random.random_range(900.0..2_600.0),
        grid: random.random_range(0.03..0.3),
        bands: random.random_range(0.0..0.25),
        brightness: random.random_range(0.7..2.5),
        reflects: random.random_range(0.01..0.07),
        gamma: random.random_range(0.85..1.25),
    }
}

/// A film of the person: of every gesture in turn, or with the right one cut in.
fn film(role: &mut Role, cut_in: bool) {
    role.manner.still = false;
    role.manner.cuts = cut_in;
    role.obedience = if cut_in { Obedience::Asked(0.2, 0.8) } else { Obedience::Cycle };
}

fn feed_in(role: &mut Role) {
    role.camera = None;
    role.answer = Answer::Not;
    role.side = 0.0;
    role.room = [1.0; 3];
    // A film has its own light; the page's never falls on it.
    role.screen = 0.2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_differ_and_can_be_repeated() {
        let a = Setting::of(Kind::Live, 1, 5);
        assert_eq!(a, Setting::of(Kind::Live, 1, 5));
        assert_ne!(a, Setting::of(Kind::Live, 6, 5));
        assert!(Kind::ATTACKS.iter().all(|k| !k.name().is_empty()));
        for index in 0..50 {
            let wrong = Setting::of(Kind::WrongPerson, index, 5);
            assert_ne!(wrong.subject, wrong.portrait);
        }
    }
}
