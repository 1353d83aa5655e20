/** From measurements to places in a drawing of 100 by 100. Pure. */
import type { KycSignal, KycTrace } from "@vbranch/sdk";

export type Point = { t: number; v: number };
export type Range = readonly [number, number];
export type Span = { from: number; to: number };

/** A hole longer than this is drawn as one: nothing was measured in it. */
const HOLE_MS = 1_000;

/** Where a value of the domain lies, from 0 to 100. A domain without width puts all in the middle. */
export function place(value: number, [from, to]: Range): number {
  if (to <= from) return 50;
  return Math.min(100, Math.max(0, ((value - from) / (to - from)) * 100));
}

/**
 * The least range that holds all values and `at least`, with a little air, to round numbers.
 * What is not a number (a measure that could not be taken) does not count.
 */
export function rangeOf(values: readonly number[], atLeast: Range): Range {
  const known = values.filter(Number.isFinite);
  const low = known.reduce((a, b) => Math.min(a, b), atLeast[0]);
  const high = known.reduce((a, b) => Math.max(a, b), atLeast[1]);
  const step = stepFor(high - low);
  const round = (value: number) => Number(value.toPrecision(12));
  return [round(Math.floor(low / step) * step), round(Math.ceil(high / step) * step)];
}

/** A tenth to a twentieth of the range, as 1, 2 or 5 times a power of ten. */
function stepFor(width: number): number {
  if (!(width > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(width / 10));
  const times = width / 10 / power;
  return power * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1);
}

/** An SVG path through the points, broken where nothing was measured. `y` grows downwards. */
export function pathOf(points: readonly Point[], x: Range, y: Range): string {
  let path = "";
  let before: Point | null = null;
  for (const point of points) {
    if (!Number.isFinite(point.v)) {
      before = null;
      continue;
    }
    const joined = before !== null && point.t - before.t <= HOLE_MS;
    const at = `${place(point.t, x).toFixed(2)} ${(100 - place(point.v, y)).toFixed(2)}`;
    // A lone point has no length: drawn onto itself it is a dot.
    path += joined ? `L${at}` : `M${at}L${at}`;
    before = point;
  }
  return path;
}

export type Box = { left: number; width: number };

export function boxOf({ from, to }: Span, x: Range): Box {
  const left = place(from, x);
  return { left, width: Math.max(0, place(to, x) - left) };
}

/** Whole seconds (or a multiple of them) that mark a time axis, at most `most` of them. */
export function secondsOn([from, to]: Range, most = 7): number[] {
  const step = [1, 2, 5, 10, 20, 30, 60, 120].find((each) => (to - from) / 1000 / each < most - 1);
  const ms = (step ?? 300) * 1000;
  const first = Math.ceil(from / ms);
  const count = Math.max(0, Math.floor(to / ms) - first + 1);
  return Array.from({ length: count }, (_, at) => (first + at) * ms);
}

/** The colours of the screen one after another, each until the next. */
export function coloursOn(
  flash: KycTrace["flash"],
  endMs: number,
): (Span & { colour: string; index: number })[] {
  return flash.flatMap(({ t, colour, index }, at) =>
    colour === null ? [] : [{ from: t, to: flash[at + 1]?.t ?? endMs, colour, index }],
  );
}

/** At most `most` of the rows, evenly chosen, the first and the last among them. */
export function sampled<T>(rows: readonly T[], most: number): T[] {
  if (rows.length <= most) return [...rows];
  const step = (rows.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, at) => rows[Math.round(at * step)]).filter(
    (row) => row !== undefined,
  );
}

/** A signal as a bar: from zero to the score, and where the threshold lies. */
export type Bar = Box & { threshold: number; sense: "≥" | "≤" };

/** Signals of which less is better. Of others a score that missed or made it shows which. */
const AT_MOST = new Set(["stream.jumps", "stream.frozen", "challenge.wrong", "flash.lag_ms"]);

export function barOf({ name, score, threshold, passed }: KycSignal): Bar {
  const known = [0, score, threshold].filter(Number.isFinite);
  const domain: Range = [Math.min(...known), Math.max(...known) * 1.15 || 1];
  const zero = place(0, domain);
  const end = Number.isFinite(score) ? place(score, domain) : zero;
  return {
    left: Math.min(zero, end),
    width: Math.abs(end - zero),
    threshold: place(threshold, domain),
    sense: AT_MOST.has(name) || passed !== score >= threshold ? "≤" : "≥",
  };
}
