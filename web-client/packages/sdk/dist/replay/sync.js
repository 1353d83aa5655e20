/** Below this nobody sees or hears the difference; correcting it would only make it wobble. */
const TOLERATED_S = 0.04;
/** Beyond this a jump is less disturbing than seconds of odd speed. */
const JUMP_S = 0.4;
/** How much faster or slower a player may run to catch up without being heard. */
const NUDGE = 0.06;
export function planTrack(track, positionMs) {
    const offset = positionMs - track.start_ms;
    if (offset < 0 || offset >= track.duration_ms)
        return { kind: "absent" };
    return { kind: "present", mediaTime: offset / 1000 };
}
export function correct(wanted, actual, rate, playing) {
    const behind = wanted - actual;
    const distance = Math.abs(behind);
    if (!playing)
        return { seekTo: distance > TOLERATED_S ? wanted : null, playbackRate: rate };
    if (distance > JUMP_S * Math.max(1, rate))
        return { seekTo: wanted, playbackRate: rate };
    if (distance <= TOLERATED_S * Math.max(1, rate))
        return { seekTo: null, playbackRate: rate };
    return { seekTo: null, playbackRate: rate * (behind > 0 ? 1 + NUDGE : 1 - NUDGE) };
}
//# sourceMappingURL=sync.js.map