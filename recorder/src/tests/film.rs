//! Films of whole recordings, read back by other programs.

use std::{process::Command, time::Instant};

use vbranch_domain::{
    FilmId, MediaKind,
    recording::{FilmLayout, FilmState, FilmStatus},
};

use super::*;
use crate::{
    AccessKind, Offline,
    composite::{FilmError, FilmOrder, Films, MAX_MAKING, Watch, composite},
    hash::Sha256,
};

const FPS: u32 = 15;
/// 双录: sound and picture belong together.
const IN_STEP_S: f64 = 0.08;

fn order(layout: FilmLayout) -> FilmOrder {
    FilmOrder {
        layout,
        by: "王磊 100077".to_owned(),
        user: "auditor-7".to_owned(),
        reason: "投诉核查".to_owned(),
        at: UnixMillis(1_700_000_100_000),
        names: vec![("staff".to_owned(), "李静".to_owned())],
    }
}

/// A recording of two parties who count in H.264 and beep.
fn two_parties(rig: &Rig, change: impl Fn(&mut Script)) -> RecordingId {
    let mut call = Call::shoot(0.1);
    let films = call.meta.participants.iter().map(|who| {
        let mut script = Script { start: START, beeps: true, ..Script::clean(who.id, 8.0) };
        if who.id == call.customer {
            change(&mut script);
        }
        script.shoot()
    });
    let films: Vec<Film> = films.collect();
    call.end = films.iter().map(|film| film.end).max().unwrap();
    call.items = films.into_iter().flat_map(|film| film.items).collect();
    call.items.sort_by_key(time_of);
    rig.record(&call)
}

/// As the command line opens the data folder, beside the server.
fn office(data: &Path) -> Offline {
    Offline::open(&config(data), Arc::new(SystemClock::start())).unwrap()
}

/// What the evidence log says of a recording, a line each.
fn log_of(rig: &Rig, recording: RecordingId) -> Vec<String> {
    let entries = rig.recorder.shared().log.entries_of(recording).unwrap();
    entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect()
}

fn make(data: &Path, recording: RecordingId, out: &Path, layout: FilmLayout) -> FilmStatus {
    composite(&office(data), recording, out, &order(layout), &Watch::default()).unwrap()
}

/// Whether anything below a folder has to do with a film.
fn has_films(folder: &Path) -> bool {
    let is_film = |path: &Path| path.file_name().unwrap().to_str().unwrap().contains("film");
    files(folder).iter().any(|(path, _)| is_film(path))
}

/// A film or an exported track as ffmpeg decodes it.
struct Seen {
    width: usize,
    height: usize,
    /// Seconds from the start of the recording.
    times: Vec<f64>,
    pictures: Vec<Vec<u8>>,
    /// 48,000 samples a second, from the start of the recording.
    sound: Vec<f32>,
}

