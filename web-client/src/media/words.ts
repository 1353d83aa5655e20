/** One line about the state of the media, for both sides of a call. */
import type { Problem } from "@vbranch/sdk";

import type { CallMediaState } from "./CallMedia";

export function mediaStatusKey(state: CallMediaState, peerConnected: boolean): string | null {
  const status = state.session?.status;
  if (status === "failed" && state.session?.problem?.code === "replaced") return "media.replaced";
  if (status === "failed" || state.capture === "failed") return "media.failed";
  if (status === "reconnecting") return "media.reconnecting";
  if (status !== "connected") return "media.joining";
  if (!peerConnected) return "media.waitingPeer";
  return state.session?.unseen ? "media.unseen" : null;
}

/** What the button says by which a person tries again. */
export function retryKey(problem: Problem | null | undefined): string {
  return problem?.code === "replaced" ? "media.continueHere" : "retry";
}
