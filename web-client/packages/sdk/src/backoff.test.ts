import { expect, it } from "vitest";

import { backoff } from "./backoff.js";

it("waits longer each time, up to a limit, and begins anew after a success", () => {
  const delays = backoff({ first: 100, longest: 1000, random: () => 1 });
  expect([1, 2, 3, 4, 5, 6].map(() => delays.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
  delays.reset();
  expect(delays.next()).toBe(100);
});

it("spreads clients out, but never retries at once", () => {
  const early = backoff({ first: 100, random: () => 0 });
  expect(early.next()).toBe(50);
});