/// `None`: there is no ffmpeg here.
fn look(path: &Path) -> Option<Seen> {
    let probe = |entries: &str| {
        let args = ["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0", "-show_entries"];
        Command::new("ffprobe").args(args).arg(entries).arg(path).output()
    };
    let Ok(size) = probe("stream=width,height") else {
        println!("skipped: no ffprobe here");
        return None;
    };
    let text = |output: std::process::Output| {
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let size = text(size);
    let mut numbers = size.trim().split(',').map(|n| n.parse::<usize>().unwrap());
    let (width, height) = (numbers.next().unwrap(), numbers.next().unwrap());
    let times = text(probe("packet=pts_time").unwrap());
    let times = times
        .lines()
        .filter(|l| !l.is_empty())
        .map(|l| l.trim_end_matches(',').parse().unwrap())
        .collect();
    let decode = |args: &[&str]| {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(args)
            .arg("-")
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        output.stdout
    };
    let pictures = decode(&["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo"]);
    let sound = decode(&[
        "-vn",
        "-af",
        "aresample=async=1:first_pts=0",
        "-ac",
        "1",
        "-ar",
        "48000",
        "-f",
        "f32le",
    ]);
    let samples = sound.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Some(Seen {
        width,
        height,
        times,
        pictures: pictures.chunks_exact(width * height).map(<[u8]>::to_vec).collect(),
        sound: samples.collect(),
    })
}

impl Seen {
    /// What the squares of a party's picture count in each of the pictures. `pane`: left edge and
    /// width.
    fn counts(&self, (left, width): (usize, usize)) -> Vec<u64> {
        let height = width * 3 / 4;
        let read = |picture: &Vec<u8>| {
            (0..16).fold(0, |count, square| {
                let (x, y) = (left + (2 * square + 1) * width / 32, height * 19 / 100);
                let near = |d: usize| picture[(y + d % 3 - 1) * self.width + x + d / 3 - 1];
                let bright = (0..9).map(|d| u32::from(near(d))).sum::<u32>() / 9 > 208;
                count | u64::from(bright) << square
            })
        };
        self.pictures.iter().map(read).collect()
    }

    /// When beeps begin, in seconds.
    fn beeps(&self) -> Vec<f64> {
        let loud = |block: &[f32]| block.iter().map(|s| s * s).sum::<f32>() / 240.0 > 0.003;
        let (mut begun, mut quiet) = (Vec::new(), 100);
        for (n, block) in self.sound.chunks(240).enumerate() {
            if loud(block) {
                if quiet > 20 {
                    begun.push(n as f64 * 0.005);
                }
                quiet = 0;
            } else {
                quiet += 1;
            }
        }
        begun
    }

    /// Each beep begins with a second, and so does a picture whose count says so.
    fn assert_in_step(&self, pane: (usize, usize)) -> f64 {
        let counts = self.counts(pane);
        let beeps = self.beeps();
        assert!((7..=9).contains(&beeps.len()), "{beeps:?}");
        let mut worst = 0.0_f64;
        for beep in beeps.iter().skip(1) {
            let shown = self
                .times
                .iter()
                .zip(&counts)
                .filter(|(_, n)| n.is_multiple_of(u64::from(FPS)))
                .map(|(t, _)| t);
            let nearest = shown.map(|t| t - beep).min_by(|a, b| a.abs().total_cmp(&b.abs()));
            let off = nearest.expect("no picture counts a whole second").abs();
            assert!(off <= IN_STEP_S, "the beep at {beep} s is {off} s off: {counts:?}");
            worst = worst.max(off);
        }
        worst
    }
}

const CUSTOMER: (usize, usize) = (0, 480);
const STAFF: (usize, usize) = (480, 480);

#[test]
fn what_was_counted_and_heard_is_read_back_from_the_film_in_order_and_in_step() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |_| {});
    let out = dir.path().join("film.mp4");
    let film = make(&data, recording, &out, FilmLayout::Side);
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(film.sha256, Some(Sha256::of(&bytes).to_string()));
    assert_eq!((film.len, film.left_out.len()), (bytes.len() as u64, 0));
    let Some(seen) = look(&out) else { return };
    assert_eq!((seen.width, seen.height), (960, 400));
    assert_eq!(seen.times.len(), seen.pictures.len());
    let length = seen.times.last().unwrap() + 1.0 / f64::from(FPS);
    let recorded = rig.recorder.view(recording).unwrap().summary.duration_ms;
    assert!((length - recorded as f64 / 1000.0).abs() < 0.1, "{length} s of {recorded} ms");
    for pane in [CUSTOMER, STAFF] {
        let counts = seen.counts(pane);
        let counted: Vec<u64> = counts.into_iter().skip_while(|n| *n > 1).collect();
        let steps = counted.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        // What comes after the last picture is a card.
        let counting = steps.take_while(|step| *step <= 2).count();
        assert!(counting >= 8 * FPS as usize - 4, "{pane:?}: {counted:?}");
        let mut values = counted[..counting].to_vec();
        values.dedup();
        assert!(values.len() >= 8 * FPS as usize * 9 / 10, "{values:?}");
        println!("film, sound against picture: {:.0} ms", seen.assert_in_step(pane) * 1e3);
    }
}

#[test]
fn what_was_counted_and_heard_is_read_back_from_exported_tracks_too() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(&dir.path().join("data"));
    let recording = two_parties(&rig, |_| {});
    let bundle = dir.path().join("bundle");
    rig.export(recording, &bundle, true);
    for name in ["customer.mp4", "staff.mp4"] {
        let Some(seen) = look(&bundle.join("media").join(name)) else { return };
        let all: Vec<u64> = (0..8 * u64::from(FPS)).collect();
        assert_eq!(seen.counts((0, 160)), all, "{name}");
        println!("{name}, sound against picture: {:.0} ms", seen.assert_in_step((0, 160)) * 1e3);
    }
}

