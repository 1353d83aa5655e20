/** What the test hands to the actor, and what the actor tells. */

/** A moment of a gesture: milliseconds from its beginning, and which picture of the film. */
export type Moment = [ms: number, picture: number];
/** Outer corners of the eyes, the one further left in the picture first. */
export type Eyes = [x1: number, y1: number, x2: number, y2: number];
export type Cut = {
  /** In the picture that it begins and ends with. */
  eyes: Eyes;
  course: Moment[];
  mirrored: boolean;
};
export type Casting = {
  /** Path under which the film's pictures are had, as `NNN.jpg`. */
  pictures: string;
  seed: number;
  /** Whether the screen's light falls on the face, as it does on everybody who sits before it. */
  lit: boolean;
  /** Width and height of a picture in pixels. */
  side: number;
  /** The face at rest: these pictures to and fro; gestures are joined on at one of them. */
  rest: { from: number; to: number; join: number; eyes: Eyes };
  heads: Record<number, [x: number, y: number]>;
  gestures: Record<string, Cut>;
};
export type Note = { ms: number; what: string };

/** Numbers in 0..1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
