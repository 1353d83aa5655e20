import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { BrowserContext } from "@playwright/test";

import { run } from "./branch";
import { remove } from "./evidence";

/**
 * Known content: a camera whose every picture has its number burnt in, and a microphone that hears
 * a tone at the beginning of every second, its pitch by the second's number. Both go by one clock.
 */
const SHAPE = {
  picturesPerSecond: 25,
  pitches: 8,
  lowestHz: 2000,
  pitchApartHz: 150,
  /** The number is twelve squares, black or white, in three rows: eleven bits and an odd parity. */
  columns: 4,
  rows: 3,
  bits: 11,
};

/** Lets camera and microphone of every page count. */
export async function countOn(context: BrowserContext): Promise<void> {
  await context.addInitScript(countingDevices, SHAPE);
}

/** Runs in the page before its own scripts. */
function countingDevices(shape: typeof SHAPE): void {
  const { columns, rows, bits } = shape;
  const [width, height] = [640, 480];
  const original = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (original === undefined) return;
  let devices: { canvas: HTMLCanvasElement; sound: MediaStream } | null = null;
  const open = (): { canvas: HTMLCanvasElement; sound: MediaStream } => {
    const audio = new AudioContext();
    void audio.resume();
    const hears = audio.createMediaStreamDestination();
    const softer = audio.createGain();
    softer.gain.value = 0.3;
    softer.connect(hears);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    let second = 0;
    setInterval(() => {
      for (; second < audio.currentTime + 2; second += 1) {
        const tone = audio.createOscillator();
        tone.frequency.value = shape.lowestHz + shape.pitchApartHz * (second % shape.pitches);
        tone.connect(softer);
        tone.start(second);
        tone.stop(second + 0.2);
      }
      if (context === null) return;
      const number = Math.floor(audio.currentTime * shape.picturesPerSecond) % 2 ** bits;
      let parity = 1;
      for (let square = 0; square < columns * rows; square += 1) {
        const bit = square < bits ? (number >> square) & 1 : parity;
        parity ^= bit;
        const side = width / columns;
        context.fillStyle = bit === 1 ? "#fff" : "#000";
        context.fillRect(
          (square % columns) * side,
          Math.floor(square / columns) * side,
          side,
          side,
        );
      }
    }, 1000 / shape.picturesPerSecond);
    return { canvas, sound: hears.stream };
  };
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    // Whether the person permits it is still asked.
    for (const track of (await original(wanted)).getTracks()) track.stop();
    devices ??= open();
    const tracks = wanted?.video
      ? devices.canvas.captureStream(shape.picturesPerSecond).getTracks()
      : [];
    if (wanted?.audio) tracks.push(...devices.sound.getTracks().map((track) => track.clone()));
    return new MediaStream(tracks);
  };
}

/** What a file shows and plays, by its own time line (seconds). */
export type Counted = {
  /** Numbers of the pictures in which one can be read; past the highest it goes on counting. */
  pictures: { at: number; number: number }[];
  /** Pictures in which none can be read. */
  unread: number;
  /** Begins of tones, and which second they are of, modulo the number of pitches. */
  tones: { at: number; pitch: number }[];
};

/** Reads a file; `pane` is where in the picture the camera is, as ffmpeg's crop filter takes it. */
export async function countedIn(file: string, pane = "iw:ih:0:0"): Promise<Counted> {
  const { pictures, unread } = await picturesOf(file, pane);
  return { pictures, unread, tones: await tonesOf(file) };
}

async function picturesOf(file: string, pane: string): Promise<Omit<Counted, "tones">> {
  const squares = await decoded(file, [
    ...["-vf", `crop=${pane},scale=${SHAPE.columns}:${SHAPE.rows}:flags=area,format=gray`],
    ...["-fps_mode", "passthrough", "-f", "rawvideo"],
  ]);
  const { stdout } = await ran("ffprobe", [
    ...["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time"],
    ...["-of", "csv=print_section=0", file],
  ]);
  const times = stdout.split("\n").map(parseFloat).filter(Number.isFinite);
  const size = SHAPE.columns * SHAPE.rows;
  if (times.length !== squares.length / size)
    throw new Error(`${times.length} times of ${squares.length / size} pictures`);
  const pictures: Counted["pictures"] = [];
  let unread = 0;
  let rounds = 0;
  for (const [index, at] of times.entries()) {
    const bits = [...squares.subarray(index * size, (index + 1) * size)].map((v) => +(v > 127));
    if (bits.reduce((sum, bit) => sum + bit, 0) % 2 === 0) {
      unread += 1;
      continue;
    }
    const low = bits.slice(0, SHAPE.bits).reduce((sum, bit, place) => sum + (bit << place), 0);
    const last = pictures.at(-1)?.number ?? 0;
    if (low + rounds + 2 ** (SHAPE.bits - 1) < last) rounds += 2 ** SHAPE.bits;
    pictures.push({ at, number: low + rounds });
  }
  return { pictures, unread };
}

