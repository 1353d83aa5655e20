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
export declare function backoff(options?: BackoffOptions): Backoff;
