//! What the face checks cost, stage by stage: prints the figures and, with `--keep`, writes them to
//! `docs/benchmarks/kyc-cost.md`.
//!
//! `cargo run --release -p vbranch-kyc --example cost -- MODELS-DIR FILM [--python PYTHON] [--keep]`
//!
//! Times are processor time of the thread that works, so that a busy machine does not count. With
//! `--python`, a Python that has onnxruntime, its times for the same models are put beside.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool that prints")]

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use vbranch_domain::{Mono, Payload};
use vbranch_kyc::{
    ModelStore,
    h264::split_annex_b,
    liveness::WatchPolicy,
    video::{Decoded, VideoDecoder},
    vision::{CropFrame, FaceModels, FaceTracker, Network, Picture},
    watch::Watch,
};

type Any = Box<dyn Error>;

fn main() -> Result<(), Any> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: cost MODELS-DIR FILM [--python PYTHON] [--keep]";
    let (models, film) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let (mut python, mut keep) = (None, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--python" => python = Some(arguments.next().ok_or(usage)?),
            "--keep" => keep = true,
            _ => return Err(usage.into()),
        }
    }
    let store = ModelStore::open(&models)?;
    let report = report(&store, Path::new(&film), python.as_deref())?;
    print!("{report}");
    if keep {
        let page = root().join("docs/benchmarks/kyc-cost.md");
        fs::write(page, report)?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Processor time in milliseconds.
fn clock(of: ClockId) -> f64 {
    let time = clock_gettime(of);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn thread_ms(work: impl FnOnce()) -> f64 {
    let before = clock(ClockId::ThreadCPUTime);
    work();
    clock(ClockId::ThreadCPUTime) - before
}

/// The median of so many runs.
fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs).map(|_| thread_ms(&mut work)).collect();
    times.sort_by(f64::total_cmp);
    times.get(runs / 2).copied().unwrap_or_default()
}

