/** Draws the actor, 25 times a second, as the camera of a phone in the hand would. */
import type { Casting } from "./casting";
import type { Colour, Light } from "./light";
import { type Pictures, joinOf, loadPictures } from "./pictures";
import { FPS, HEIGHT, WIDTH } from "./shape";
import type { Look, Will } from "./will";

/** Size of the film's picture on the camera's, and where it stands. */
const SCALE = 0.92;
const TOP = 20;
/** Of a head, around its middle, in pixels of the film. */
const HEAD = { width: 150, height: 190 };
/** How much of the screen's light falls where, from the head's middle outwards. */
const SHINE: [heads: number, share: number][] = [
  [0, 1],
  [0.45, 0.92],
  [0.75, 0.7],
  [1, 0.45],
  [1.3, 0.2],
  [2, 0.1],
  [3, 0.08],
];
const SHINE_ON_WALL = 0.1;

export class Camera {
  private readonly canvas = document.createElement("canvas");
  private readonly context: CanvasRenderingContext2D;
  private readonly person: OffscreenCanvas;
  private readonly personContext: OffscreenCanvasRenderingContext2D;
  private readonly joins: Map<string, DOMMatrix>;
  private readonly phases: number[];

  private constructor(
    private readonly casting: Casting,
    private readonly random: () => number,
    private readonly will: Will,
    private readonly light: Light,
    private readonly pictures: Pictures,
  ) {
    const [first] = pictures.rest.values();
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    this.person = new OffscreenCanvas(first?.width ?? 1, first?.height ?? 1);
    // Both are drawn and read on the processor; there is no other here.
    const onProcessor = { willReadFrequently: true };
    const context = this.canvas.getContext("2d", { alpha: false, ...onProcessor });
    const personContext = this.person.getContext("2d", onProcessor);
    if (context === null || personContext === null) throw new Error("no canvas to draw on");
    this.context = context;
    this.personContext = personContext;
    const cuts = Object.entries(casting.gestures);
    this.joins = new Map(cuts.map(([kind, cut]) => [kind, joinOf(casting, cut)]));
    this.phases = Array.from({ length: 16 }, () => random() * 1000);
    this.draw();
    setInterval(() => this.draw(), 1000 / FPS);
  }

  static async open(
    casting: Casting,
    random: () => number,
    will: Will,
    light: Light,
  ): Promise<Camera> {
    const pictures = await loadPictures(casting, random);
    return new Camera(casting, random, will, light, pictures);
  }

  /** A new track of this camera; it has the traits of a real one. */
  track(): MediaStreamTrack {
    const [track] = this.canvas.captureStream(FPS).getVideoTracks();
    if (track === undefined) throw new Error("the canvas gave no video");
    const settings = { width: WIDTH, height: HEIGHT, frameRate: FPS, facingMode: "user" };
    Object.defineProperty(track, "label", { value: "Front Camera" });
    track.getSettings = () => settings;
    return track;
  }

  private draw(): void {
    const now = performance.now();
    const look = this.will.look(now);
    const { gain, exposure } = this.light.at(now);
    const head = this.drawScene(now, look);
    this.shine(head, gain, 1 - look.away);
    // The brightness of lamps is never quite the same.
    const dim = 1 - exposure * (0.99 + 0.006 * this.drift(now, 10, 0.4));
    const { context } = this;
    context.fillStyle = `rgba(0, 0, 0, ${Math.max(0, dim)})`;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    const at = (span: number): number => -Math.floor(this.random() * span);
    context.drawImage(this.pictures.grain, at(WIDTH), at(HEIGHT));
  }

