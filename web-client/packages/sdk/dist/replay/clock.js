/**
 * The clock of a replay: where on the recording's timeline we are. It owns no timer; callers say
 * what time it is (`now`, milliseconds of any steady clock).
 */
export const MIN_RATE = 0.5;
export const MAX_RATE = 4;
export function replayClock(durationMs) {
    let base = 0;
    let since = 0;
    let rate = 1;
    let playing = false;
    let stalled = false;
    const clamp = (position) => Math.min(durationMs, Math.max(0, position));
    const position = (now) => playing && !stalled ? clamp(base + (now - since) * rate) : base;
    const rebase = (now) => {
        base = position(now);
        since = now;
    };
    return {
        position,
        rate: () => rate,
        playing: () => playing,
        play(now) {
            rebase(now);
            if (base >= durationMs)
                base = 0;
            playing = true;
        },
        pause(now) {
            rebase(now);
            playing = false;
        },
        seek(to, now) {
            base = clamp(to);
            since = now;
        },
        setRate(to, now) {
            rebase(now);
            rate = Math.min(MAX_RATE, Math.max(MIN_RATE, to));
        },
        setStalled(to, now) {
            rebase(now);
            stalled = to;
        },
    };
}
//# sourceMappingURL=clock.js.map