fn report(store: &ModelStore, film: &Path, python: Option<&str>) -> Result<String, Any> {
    let mut page = String::new();
    writeln!(page, "# What the face checks cost\n")?;
    writeln!(
        page,
        "`cargo run --release -p vbranch-kyc --example cost -- MODELS-DIR FILM --python PYTHON \
         --keep`\nwrites this page. Milliseconds of processor time on one core; medians.\n\
         Processor: {}.\n",
        processor()
    )?;

    let (wall, all) = (clock(ClockId::Monotonic), clock(ClockId::ProcessCPUTime));
    let models = FaceModels::load(store)?;
    let start = (clock(ClockId::Monotonic) - wall, clock(ClockId::ProcessCPUTime) - all);
    let embedder = models.embedder.as_ref().map_err(ToString::to_string)?;

    let call = as_sent(film, "640:480", 30, "1M")?;
    let pictures = pictures(&call)?;
    let picture = pictures.first().ok_or("the film has no picture")?;
    let found = models.detector.detect(picture)?;
    let face = found.first().ok_or("no face is in the film's first picture")?;
    let [first, second, ..] = face.points;
    let window = CropFrame::around(face.face, first, second).ok_or("no window")?;
    let mesh = models.mesh.read(picture, window)?;

    writeln!(page, "## By stage\n")?;
    writeln!(
        page,
        "| Stage | Now | Before: the general runner | onnxruntime |\n|---|---|---|---|"
    )?;
    let theirs = python.map(|python| onnxruntime(python, store)).transpose()?.unwrap_or_default();
    let theirs_of = |n: usize| {
        theirs.get(n).filter(|ms| ms.is_finite()).map_or(String::new(), |ms| format!("{ms:.1}"))
    };
    let mut row = |what: &str, now: f64, before: Option<f64>, theirs: String| {
        let before = before.map_or(String::new(), |ms| format!("{ms:.1}"));
        writeln!(page, "| {what} | {now:.2} | {before} | {theirs} |")
    };
    let run = |work: &mut dyn FnMut() -> Result<(), Any>| {
        work()?;
        Ok::<f64, Any>(median(41, || drop(work())))
    };
    let detect = run(&mut || models.detector.detect(picture).map(drop).map_err(Any::from))?;
    row(
        "detection, 320 pixels",
        detect,
        Some(general(store, "yunet", &[1, 3, 320, 320])?),
        theirs_of(0),
    )?;
    let quick = run(&mut || models.quick.detect(picture).map(drop).map_err(Any::from))?;
    row("detection, 160 pixels", quick, None, theirs_of(1))?;
    let read = run(&mut || models.mesh.read(picture, window).map(drop).map_err(Any::from))?;
    row(
        "mesh, with its window",
        read,
        Some(general(store, "face_landmarks", &[1, 256, 256, 3])?),
        theirs_of(2),
    )?;
    let shapes = run(&mut || {
        models.mesh.blendshapes(&mesh)?;
        Ok(())
    })?;
    row(
        "blendshapes",
        shapes,
        Some(general(store, "face_blendshapes", &[1, 146, 2])?),
        theirs_of(3),
    )?;
    let embed = run(&mut || embedder.embed(picture, &face.points).map(drop).map_err(Any::from))?;
    row("embedding", embed, Some(general(store, "sface", &[1, 3, 112, 112])?), theirs_of(4))?;

    let frames = call.len();
    let silent = thread_ms(|| drop(decode(&call, |_| false, |_| {}))) / frames as f64;
    let whole = thread_ms(|| drop(decode(&call, |_| true, |_| {}))) / frames as f64;
    row("H.264, one frame of 640x480", silent, None, String::new())?;
    row("its picture in RGB", whole - silent, None, String::new())?;

    let (look, looks) = check(&models, &call)?;
    writeln!(page, "\n## A check\n")?;
    writeln!(
        page,
        "30 frames a second of 640x480 decoded, 10 looks a second, all included: \
         **{look:.1} ms a look** over {looks} looks ({:.0} % of a core).\n",
        look
    )?;

    writeln!(page, "## The watch over a call\n")?;
    writeln!(
        page,
        "One look a second: the small detector, the embedding every ten seconds, the eyes every three.\n"
    )?;
    writeln!(page, "| Layer | Decoded | ms a second | Share of a core |\n|---|---|---|---|")?;
    for (size, fps, rate) in
        [("160:120", 15, "100k"), ("320:240", 15, "150k"), ("640:480", 30, "1M")]
    {
        let call = as_sent(film, size, fps, rate)?;
        for keys_only in [false, true] {
            let ms = watch(&models, &call, fps, keys_only)?;
            let decoded = if keys_only { "one key frame a second" } else { "every frame" };
            let size = size.replace(':', "x");
            writeln!(
                page,
                "| {size}, {fps} a second | {decoded} | {ms:.1} | {:.2} % |",
                ms / 10.0
            )?;
        }
    }

    writeln!(page, "\n## Start\n")?;
    writeln!(
        page,
        "Loading all models: {:.2} s by the clock, {:.2} s of processor time, in three threads.",
        start.0 / 1e3,
        start.1 / 1e3
    )?;
    Ok(page)
}

/// The general runner on a model, as all were run before.
fn general(store: &ModelStore, name: &str, shape: &[usize]) -> Result<f64, Any> {
    let network = Network::load(name, &store.read(name)?, shape)?;
    let input = vec![0.3; shape.iter().product()];
    network.run(&input)?;
    Ok(median(21, || drop(network.run(&input))))
}