#[test]
fn a_gap_is_a_card_as_long_as_it_was_and_the_other_party_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |script| script.reloads = vec![3.0..5.0]);
    let out = dir.path().join("film.mp4");
    make(&data, recording, &out, FilmLayout::Side);
    let view = rig.recorder.view(recording).unwrap();
    let gap = view.gaps.iter().find(|gap| gap.kind == MediaKind::Video).expect("a gap");
    let Some(seen) = look(&out) else { return };
    // A card is dark where the picture is not.
    let ground =
        |picture: &Vec<u8>| (0..9).map(|n| picture[150 * seen.width + 60 + n * 40]).min().unwrap();
    let (from, to) = (gap.offset_ms as f64 / 1e3, (gap.offset_ms + gap.duration_ms) as f64 / 1e3);
    let is_card = |picture: &Vec<u8>| ground(picture) < 50;
    for (time, picture) in seen.times.iter().zip(&seen.pictures) {
        if (from + 0.02..to - 0.08).contains(time) {
            assert!(is_card(picture), "no card at {time} s of {from}..{to}");
        } else if (0.5..from - 0.1).contains(time) || (to + 0.2..7.0).contains(time) {
            assert!(!is_card(picture), "a card at {time} s, outside {from}..{to}");
        }
    }
    let staff = seen.counts(STAFF);
    let mut steps = staff[8..110].windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    assert!(steps.all(|step| step <= 2), "{staff:?}");
}

#[test]
fn what_cannot_be_shown_is_named_and_has_a_card() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = rig.record(&Call::shoot(3.0));
    for layout in [FilmLayout::Side, FilmLayout::Pip] {
        let out = dir.path().join(format!("{layout:?}.mp4"));
        let film = make(&data, recording, &out, layout);
        assert_eq!(
            film.left_out,
            ["柜员 staff · 李静: VP8", "柜员 staff · 李静 · 屏幕 screen: VP8"]
        );
        let Some(seen) = look(&out) else { return };
        let size = if layout == FilmLayout::Side { (960, 940) } else { (640, 520) };
        assert_eq!((seen.width, seen.height), size);
        assert!(seen.sound.iter().any(|sample| sample.abs() > 0.1));
    }
}

/// Waits for a film that is being made on a thread.
fn wait_for(films: &Films, film: FilmId, done: impl Fn(&FilmStatus) -> bool) -> FilmStatus {
    let until = SystemClock::start();
    loop {
        let status = films.status(film).expect("the film is gone");
        if done(&status) {
            return status;
        }
        assert!(until.mono().since(Mono::ZERO) < PATIENCE, "{status:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_film_is_made_beside_the_calls_read_anywhere_and_on_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |_| {});
    let films = Films::new(rig.recorder.clone());
    let id = films.begin(recording, order(FilmLayout::Pip)).unwrap();
    let film = wait_for(&films, id, |film| film.state != FilmState::Making);
    assert_eq!((film.state, film.position_ms), (FilmState::Made, film.total_ms));
    let mut whole = Vec::new();
    while (whole.len() as u64) < film.len {
        whole.extend(films.read(id, whole.len() as u64).unwrap());
    }
    let sha256 = Sha256::of(&whole);
    assert_eq!(film.sha256, Some(sha256.to_string()));
    assert!(films.read(id, film.len).unwrap().is_empty());
    assert_eq!(films.read(id, 100).unwrap()[..50], whole[100..150]);
    assert!(!has_films(&data), "nothing of it has a name on the disk");

    let accesses = rig.recorder.accesses(recording).unwrap();
    assert_eq!((accesses[0].kind, accesses[0].reason.as_str()), (AccessKind::Film, "投诉核查"));
    for (path, bytes) in files(&data.join("log")) {
        assert!(!contains(&bytes, "投诉".as_bytes()), "a reason is sealed: {}", path.display());
    }
    let log = log_of(&rig, recording);
    let line = log.iter().find(|line| line.contains("film_made")).expect("on the log");
    assert!(line.contains(&sha256.to_string()), "{line}");
    let manifest = data.join("recordings").join(recording.to_string()).join("manifest.json");
    let manifest = Sha256::of(&std::fs::read(manifest).unwrap());
    assert!(line.contains(&manifest.to_string()), "{line}");

    films.discard(id);
    assert!(films.status(id).is_none());
    assert!(matches!(films.read(id, 0), Err(FilmError::Recorder(RecorderError::NotFound))));
    // What is on the log does not trouble a verifier or the next start.
    drop((films, rig));
    let again = Rig::start(&data);
    assert_eq!(again.recorder.accesses(recording).unwrap().len(), 1);
    let bundle = dir.path().join("bundle");
    again.export(recording, &bundle, true);
    assert!(crate::verify::verify(&bundle, &again.recorder.public_key(), None).ok);
}

#[test]
fn a_film_that_is_cancelled_leaves_nothing_but_that_it_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |_| {});
    let films = Films::new(rig.recorder.clone());
    let asked: Vec<FilmId> =
        (0..MAX_MAKING).map(|_| films.begin(recording, order(FilmLayout::Side)).unwrap()).collect();
    let one_more = films.begin(recording, order(FilmLayout::Side));
    assert!(matches!(one_more, Err(FilmError::Busy)));
    for id in &asked {
        films.discard(*id);
        assert!(films.status(*id).is_none());
    }
    let id = films.begin(recording, order(FilmLayout::Side)).unwrap();
    wait_for(&films, id, |film| film.position_ms > 0);
    films.discard(id);
    // The thread has let go of the recorder when it is over.
    drop(films);
    assert!(!has_films(&data));
    let log = log_of(&rig, recording).join("\n");
    assert!(log.contains(r#""type":"film""#) && !log.contains("film_made"), "{log}");
}

#[test]
fn of_a_recording_that_is_destroyed_no_film_is_made_or_shown() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |_| {});
    let films = Films::new(rig.recorder.clone());
    let id = films.begin(recording, order(FilmLayout::Side)).unwrap();
    wait_for(&films, id, |film| film.state == FilmState::Made);
    assert!(!films.read(id, 0).unwrap().is_empty());
    rig.destroy(&data, recording);
    let is_destroyed = |error| matches!(error, FilmError::Recorder(RecorderError::Destroyed));
    assert!(is_destroyed(films.read(id, 0).unwrap_err()));
    assert!(films.status(id).is_none());
    assert!(is_destroyed(films.begin(recording, order(FilmLayout::Side)).unwrap_err()));
    let out = dir.path().join("film.mp4");
    let made =
        composite(&office(&data), recording, &out, &order(FilmLayout::Side), &Watch::default());
    assert!(is_destroyed(made.unwrap_err()) && !out.exists());
}

