/**
 * Whom the receiving media sections show. Their number is fixed; the server's slot table says what
 * each carries now, and changes with who is in the call, without a new negotiation.
 */
import type { Slot } from "../protocol.js";

/** What arrives of another participant. */
export type Remote = {
  participant: string;
  /** Voice and camera in one stream, so that a player keeps them in sync. */
  stream: MediaStream;
  /** Whether `stream` has a camera picture, and whether it has a voice. */
  picture: boolean;
  voice: boolean;
  screen: MediaStream | null;
};

type TrackOf = (mid: string) => MediaStreamTrack | null;

/**
 * One entry per participant of whom something arrives, in the table's order. A participant whose
 * tracks are the same as before keeps their streams, so that a player goes on without a break.
 */
export function remotesOf(slots: Slot[], trackOf: TrackOf, before: Remote[]): Remote[] {
  const arriving = new Map<string, { camera: MediaStreamTrack[]; screen: MediaStreamTrack[] }>();
  for (const { mid, kind, from } of slots) {
    const track = from === null ? null : trackOf(mid);
    if (from === null || track === null) continue;
    const of = arriving.get(from) ?? { camera: [], screen: [] };
    arriving.set(from, of);
    (kind === "screen" ? of.screen : of.camera).push(track);
  }
  return [...arriving].map(([participant, { camera, screen }]) => {
    const known = before.find((remote) => remote.participant === participant);
    return {
      participant,
      stream: sameOr(known?.stream ?? null, camera),
      picture: camera.some((track) => track.kind === "video"),
      voice: camera.some((track) => track.kind === "audio"),
      screen: screen.length === 0 ? null : sameOr(known?.screen ?? null, screen),
    };
  });
}

function sameOr(known: MediaStream | null, tracks: MediaStreamTrack[]): MediaStream {
  const had = known?.getTracks() ?? [];
  const same = had.length === tracks.length && tracks.every((track) => had.includes(track));
  return known !== null && same ? known : new MediaStream(tracks);
}
