import { describe, expect, it } from "vitest";

import { coverageAt } from "./coverage.js";

const span = (start: number, end: number) => ({ start, end });

describe("at a point of a track", () => {
  const loaded = [span(0, 2), span(2, 4), span(4, 6)];

  it("media that is there can be played", () => {
    expect(coverageAt(1, [span(0, 6)], loaded, false)).toBe("ready");
  });

  it("what was not fetched yet is waited for", () => {
    expect(coverageAt(7, [span(0, 6)], loaded, true)).toBe("loading");
    expect(coverageAt(0, [], [], false)).toBe("loading");
    expect(coverageAt(30, [span(0, 6), span(60, 70)], [...loaded, span(60, 70)], false)).toBe(
      "loading",
    );
  });

  it("a fetched segment without media is a hole, which is never waited for", () => {
    const buffered = [span(0, 1), span(3, 6)];
    expect(coverageAt(2, buffered, loaded, false)).toBe("hole");
    expect(coverageAt(3.1, buffered, loaded, false)).toBe("ready");
  });

  it("a scrap before a hole is not entered, but played out by whoever is in it", () => {
    const buffered = [span(0, 1), span(3, 6)];
    expect(coverageAt(0.7, buffered, loaded, false)).toBe("hole");
    expect(coverageAt(0.7, buffered, loaded, true)).toBe("ready");
    expect(coverageAt(0.9, buffered, loaded, true)).toBe("hole");
  });

  it("the edge of what is fetched is no hole", () => {
    expect(coverageAt(5.7, [span(0, 6)], loaded, false)).toBe("ready");
    expect(coverageAt(5.9, [span(0, 6)], loaded, true)).toBe("loading");
  });
});
