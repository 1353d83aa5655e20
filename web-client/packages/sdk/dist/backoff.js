/** Waiting times between tries: doubling, capped, with jitter so that clients do not come in step. */
export function backoff(options = {}) {
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
//# sourceMappingURL=backoff.js.map