  /** Gives back where the middle of the head is. */
  private drawScene(now: number, look: Look): DOMPoint {
    const { context } = this;
    const drift = (which: number, perSecond: number): number => this.drift(now, which, perSecond);
    const middle = this.casting.side / 2;
    context.drawImage(this.pictures.wall, 0, 0);
    context.translate(WIDTH / 2 + 5 * drift(0, 0.23) + look.away * WIDTH, TOP + middle * SCALE);
    context.translate(0, 3 * drift(2, 0.19));
    context.rotate(0.012 * drift(4, 0.17));
    const scale = SCALE * (1 + 0.008 * drift(6, 0.13));
    context.scale(scale, scale);
    context.translate(-middle, -middle);
    const head = this.drawPerson(look);
    context.drawImage(this.person, 0, 0);
    const seen = context.getTransform().transformPoint(head);
    context.resetTransform();
    return seen;
  }

  /** Rest and gesture laid over each other; gives back the middle of the head. */
  private drawPerson({ rest, gesture }: Look): DOMPoint {
    this.personContext.clearRect(0, 0, this.person.width, this.person.height);
    const head = this.headAt(rest);
    if (gesture === null || gesture.share < 1) this.lay(this.pictures.rest, rest, 1);
    if (gesture === null) return head;
    const { kind, picture, share } = gesture;
    this.lay(this.pictures.gestures.get(kind), picture, share);
    const moved = this.headAt(picture).matrixTransform(this.joins.get(kind));
    head.x += (moved.x - head.x) * share;
    head.y += (moved.y - head.y) * share;
    return head;
  }

  /** Between two pictures, the later one lies over the earlier. */
  private lay(from: Map<number, ImageBitmap> | undefined, number: number, share: number): void {
    const context = this.personContext;
    const whole = Math.floor(number);
    for (const [picture, alpha] of [
      [whole, share],
      [whole + 1, share * (number - whole)],
    ] as const) {
      const bitmap = from?.get(picture);
      if (bitmap === undefined || alpha < 0.02) continue;
      context.globalAlpha = alpha;
      context.drawImage(bitmap, 0, 0);
    }
    context.globalAlpha = 1;
  }

  private headAt(picture: number): DOMPoint {
    const { heads, side } = this.casting;
    const known = Object.keys(heads).map(Number);
    const before = Math.max(...known.filter((number) => number <= picture));
    const after = Math.min(...known.filter((number) => number >= picture));
    const [from, to] = [heads[before], heads[after]];
    if (from === undefined || to === undefined) return new DOMPoint(side / 2, side / 2);
    const share = after === before ? 0 : (picture - before) / (after - before);
    const between = (a: number, b: number): number => a + (b - a) * share;
    return new DOMPoint(between(from[0], to[0]), between(from[1], to[1]));
  }

  /** Skin gives back what falls on it: the gain multiplies, so dark hair hardly changes. */
  private shine(head: DOMPoint, gain: Colour, presence: number): void {
    const { context } = this;
    const furthest = SHINE.at(-1)?.[0] ?? 1;
    const round = context.createRadialGradient(0, 0, 0, 0, 0, furthest);
    for (const [heads, share] of SHINE) {
      const here = Math.min(share, SHINE_ON_WALL + share * presence);
      // Dodging divides by what is left to white.
      const dodge = gain.map((g) => Math.round(255 * (1 - 1 / (1 + (g - 1) * here))));
      round.addColorStop(heads / furthest, `rgb(${dodge.join(" ")})`);
    }
    context.translate(head.x, head.y);
    context.scale(HEAD.width * SCALE, HEAD.height * SCALE);
    context.globalCompositeOperation = "color-dodge";
    context.fillStyle = round;
    context.fillRect(-WIDTH, -HEIGHT, 2 * WIDTH, 2 * HEIGHT);
    context.globalCompositeOperation = "source-over";
    context.resetTransform();
  }

  /** Wanders in -1..1 and never comes back to the same course. */
  private drift(now: number, which: number, perSecond: number): number {
    const [one, other] = [this.phases[which] ?? 0, this.phases[which + 1] ?? 0];
    const at = (now / 1000) * perSecond * 2 * Math.PI;
    return (
      0.6 * Math.sin(at + one) +
      0.3 * Math.sin(at * 2.618 + other) +
      0.1 * Math.sin(at * 7.13 + one * other)
    );
  }
}
