/** What may be done next in a journey, and why not. Pure; the server has the last word. */
import type { ClosingOutcome, StaffView, Step } from "@vbranch/sdk";

export type Blocked = "recording" | "recording_failed" | "refused" | "muted";

export type NextAction =
  | { kind: "none" }
  | { kind: "open"; step: Step; blocked: Blocked | null }
  | { kind: "complete"; step: Step; blocked: Blocked | null }
  | { kind: "wait"; step: Step };

export function nextAction(view: StaffView, muted: boolean): NextAction {
  const step = view.steps.find((each) => each.state !== "done");
  if (step === undefined || view.state !== "in_call") return { kind: "none" };
  const blocked = blockedBy(view, muted);
  if (step.state === "locked") return { kind: "open", step, blocked };
  return step.by === "staff" ? { kind: "complete", step, blocked } : { kind: "wait", step };
}

function blockedBy(view: StaffView, muted: boolean): Blocked | null {
  if (refused(view)) return "refused";
  if (view.recording.state === "failed") return "recording_failed";
  if (view.recording.state !== "on") return "recording";
  return muted ? "muted" : null;
}

/** True once the customer has said no to something. */
export function refused(view: StaffView): boolean {
  return view.steps.some((step) => step.outcome === "no");
}

/** Why a visit may not be closed with this outcome, or null where it may. */
export function closeBlocked(view: StaffView, outcome: ClosingOutcome) {
  if (outcome !== "completed") return null;
  if (refused(view)) return "staff.call.refusedOnly";
  return view.steps.every((step) => step.state === "done") ? null : "staff.call.needAll";
}
