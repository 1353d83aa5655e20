// What is asked of a client, and how it says what it got: the JavaScript side of docs/interop.md.
import { parseArgs } from "node:util";

export function readWishes() {
  const { values } = parseArgs({
    options: {
      join: { type: "string" },
      token: { type: "string" },
      codec: { type: "string", default: "h264" },
      mode: { type: "string", default: "both" },
      frames: { type: "string", default: "30" },
      patience: { type: "string", default: "20" },
      browser: { type: "string", default: "chromium" },
      simulcast: { type: "boolean", default: false },
    },
  });
  if (!values.join) throw new Error("--join URL is missing");
  return { ...values, frames: Number(values.frames), patience: Number(values.patience) };
}

export function satisfied(wishes, seen) {
  if (seen.connectMs === null) return false;
  if (wishes.simulcast && (seen.layers ?? []).filter((layer) => layer.frames > 0).length < 2) return false;
  if (wishes.mode === "publish") return seen.packetsSent > 0;
  return seen.framesDecoded >= wishes.frames && seen.audioPackets > 0 && seen.audioEnergy > 1e-4;
}

export function report(wishes, seen) {
  console.log(JSON.stringify({ ok: satisfied(wishes, seen), ...seen }));
}

// Ends when `look()` gives enough or patience is over; gives what was seen last.
export async function watchUntilSatisfied(wishes, look) {
  const deadline = Date.now() + wishes.patience * 1000;
  for (;;) {
    const seen = await look();
    if (satisfied(wishes, seen) || Date.now() > deadline) return seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function untilStdinEnds() {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve).once("error", resolve));
}
