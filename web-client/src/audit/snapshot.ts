/**
 * A still of a replay: every picture that is shown, side by side, with who took it and when burnt
 * in. It is made in the page and goes nowhere else; that it is taken is on the audit log before.
 */

export type Size = { width: number; height: number };
export type Place = Size & { x: number; y: number };

/** Room for the line with the clock below the pictures. */
export const STRIP = 44;
/** All pictures get this height, so that none is drawn larger than it matters. */
const HEIGHT = 480;
/** A row is broken before it gets wider. */
const WIDEST = 2560;

/** Where pictures of these sizes stand, in rows, and how large the whole is. */
export function arrange(sizes: readonly Size[]): { places: Place[]; whole: Size } {
  const places: Place[] = [];
  let [x, y, widest] = [0, 0, 0];
  for (const { width, height } of sizes) {
    const scaled = Math.min(
      WIDEST,
      Math.max(1, Math.round((width * HEIGHT) / Math.max(1, height))),
    );
    if (x > 0 && x + scaled > WIDEST) [x, y] = [0, y + HEIGHT];
    places.push({ x, y, width: scaled, height: HEIGHT });
    x += scaled;
    widest = Math.max(widest, x);
  }
  const rows = sizes.length === 0 ? 0 : y + HEIGHT;
  return { places, whole: { width: Math.max(640, widest), height: rows + STRIP } };
}

/** `vbranch-3333333b-000123.png`: which recording, and how many tenths of a second into it. */
export function fileName(recording: string, atMs: number): string {
  const tenths = String(Math.max(0, Math.floor(atMs / 100))).padStart(6, "0");
  return `vbranch-${recording.slice(0, 8)}-${tenths}.png`;
}

export type Shot = {
  /** The picture; null where there is none, which `words` says. */
  video: HTMLVideoElement | null;
  label: string;
  words: string;
};

export type Burnt = {
  /** The clock below. */
  clock: string;
  /** Who looks on, and when. */
  watermark: string;
};

export async function drawSnapshot(shots: readonly Shot[], burnt: Burnt): Promise<Blob> {
  const sizes = shots.map(({ video }) =>
    video === null || video.videoWidth === 0
      ? { width: 640, height: 480 }
      : { width: video.videoWidth, height: video.videoHeight },
  );
  const { places, whole } = arrange(sizes);
  const canvas = document.createElement("canvas");
  canvas.width = whole.width;
  canvas.height = whole.height;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.fillStyle = "#0b1622";
  context.fillRect(0, 0, whole.width, whole.height);
  shots.forEach((shot, at) => {
    const place = places[at];
    if (place !== undefined) drawShot(context, shot, place);
  });
  drawWatermark(context, burnt.watermark, whole);
  context.font = "22px system-ui, sans-serif";
  context.fillStyle = "#fff";
  context.textAlign = "left";
  context.fillText(burnt.clock, 12, whole.height - 15);
  return new Promise((resolve, reject) => {
    const made = (blob: Blob | null) => (blob ? resolve(blob) : reject(new Error("no picture")));
    canvas.toBlob(made, "image/png");
  });
}

function drawShot(context: CanvasRenderingContext2D, shot: Shot, place: Place): void {
  const { x, y, width, height } = place;
  if (shot.video !== null) context.drawImage(shot.video, x, y, width, height);
  context.font = "20px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillStyle = "#fff";
  if (shot.video === null) context.fillText(shot.words, x + width / 2, y + height / 2);
  context.textAlign = "left";
  context.fillStyle = "rgb(8 18 29 / 72%)";
  context.fillRect(x + 10, y + 10, context.measureText(shot.label).width + 20, 34);
  context.fillStyle = "#fff";
  context.fillText(shot.label, x + 20, y + 34);
}

/** Across everything, so that no part of the still is without it. */
function drawWatermark(context: CanvasRenderingContext2D, text: string, whole: Size): void {
  context.save();
  context.font = "20px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillStyle = "rgb(255 255 255 / 38%)";
  context.shadowColor = "rgb(0 0 0 / 60%)";
  context.shadowBlur = 2;
  context.rotate(-0.31);
  const step = context.measureText(text).width + 80;
  for (let y = -40, row = 0; y < whole.height + whole.width; y += 110, row += 1) {
    for (let x = -whole.height - (row % 2) * (step / 2); x < whole.width; x += step) {
      context.fillText(text, x, y);
    }
  }
  context.restore();
}

/** Hands a file to the person, as a link would. */
export function hand(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