#[test]
fn a_command_that_is_interrupted_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    let recording = two_parties(&rig, |_| {});
    let out = dir.path().join("film.mp4");
    let watch = Watch::default();
    watch.cancel();
    let made = composite(&office(&data), recording, &out, &order(FilmLayout::Side), &watch);
    assert!(matches!(made, Err(FilmError::Cancelled)));
    assert!(!out.exists());
    // What is there already is not written over, nor taken away.
    std::fs::write(&out, "mine").unwrap();
    let made =
        composite(&office(&data), recording, &out, &order(FilmLayout::Side), &Watch::default());
    assert!(matches!(made, Err(FilmError::Io(_))));
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

/// For docs/benchmarks/composite.md.
#[test]
#[ignore = "a benchmark"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn composite_speed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rig = Rig::start(&data);
    for fps in [15, 30] {
        let seconds = 60.0;
        let mut call = Call::shoot(0.1);
        let films: Vec<Film> = call
            .meta
            .participants
            .iter()
            .map(|who| {
                let sizes = vec![(0.0, 640, 480)];
                let clean = Script::clean(who.id, seconds);
                Script { start: START, fps, sizes, ..clean }.shoot()
            })
            .collect();
        call.end = films.iter().map(|film| film.end).max().unwrap();
        call.items = films.into_iter().flat_map(|film| film.items).collect();
        call.items.sort_by_key(time_of);
        let recording = rig.record(&call);
        for layout in [FilmLayout::Side, FilmLayout::Pip] {
            let out = dir.path().join(format!("{fps}-{layout:?}.mp4"));
            let watch = Watch::default();
            let (begun, busy) = (Instant::now(), thread_seconds());
            let film = composite(&office(&data), recording, &out, &order(layout), &watch).unwrap();
            let wall = begun.elapsed().as_secs_f64();
            let busy = thread_seconds() - busy;
            println!(
                "FIGURE: composite {layout:?}, 2 x 640x480 at {fps}/s, {seconds:.0} s: \
                 {:.1} x real time of a core ({busy:.2} s busy, {wall:.2} s by the clock), {:.2} Mbit/s",
                seconds / busy,
                film.len as f64 * 8.0 / seconds / 1e6
            );
        }
    }
}

/// How long this thread was on a core: its first number in `schedstat` is nanoseconds.
fn thread_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
