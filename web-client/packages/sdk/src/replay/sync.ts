/** Holding one track's player to the recording's clock. Pure: says what to do, does nothing. */
import type { ReplayTrack } from "../protocol.js";

export type TrackPlan =
  /** The participant's media does not cover this point. */
  | { kind: "absent" }
  /** Media time in seconds at which the player should be. */
  | { kind: "present"; mediaTime: number };

export type Correction = { seekTo: number | null; playbackRate: number };

/** Below this nobody sees or hears the difference; correcting it would only make it wobble. */
const TOLERATED_S = 0.04;
/** Beyond this a jump is less disturbing than seconds of odd speed. */
const JUMP_S = 0.4;
/** How much faster or slower a player may run to catch up without being heard. */
const NUDGE = 0.06;

export function planTrack(
  track: Pick<ReplayTrack, "start_ms" | "duration_ms">,
  positionMs: number,
): TrackPlan {
  const offset = positionMs - track.start_ms;
  if (offset < 0 || offset >= track.duration_ms) return { kind: "absent" };
  return { kind: "present", mediaTime: offset / 1000 };
}

export function correct(
  wanted: number,
  actual: number,
  rate: number,
  playing: boolean,
): Correction {
  const behind = wanted - actual;
  const distance = Math.abs(behind);
  if (!playing) return { seekTo: distance > TOLERATED_S ? wanted : null, playbackRate: rate };
  if (distance > JUMP_S * Math.max(1, rate)) return { seekTo: wanted, playbackRate: rate };
  if (distance <= TOLERATED_S * Math.max(1, rate)) return { seekTo: null, playbackRate: rate };
  return { seekTo: null, playbackRate: rate * (behind > 0 ? 1 + NUDGE : 1 - NUDGE) };
}
