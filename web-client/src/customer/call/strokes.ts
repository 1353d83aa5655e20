/** A drawn signature as strokes, and how strokes become a picture. No state of its own. */

export type Point = { x: number; y: number };
export type Stroke = Point[];

/** Wide enough to look like a pen after scaling, thin enough for dense characters. */
const PEN_PX = 3;

/** True where the strokes are more than a stray tap. */
export function isSignature(strokes: Stroke[]): boolean {
  return strokes.reduce((sum, stroke) => sum + lengthOf(stroke), 0) >= MIN_INK_PX;
}
const MIN_INK_PX = 40;

export function lengthOf(stroke: Stroke): number {
  let sum = 0;
  for (let at = 1; at < stroke.length; at += 1) {
    const [from, to] = [stroke[at - 1], stroke[at]];
    if (from && to) sum += Math.hypot(to.x - from.x, to.y - from.y);
  }
  return sum;
}

export function draw(canvas: HTMLCanvasElement, strokes: Stroke[], scale: number, ground?: string) {
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (ground !== undefined) {
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = PEN_PX;
  context.strokeStyle = context.fillStyle = "#0b1f33";
  strokes.forEach((stroke) => trace(context, stroke));
}

/** Through the middles between points, so that fast writing shows no corners. */
function trace(context: CanvasRenderingContext2D, stroke: Stroke): void {
  const [first] = stroke;
  if (first === undefined) return;
  context.beginPath();
  context.moveTo(first.x, first.y);
  for (let at = 1; at < stroke.length; at += 1) {
    const [from, to] = [stroke[at - 1], stroke[at]];
    if (from && to) {
      context.quadraticCurveTo(from.x, from.y, (from.x + to.x) / 2, (from.y + to.y) / 2);
    }
  }
  const last = stroke[stroke.length - 1] ?? first;
  context.lineTo(last.x, last.y);
  context.stroke();
}
