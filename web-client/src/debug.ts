/**
 * `window.__vbranch`: a read-only look at the page's peer connections for support staff and browser
 * tests. It gives numbers only, no media and nothing of the visit.
 */
import { summarize, type ConnectionSummary } from "@vbranch/sdk";

export type DebugHook = {
  /** How many peer connections this page has opened since it was loaded. */
  opened: number;
  /** A summary of every peer connection that is alive now. */
  connections: () => Promise<ConnectionSummary[]>;
};

declare global {
  var __vbranch: DebugHook | undefined;
}

const alive = new Set<RTCPeerConnection>();

export function installDebugHook(): void {
  globalThis.__vbranch = {
    opened: 0,
    connections: () => Promise.all([...alive].map((connection) => summarize(connection))),
  };
}

export function track(connection: RTCPeerConnection, isAlive: boolean): void {
  if (!isAlive) {
    alive.delete(connection);
    return;
  }
  alive.add(connection);
  if (globalThis.__vbranch) globalThis.__vbranch.opened += 1;
}
