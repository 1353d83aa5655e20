/**
 * The clock of a replay: where on the recording's timeline we are. It owns no timer; callers say
 * what time it is (`now`, milliseconds of any steady clock).
 */
export type ReplayClock = {
    position(now: number): number;
    playing(): boolean;
    rate(): number;
    play(now: number): void;
    pause(now: number): void;
    seek(position: number, now: number): void;
    setRate(rate: number, now: number): void;
    /** A track has no data: time stands still without forgetting that we are playing. */
    setStalled(stalled: boolean, now: number): void;
};
export declare const MIN_RATE = 0.5;
export declare const MAX_RATE = 4;
export declare function replayClock(durationMs: number): ReplayClock;
