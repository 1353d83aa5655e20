import type { Casting, Moment } from "./casting";

/** What the face shows at one moment. */
export type Look = {
  /** Picture of the rest, with a fraction: between two pictures both are mixed. */
  rest: number;
  /** A gesture over it, and how much of it. */
  gesture: { kind: string; picture: number; share: number } | null;
  /** How far out of the picture, 0..1. */
  away: number;
};

/** From a gesture to the face at rest, and back. */
const JOIN_MS = 300;
/** A person who sees that it was not taken does it again after a while. */
const AGAIN_MS = [2500, 4000] as const;
/** Reading and beginning to move. */
const REACTION_MS = [250, 600] as const;
/** Each part of a gesture takes this many times as long as in the film. */
const PACE = [0.85, 1.25] as const;
const WALK_MS = 900;

/** Reads what the page asks for, and does it. */
export class Will {
  private asked = "";
  private planned: { kind: string; at: number } | null = null;
  private doing: { kind: string; since: number; course: Moment[] } | null = null;
  private sway: { from: number; to: number; since: number; ms: number; hold: number };
  private gone: { since: number; from: number; to: number } = { since: 0, from: 0, to: 0 };

  constructor(
    private readonly casting: Casting,
    private readonly random: () => number,
    private readonly note: (what: string) => void,
  ) {
    const { join } = casting.rest;
    this.sway = { from: join, to: join, since: 0, ms: 1, hold: 0 };
  }

  goAway(away: boolean): void {
    const now = performance.now();
    this.gone = { since: now, from: this.awayAt(now), to: away ? 1 : 0 };
    this.note(away ? "walks away" : "comes back");
  }

  look(now: number): Look {
    this.read(now);
    if (this.planned !== null && this.doing === null && now >= this.planned.at) {
      const { kind } = this.planned;
      const cut = this.casting.gestures[kind];
      if (cut !== undefined) this.begin(kind, cut.course, now);
      else this.note(`cannot ${kind}`);
      this.planned = null;
    }
    return { rest: this.restAt(now), gesture: this.gestureAt(now), away: this.awayAt(now) };
  }

  private read(now: number): void {
    const element = document.querySelector<HTMLElement>("[data-testid=liveness-challenge]");
    const kind = element?.dataset["kind"] ?? "none";
    // The same gesture may be asked for twice; its number in the row tells.
    const asked = kind === "none" ? "" : `${kind} ${element?.textContent ?? ""}`;
    if (asked === this.asked) return;
    this.asked = asked;
    this.planned = null;
    if (asked === "") return;
    this.planned = { kind, at: now + this.between(...REACTION_MS) };
    this.note(`is asked to ${kind}`);
  }

  /** Nobody does a thing twice in the same time. */
  private begin(kind: string, film: Moment[], now: number): void {
    let [before, at] = [0, 0];
    const course = film.map(([ms, picture]): Moment => {
      at += (ms - before) * this.between(...PACE);
      before = ms;
      return [at, picture];
    });
    const { join } = this.casting.rest;
    this.doing = { kind, since: now, course };
    this.sway = { from: this.restAt(now), to: join, since: now, ms: 200, hold: 0 };
    this.note(`does ${kind}`);
  }

  private gestureAt(now: number): Look["gesture"] {
    if (this.doing === null) return null;
    const { kind, since, course } = this.doing;
    const join = kind === "blink" ? JOIN_MS / 2 : JOIN_MS;
    const length = course.at(-1)?.[0] ?? 0;
    const passed = now - since;
    const share = Math.min(smooth(passed / join), smooth((2 * join + length - passed) / join));
    if (passed < 2 * join + length)
      return { kind, picture: pictureAt(course, passed - join), share };
    this.doing = null;
    if (this.asked.startsWith(`${kind} `))
      this.planned = { kind, at: now + this.between(...AGAIN_MS) };
    return null;
  }

  /** To and fro between ever new turning points, now faster, now slower, with stops. */
  private restAt(now: number): number {
    const { from, to, since, ms, hold } = this.sway;
    if (now - since > ms + hold && this.doing === null) {
      const { rest } = this.casting;
      const next = this.between(rest.from, rest.to);
      const speed = this.between(3, 9);
      this.sway = {
        from: to,
        to: next,
        since: now,
        ms: Math.max(300, (Math.abs(next - to) / speed) * 1000),
        hold: this.between(0, 900),
      };
      return to;
    }
    return from + (to - from) * smooth((now - since) / ms);
  }

  private awayAt(now: number): number {
    const { since, from, to } = this.gone;
    return from + (to - from) * smooth((now - since) / WALK_MS);
  }

  private between(low: number, high: number): number {
    return low + (high - low) * this.random();
  }
}

/** Slow at both ends. */
function smooth(share: number): number {
  const s = Math.min(1, Math.max(0, share));
  return s * s * (3 - 2 * s);
}

function pictureAt(course: Moment[], ms: number): number {
  const next = course.findIndex(([at]) => at > ms);
  const [before, after] = [next === -1 ? course.at(-1) : course[next - 1], course[next]];
  // It stands still before the beginning and past the end.
  if (next === 0 || before === undefined || after === undefined)
    return (next === 0 ? after : before)?.[1] ?? 0;
  return before[1] + (after[1] - before[1]) * smooth((ms - before[0]) / (after[0] - before[0]));
}