/// Medians of onnxruntime with one thread, in the order of the table.
fn onnxruntime(python: &str, store: &ModelStore) -> Result<Vec<f64>, Any> {
    const SCRIPT: &str = r"
import sys, time
import numpy as np, onnxruntime as ort
for path, name, shape in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    name = name or session.get_inputs()[0].name
    data = np.full([int(n) for n in shape.split('x')], 0.3, np.float32)
    times = []
    try:
        for _ in range(21):
            start = time.thread_time()
            session.run(None, {name: data})
            times.append(time.thread_time() - start)
        print(sorted(times)[10] * 1e3)
    except Exception:
        print('nan')
";
    let fetched = |name: &str| {
        let file = store.entry(name).map(|entry| entry.file.clone()).unwrap_or_default();
        store.folder().join(file)
    };
    let carried = |file: &str| root().join("kyc/models").join(file);
    let mut command = Command::new(python);
    command.arg("-c").arg(SCRIPT);
    for (path, input, shape) in [
        (fetched("yunet"), "", "1x3x320x320"),
        (fetched("yunet"), "", "1x3x160x160"),
        (carried("face_landmarks.onnx"), "", "1x256x256x3"),
        (carried("face_blendshapes.onnx"), "", "1x146x2"),
        (fetched("sface"), "data", "1x3x112x112"),
    ] {
        command.arg(path).arg(input).arg(shape);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().filter_map(|l| l.trim().parse().ok()).collect())
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    name.unwrap_or(" unknown").trim().to_owned()
}

/// A film as a browser would send it: each frame as its NAL units.
fn as_sent(film: &Path, size: &str, fps: usize, rate: &str) -> Result<Vec<Payload>, Any> {
    let filter = format!("fps={fps},scale={size}:force_original_aspect_ratio=increase,crop={size}");
    let keys = fps.to_string();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-stream_loop", "-1", "-i"])
        .arg(film)
        .args(["-an", "-t", "30", "-vf", &filter, "-c:v", "libx264", "-profile:v", "baseline"])
        .args(["-pix_fmt", "yuv420p", "-g", &keys, "-bf", "0", "-b:v", rate, "-preset", "veryfast"])
        .args(["-bsf:v", "h264_metadata=aud=insert", "-f", "h264", "-"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for nal in split_annex_b(&output.stdout) {
        match nal.first().map(|header| header & 0x1f) {
            Some(9) => units.push(Vec::new()),
            _ => units.iter_mut().rev().take(1).for_each(|u| u.push(Bytes::copy_from_slice(nal))),
        }
    }
    Ok(units.into_iter().map(Payload::H264).collect())
}

fn decode(
    call: &[Payload],
    wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(Picture),
) -> Result<(), Any> {
    let mut decoder = VideoDecoder::default();
    for (n, frame) in call.iter().enumerate() {
        if let Decoded::Picture(picture) = decoder.decode(frame, wanted(n))? {
            each(picture);
        }
    }
    Ok(())
}

fn pictures(call: &[Payload]) -> Result<Vec<Picture>, Any> {
    let mut pictures = Vec::new();
    decode(call, |n| n % 30 == 0, |picture| pictures.push(picture))?;
    Ok(pictures)
}

/// Milliseconds a look of a whole check: every frame decoded, every third looked at.
fn check(models: &FaceModels, call: &[Payload]) -> Result<(f64, u32), Any> {
    let (mut tracker, mut looks, mut failed) = (FaceTracker::default(), 0_u32, None);
    let ms = thread_ms(|| {
        let result = decode(
            call,
            |n| n % 3 == 0,
            |picture| {
                let at = Mono::from_millis(u64::from(looks) * 100);
                looks += 1;
                if let Err(error) = tracker.look(models, &picture, at) {
                    failed = Some(error);
                }
            },
        );
        if let Err(error) = result {
            eprintln!("{error}");
        }
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok((ms / f64::from(looks.max(1)), looks)),
    }
}

/// Milliseconds a second of watching.
fn watch(models: &FaceModels, call: &[Payload], fps: usize, keys_only: bool) -> Result<f64, Any> {
    let mut watch = Watch::new(WatchPolicy::default(), None);
    let (mut looks, mut failed) = (0_u64, None);
    let ms = thread_ms(|| {
        let each = |picture: Picture| {
            let at = Mono::from_millis(looks * 1_000);
            looks += 1;
            failed = watch.look(models, &picture, at).err().or(failed.take());
        };
        let keys: Vec<Payload> = call.iter().step_by(fps).cloned().collect();
        let result = if keys_only {
            decode(&keys, |_| true, each)
        } else {
            decode(call, |n| n % fps == 0, each)
        };
        if let Err(error) = result {
            eprintln!("{error}");
        }
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(ms * fps as f64 / call.len().max(1) as f64),
    }
}
