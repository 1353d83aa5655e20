import { FPS } from "./shape";

export type Colour = [r: number, g: number, b: number];

/** Of the light in the room, a white screen in the hand gives so much more to the face. */
const SCREEN_LIGHT = 0.25;
/** Time for which a camera gathers the light of one picture, and until it is sent. */
const CAMERA_DELAY_MS = [100, 200] as const;
/** A camera evens out a part of every change of brightness, slowly. */
const EXPOSURE_MS = 1500;
const EXPOSURE_SHARE = 0.5;
const GAMMA = 2.2;

/** What the screen sheds on the face, as the camera shows it. */
export class Light {
  private readonly delay: number;
  private readonly seen: { at: number; colour: Colour }[] = [];
  private colour: Colour = [1, 1, 1];
  private exposure = 1;
  private last = "";

  constructor(
    private readonly lit: boolean,
    random: () => number,
    private readonly note: (what: string) => void,
  ) {
    this.delay = CAMERA_DELAY_MS[0] + (CAMERA_DELAY_MS[1] - CAMERA_DELAY_MS[0]) * random();
  }

  /** By how much each channel grows in the middle of the face, and what the camera makes of it. */
  at(now: number): { gain: Colour; exposure: number } {
    this.seen.push({ at: now, colour: this.lit ? screenColour() : [1, 1, 1] });
    this.tell();
    while ((this.seen[1]?.at ?? now) <= now - this.delay) this.seen.shift();
    this.colour = this.seen[0]?.colour ?? this.colour;
    const gain = this.colour.map((c) => (1 + SCREEN_LIGHT * c) ** (1 / GAMMA)) as Colour;
    const white = (1 + SCREEN_LIGHT) ** (1 / GAMMA);
    const mean = 0.3 * gain[0] + 0.6 * gain[1] + 0.1 * gain[2];
    const wanted = Math.min(1, 0.96 * (white / mean) ** EXPOSURE_SHARE);
    this.exposure += (wanted - this.exposure) / (EXPOSURE_MS / (1000 / FPS));
    return { gain, exposure: this.exposure };
  }

  private tell(): void {
    const newest =
      this.seen
        .at(-1)
        ?.colour.map((c) => c.toFixed(2))
        .join(" ") ?? "";
    if (newest !== this.last) this.note(`screen is ${newest}`);
    this.last = newest;
  }
}

/** The mean colour of what the page really shows, as linear light. */
function screenColour(): Colour {
  const sum: Colour = [0, 0, 0];
  const places = [0.15, 0.5, 0.85];
  for (const x of places) {
    for (const y of places) {
      const element = document.elementFromPoint(innerWidth * x, innerHeight * y);
      colourOf(element).forEach((c, channel) => (sum[channel] = (sum[channel] ?? 0) + c / 9));
    }
  }
  return sum;
}

/** Of the first thing from here downwards that is not transparent; an empty page is white. */
function colourOf(element: Element | null): Colour {
  for (let at = element; at !== null; at = at.parentElement) {
    const [r, g, b, alpha] =
      getComputedStyle(at)
        .backgroundColor.match(/[\d.]+/g)
        ?.map(Number) ?? [];
    if (r === undefined || g === undefined || b === undefined || alpha === 0) continue;
    return [(r / 255) ** GAMMA, (g / 255) ** GAMMA, (b / 255) ** GAMMA];
  }
  return [1, 1, 1];
}