const RATE = 16_000;
/** Long enough to tell the pitches apart, and how exactly a begin is known. */
const WINDOW = 320;
const HOP = 80;
/** Of the loudest. */
const LOUD = 0.25;

async function tonesOf(file: string): Promise<Counted["tones"]> {
  const bytes = await decoded(file, [
    ...["-vn", "-ac", "1", "-af", `aresample=${RATE}:async=1:first_pts=0`, "-f", "s16le"],
  ]);
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 2));
  const windows: { at: number; pitch: number; power: number }[] = [];
  for (let from = 0; from + WINDOW <= samples.length; from += HOP) {
    const window = samples.subarray(from, from + WINDOW);
    const powers = Array.from({ length: SHAPE.pitches }, (_, n) =>
      powerAt(window, SHAPE.lowestHz + SHAPE.pitchApartHz * n),
    );
    const power = Math.max(...powers);
    windows.push({ at: from / RATE, pitch: powers.indexOf(power), power });
  }
  const loud = LOUD * Math.max(...windows.map(({ power }) => power));
  const tones: Counted["tones"] = [];
  let sounding = false;
  for (const { at, pitch, power } of windows) {
    if (power >= loud && !sounding) tones.push({ at: at + WINDOW / RATE / 2, pitch });
    sounding = power >= (sounding ? loud / 4 : loud);
  }
  return tones;
}

/** Goertzel's algorithm. */
function powerAt(window: Int16Array, hz: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / RATE);
  let [one, two] = [0, 0];
  for (const sample of window) [one, two] = [sample + turn * one - two, one];
  return one * one + two * two - turn * one * two;
}

async function decoded(file: string, options: string[]): Promise<Buffer> {
  const raw = join(tmpdir(), `vbranch-counted-${process.pid}-${Date.now()}`);
  try {
    // The file's own time line, not one that begins with the first of its tracks.
    await ran("ffmpeg", ["-v", "error", "-nostdin", "-copyts", "-i", file, ...options, raw]);
    return readFileSync(raw);
  } finally {
    remove(raw);
  }
}

async function ran(program: string, args: string[]): Promise<{ stdout: string }> {
  const { code, stdout, stderr } = await run(program, args, process.env, 120_000);
  if (code !== 0) throw new Error(`${program} failed (${code}): ${stderr}`);
  return { stdout };
}

/** How what a file shows and plays holds against what the devices counted. */
export type Count = {
  /** Furthest that a picture's time is off from its number, milliseconds. */
  offMs: number;
  /** Share of the numbers between the first and the last that no picture has. */
  missing: number;
  /** Seconds between the first and the last tone that have none. */
  silent: number;
  /** Sound after picture, milliseconds: the middle of all tones, and the furthest from it. */
  soundLateMs: number;
  soundWaversMs: number;
};

/** Throws where pictures are out of order or a tone is another second's. */
export function countOf({ pictures, tones }: Counted): Count {
  const [first, last] = [pictures[0], pictures.at(-1)];
  const [begin, end] = [tones[0], tones.at(-1)];
  if (!first || !last || !begin || !end) throw new Error("there is nothing to count");
  const offs: number[] = [];
  for (const [index, { at, number }] of pictures.entries()) {
    const before = pictures[index - 1]?.number ?? 0;
    if (number < before) throw new Error(`at ${at} s picture ${number} comes after ${before}`);
    offs.push(at - number / SHAPE.picturesPerSecond);
  }
  // When the camera's clock was at zero, by the file's time line.
  const zero = middle(offs);
  const lates: number[] = [];
  const seconds = new Set<number>();
  for (const { at, pitch } of tones) {
    const second = Math.round(at - zero);
    if (second % SHAPE.pitches !== pitch)
      throw new Error(`at ${at} s the tone ${pitch}, not ${second}'s`);
    seconds.add(second);
    lates.push(at - zero - second);
  }
  const late = middle(lates);
  const furthest = (values: number[], from: number): number =>
    1000 * Math.max(...values.map((value) => Math.abs(value - from)));
  const numbers = new Set(pictures.map(({ number }) => number));
  return {
    offMs: furthest(offs, zero),
    missing: 1 - numbers.size / (last.number - first.number + 1),
    silent: Math.round(end.at - begin.at) + 1 - seconds.size,
    soundLateMs: 1000 * late,
    soundWaversMs: furthest(lates, late),
  };
}

function middle(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
