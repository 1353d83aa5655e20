/** Waiting times between tries: doubling, capped, with jitter so that clients do not come in step. */

export type Backoff = {
  /** The next delay in milliseconds. */
  next(): number;
  /** A try succeeded: begin again from the shortest delay. */
  reset(): void;
};

export type BackoffOptions = {
  /** Milliseconds before the first retry. Short: a page reload must be back within 3 s. */
  first?: number;
  /** Longest delay in milliseconds. Longer would make a recovered server look dead. */
  longest?: number;
  random?: () => number;
};

export function backoff(options: BackoffOptions = {}): Backoff {
  const { first = 250, longest = 8000, random = Math.random } = options;
  let tries = 0;
  return {
    next() {
      const full = Math.min(longest, first * 2 ** tries);
      tries = Math.min(tries + 1, 16);
      return Math.round(full * (0.5 + random() / 2));
    },
    reset() {
      tries = 0;
    },
  };
}
