//! Writing what a sitter shows to a film, without a check.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context as _;
use clap::Args;
use vbranch_domain::kyc::{Challenge, FlashColour, KycEvent};

use crate::{
    Places,
    roles::{Kind, Setting, role, seeded},
    sitter::Sitter,
    subject::Cast,
};

/// What to show.
#[derive(Debug, Args)]
pub struct Rehearse {
    #[command(flatten)]
    places: Places,
    /// Which kind
    #[arg(long, value_enum)]
    kind: Kind,
    /// Which trial of the kind
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Where to write the film
    #[arg(long)]
    out: PathBuf,
}

/// Seconds between the rehearsal's questions.
const EVERY: f32 = 3.5;

/// Asks for every gesture, then flashes some colours.
///
/// # Errors
/// When films or ffmpeg fail. A replay has nothing to replay here.
pub fn run(options: &Rehearse) -> anyhow::Result<()> {
    let cast = Cast::load(&options.places.films, &options.places.notes)?;
    let people = cast.subjects.len();
    let setting = Setting::of(options.kind, options.index, people);
    let role = role(options.kind, options.index, &setting, people, None)?;
    let random = seeded(options.kind, options.index, 3);
    let mut sitter = Sitter::new(&cast, role, setting.size, random);
    let (width, height) = setting.size;
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s"])
        .arg(format!("{width}x{height}"))
        .args(["-r", &setting.fps.to_string(), "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
        .args(["-crf", "16"])
        .arg(&options.out)
        .stdin(Stdio::piped())
        .spawn()
        .context("ffmpeg cannot be run")?;
    let mut pipe = ffmpeg.stdin.take().context("no pipe")?;
    let mut questions = questions().into_iter().peekable();
    let seconds = 6.5 * EVERY + 5.0;
    for n in 0..(seconds * setting.fps) as u32 {
        let at = n as f32 / setting.fps;
        while let Some((when, event)) = questions.next_if(|(when, _)| *when <= at) {
            sitter.told(when, &event);
        }
        pipe.write_all(sitter.picture(at, 1.0 / setting.fps).pixels.as_flattened())?;
    }
    drop(pipe);
    ffmpeg.wait()?;
    Ok(())
}

fn questions() -> Vec<(f32, KycEvent)> {
    let kinds = [
        Challenge::Blink,
        Challenge::TurnLeft,
        Challenge::TurnRight,
        Challenge::OpenMouth,
        Challenge::Nod,
        Challenge::Smile,
    ];
    let mut all = Vec::new();
    for (n, challenge) in kinds.into_iter().enumerate() {
        let at = 0.5 + n as f32 * EVERY;
        all.push((at, KycEvent::Challenge { challenge, index: n as u32, of: 6 }));
        all.push((at + EVERY - 0.1, KycEvent::ChallengeDone { index: n as u32 }));
    }
    let colours =
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255), (255, 0, 255)];
    for (n, (r, g, b)) in colours.into_iter().enumerate() {
        let colour = Some(FlashColour { r, g, b });
        all.push((
            6.0 * EVERY + 1.0 + n as f32 * 0.5,
            KycEvent::Flash { colour, index: n as u32, of: 6 },
        ));
    }
    all
}
