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

export const MIN_RATE = 0.5;
export const MAX_RATE = 4;

export function replayClock(durationMs: number): ReplayClock {
  let base = 0;
  let since = 0;
  let rate = 1;
  let playing = false;
  let stalled = false;

  const clamp = (position: number) => Math.min(durationMs, Math.max(0, position));
  const position = (now: number) =>
    playing && !stalled ? clamp(base + (now - since) * rate) : base;
  const rebase = (now: number) => {
    base = position(now);
    since = now;
  };
  return {
    position,
    rate: () => rate,
    playing: () => playing,
    play(now) {
      rebase(now);
      if (base >= durationMs) base = 0;
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
