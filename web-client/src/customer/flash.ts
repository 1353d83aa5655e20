/**
 * What colour fills the customer's screen. The server says it, one colour a snapshot; this only
 * keeps it safe to look at: never faster than eyes bear, and never longer than somebody asks for it.
 */
import type { CustomerView, Flash, Liveness } from "@vbranch/sdk";

import { createStore } from "../store";

/**
 * Least time between two changes. WCAG 2.3.1 allows three flashes a second, a flash being two
 * changes. Larger would hold back colours that a shaky network delivers early; smaller would let
 * the colours that pile up in a stalled network through as a flicker.
 */
export const LEAST_GAP_MS = 250;
/** The server changes or ends a colour twice a second. One that stands this long is forgotten. */
export const LONGEST_MS = 3_000;

type Wanted = { key: string; attempt: number; flash: Flash };

export class FlashScreen {
  /** What is to be shown now; null: the page itself. */
  readonly state = createStore<Flash | null>(null);
  private wanted: Wanted | null = null;
  private changedAt = Number.NEGATIVE_INFINITY;
  private stoppedAttempt: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** What the newest snapshot asks for. */
  heard(view: CustomerView): void {
    const wanted = wantedOf(view.state === "checking" ? view.liveness : null);
    if (wanted?.key === this.wanted?.key) return;
    this.wanted = wanted;
    if (wanted === null || wanted.attempt === this.stoppedAttempt) this.show(null);
    else this.showInTime(wanted.flash);
  }

  /** Nobody says any more what is to be shown: the line is gone, or the page is left. */
  clear(): void {
    this.wanted = null;
    this.show(null);
  }

  /** The customer wants no more colours in this attempt. */
  stop(): void {
    this.stoppedAttempt = this.wanted?.attempt ?? null;
    this.show(null);
  }

  private showInTime(flash: Flash): void {
    const early = this.changedAt + LEAST_GAP_MS - this.now();
    clearTimeout(this.timer);
    if (early <= 0) this.show(flash);
    else this.timer = setTimeout(() => this.show(flash), early);
  }

  private show(flash: Flash | null): void {
    clearTimeout(this.timer);
    if (flash !== null) this.timer = setTimeout(() => this.show(null), LONGEST_MS);
    if (flash === null && this.state.get() === null) return;
    this.changedAt = this.now();
    this.state.set(flash);
  }
}

function wantedOf(liveness: Liveness | null): Wanted | null {
  if (liveness?.status !== "running" || !liveness.flash) return null;
  const { attempt, flash } = liveness;
  if (!/^#[0-9a-f]{6}$/i.test(flash.colour)) return null;
  return { key: `${attempt}/${flash.index}/${flash.colour}`, attempt, flash };
}

/** Black or white, whichever can be read on this `#rrggbb` (WCAG 2.2, relative luminance). */
export function inkOn(colour: string): "#000000" | "#ffffff" {
  const channel = (at: number) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  // Where the contrast with black, (l + 0.05) / 0.05, equals that with white, 1.05 / (l + 0.05).
  return luminance > 0.179 ? "#000000" : "#ffffff";
}
