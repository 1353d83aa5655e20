/** A still of a live picture, as large as a request can carry. */
import { MAX_PICTURE_BYTES, Problem } from "@vbranch/sdk";

import { canvasPng } from "../media/png";

export type Still = { png: Blob; width: number; height: number };

/** One way of making the picture smaller. `bits`: how many bits of each colour are kept. */
export type Rung = { scale: number; bits: number };

/**
 * Tried in order. PNG spends most on sensor noise, so dropping the lowest bits comes before
 * dropping pixels: small print stays legible.
 */
export const LADDER: readonly Rung[] = [
  { scale: 1, bits: 8 },
  { scale: 1, bits: 6 },
  { scale: 1, bits: 5 },
  { scale: 0.8, bits: 5 },
  { scale: 0.64, bits: 5 },
  { scale: 0.5, bits: 4 },
];

export async function takeStill(video: HTMLVideoElement): Promise<Still> {
  const { videoWidth } = video;
  if (videoWidth === 0) throw new Problem("media_not_connected", 0, "no picture");
  const frame = await createImageBitmap(video);
  try {
    for (const rung of LADDER) {
      const still = await render(frame, rung);
      if (still.png.size <= MAX_PICTURE_BYTES) return still;
    }
  } finally {
    frame.close();
  }
  throw new Problem("picture_too_large", 0, "no rung of the ladder fits");
}

async function render(frame: ImageBitmap, rung: Rung): Promise<Still> {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(frame.width * rung.scale);
  canvas.height = Math.round(frame.height * rung.scale);
  const context = canvas.getContext("2d", { willReadFrequently: rung.bits < 8 });
  if (context === null) throw new Problem("internal", 0, "no canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(frame, 0, 0, canvas.width, canvas.height);
  if (rung.bits < 8) {
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    keepBits(pixels.data, rung.bits);
    context.putImageData(pixels, 0, 0);
  }
  return { png: await canvasPng(canvas), width: canvas.width, height: canvas.height };
}

/** Rounds each colour to the nearest level that `bits` bits can tell apart. */
export function keepBits(rgba: Uint8ClampedArray, bits: number): void {
  const levels = 2 ** bits - 1;
  for (let at = 0; at < rgba.length; at += 1) {
    if (at % 4 === 3) continue;
    rgba[at] = Math.round((Math.round(((rgba[at] ?? 0) / 255) * levels) / levels) * 255);
  }
}
