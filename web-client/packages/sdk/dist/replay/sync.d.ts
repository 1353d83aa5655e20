/** Holding one track's player to the recording's clock. Pure: says what to do, does nothing. */
import type { ReplayTrack } from "../protocol.js";
export type TrackPlan = 
/** The participant's media does not cover this point. */
{
    kind: "absent";
}
/** Media time in seconds at which the player should be. */
 | {
    kind: "present";
    mediaTime: number;
};
export type Correction = {
    seekTo: number | null;
    playbackRate: number;
};
export declare function planTrack(track: Pick<ReplayTrack, "start_ms" | "duration_ms">, positionMs: number): TrackPlan;
export declare function correct(wanted: number, actual: number, rate: number, playing: boolean): Correction;
