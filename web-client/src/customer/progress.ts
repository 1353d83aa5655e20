/** How far a check has come. Pure: snapshots only say what is asked for now. */
import type { Liveness } from "@vbranch/sdk";

export type Stage = "ahead" | "now" | "done";
/** First some gestures, then the light of the screen. */
export type CheckProgress = { attempt: number; gestures: Stage; light: Stage };

/** Null while no check runs. */
export function advance(
  before: CheckProgress | null,
  liveness: Liveness | null,
): CheckProgress | null {
  if (liveness?.status !== "running") return null;
  const { attempt, challenge, flash } = liveness;
  const known: CheckProgress =
    before?.attempt === attempt ? before : { attempt, gestures: "ahead", light: "ahead" };
  if (flash) return { attempt, gestures: over(known.gestures), light: "now" };
  if (challenge !== null) return { attempt, gestures: "now", light: over(known.light) };
  return { ...known, light: over(known.light) };
}

function over(stage: Stage): Stage {
  return stage === "now" ? "done" : stage;
}
