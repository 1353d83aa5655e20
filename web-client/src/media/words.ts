/** One line about the state of the media, for both sides of a call. */
import type { CallMediaState } from "./CallMedia";

export function mediaStatusKey(state: CallMediaState, peerConnected: boolean): string | null {
  const status = state.session?.status;
  if (status === "failed" || state.capture === "failed") return "media.failed";
  if (status === "reconnecting") return "media.reconnecting";
  if (status !== "connected") return "media.joining";
  return peerConnected ? null : "media.waitingPeer";
}
