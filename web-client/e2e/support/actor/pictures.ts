/** Everything that is drawn, made ready once: while the camera runs it is only laid together. */
import type { Casting, Cut } from "./casting";
import { HEIGHT, WIDTH } from "./shape";

export type Pictures = {
  /** The face at rest and in every gesture, by the film's numbers. */
  rest: Map<number, ImageBitmap>;
  gestures: Map<string, Map<number, ImageBitmap>>;
  /** What is behind the person. */
  wall: ImageBitmap;
  /** Noise of a sensor, larger than the picture: laid over every picture at another place. */
  grain: ImageBitmap;
};

/** The film ends at the neck; so much more of it is drawn on below, for a head that goes up. */
const MORE_NECK = 60;
/** How far from the edges of the film's picture the wall begins to show through. */
const EDGE = 56;
const UPPER_EDGE = 10;

export async function loadPictures(casting: Casting, random: () => number): Promise<Pictures> {
  const { from, to, join } = casting.rest;
  const film = await fetchAll(casting, [
    ...numbersOf([from, to]),
    ...Object.values(casting.gestures).flatMap(ofCut),
  ]);
  const pick = (numbers: number[], move: DOMMatrix): Map<number, ImageBitmap> => {
    const picked = new Map<number, ImageBitmap>();
    for (const number of numbers) {
      const picture = film.get(number);
      if (picture !== undefined) picked.set(number, softened(picture, move));
    }
    return picked;
  };
  const gestures = Object.entries(casting.gestures).map(
    ([kind, cut]) => [kind, pick(ofCut(cut), joinOf(casting, cut))] as const,
  );
  return {
    rest: pick(numbersOf([from, to]), new DOMMatrix()),
    gestures: new Map(gestures),
    wall: wallOf(film.get(join)),
    grain: grainOf(random),
  };
}

/** Moves and turns the pictures of a gesture so that its eyes begin where those of the rest are. */
export function joinOf({ side, rest }: Casting, { eyes, mirrored }: Cut): DOMMatrix {
  const [x1, y1, x2, y2] = mirrored ? [side - eyes[2], eyes[3], side - eyes[0], eyes[1]] : eyes;
  const [u1, v1, u2, v2] = rest.eyes;
  const [dx, dy, du, dv] = [x2 - x1, y2 - y1, u2 - u1, v2 - v1];
  const square = dx * dx + dy * dy;
  const [cos, sin] = [(du * dx + dv * dy) / square, (dv * dx - du * dy) / square];
  const [left, top] = [u1 - cos * x1 + sin * y1, v1 - sin * x1 - cos * y1];
  const joined = new DOMMatrix([cos, sin, -sin, cos, left, top]);
  return mirrored ? joined.multiply(new DOMMatrix([-1, 0, 0, 1, side, 0])) : joined;
}

function ofCut({ course }: Cut): number[] {
  return numbersOf(course.map(([, number]) => number));
}

/** From the least to the largest. */
function numbersOf(some: number[]): number[] {
  const first = Math.min(...some);
  return Array.from({ length: Math.max(...some) - first + 1 }, (_, at) => first + at);
}

async function fetchAll(casting: Casting, numbers: number[]): Promise<Map<number, ImageBitmap>> {
  const fetched = Array.from(new Set(numbers), async (number) => {
    const answer = await fetch(`${casting.pictures}/${String(number).padStart(3, "0")}.jpg`);
    return [number, await createImageBitmap(await answer.blob())] as const;
  });
  return new Map(await Promise.all(fetched));
}

function sheet(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (context === null) throw new Error("no canvas to draw on");
  return context;
}

/** The picture moved, with more neck, its edges fading out so that the wall goes on behind it. */
function softened(picture: ImageBitmap, move: DOMMatrix): ImageBitmap {
  const { width, height } = picture;
  const context = sheet(width, height + MORE_NECK);
  context.drawImage(picture, 0, 0);
  context.drawImage(picture, 0, height - 3, width, 2, 0, height - 1, width, MORE_NECK + 1);
  context.globalCompositeOperation = "destination-out";
  for (const [x1, y1, x2, y2] of [
    [0, 0, EDGE, 0],
    [width, 0, width - EDGE, 0],
    [0, 0, 0, UPPER_EDGE],
  ] as const) {
    const fade = context.createLinearGradient(x1, y1, x2, y2);
    fade.addColorStop(0, "rgba(0, 0, 0, 1)");
    fade.addColorStop(1, "rgba(0, 0, 0, 0)");
    context.fillStyle = fade;
    context.fillRect(0, 0, width, height + MORE_NECK);
  }
  const moved = sheet(width, height + MORE_NECK);
  moved.setTransform(move);
  moved.drawImage(context.canvas, 0, 0);
  return moved.canvas.transferToImageBitmap();
}

/** From the edges of a picture, the one going over into the other. */
function wallOf(picture: ImageBitmap | undefined): ImageBitmap {
  const wall = sheet(WIDTH, HEIGHT);
  if (picture === undefined) return wall.canvas.transferToImageBitmap();
  const over = sheet(WIDTH, HEIGHT);
  const strip = 8;
  for (const [context, x] of [
    [wall, 0],
    [over, picture.width - strip],
  ] as const) {
    context.filter = "blur(6px)";
    context.drawImage(picture, x, 0, strip, picture.height, -20, -20, WIDTH + 40, HEIGHT + 40);
    context.filter = "none";
  }
  const fade = over.createLinearGradient(WIDTH * 0.15, 0, WIDTH * 0.85, 0);
  fade.addColorStop(0, "rgba(0, 0, 0, 1)");
  fade.addColorStop(1, "rgba(0, 0, 0, 0)");
  over.globalCompositeOperation = "destination-out";
  over.fillStyle = fade;
  over.fillRect(0, 0, WIDTH, HEIGHT);
  wall.drawImage(over.canvas, 0, 0);
  return wall.canvas.transferToImageBitmap();
}

/** About normal, with a deviation of two levels on a middle grey. */
function grainOf(random: () => number): ImageBitmap {
  const context = sheet(WIDTH * 2, HEIGHT * 2);
  const image = context.createImageData(WIDTH * 2, HEIGHT * 2);
  for (let at = 0; at < image.data.length; at += 4) {
    const strength = random() + random() + random() - 1.5;
    const most = strength > 0 ? 255 : 0;
    // Mostly light and dark, a little colour.
    for (const channel of [0, 1, 2]) image.data[at + channel] = random() < 0.7 ? most : 255 - most;
    image.data[at + 3] = Math.abs(strength) * 8;
  }
  context.putImageData(image, 0, 0);
  return context.canvas.transferToImageBitmap();
}
