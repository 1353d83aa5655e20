import { describe, expect, it } from "vitest";

import { barOf, boxOf, coloursOn, pathOf, place, rangeOf, sampled, secondsOn } from "./series";

describe("a value's place in a drawing", () => {
  it("runs from one end of the domain to the other, and no further", () => {
    expect([0, 5, 10, -3, 99].map((value) => place(value, [0, 10]))).toEqual([0, 50, 100, 0, 100]);
    expect(place(-10, [-20, 20])).toBe(25);
  });

  it("is the middle where all values are the same", () => {
    expect(place(3, [3, 3])).toBe(50);
  });
});

describe("a range", () => {
  it("holds every value and what is asked for, with round ends", () => {
    expect(rangeOf([0.2, 0.83], [0, 1])).toEqual([0, 1]);
    expect(rangeOf([-23.4, 31.2], [-20, 20])).toEqual([-30, 40]);
    expect(rangeOf([0.513, 0.547], [0.513, 0.513])).toEqual([0.51, 0.55]);
  });

  it("is one without any value, or with some that are none", () => {
    expect(rangeOf([], [0, 1])).toEqual([0, 1]);
    expect(rangeOf([Number.NaN, Number.POSITIVE_INFINITY], [0, 1])).toEqual([0, 1]);
    expect(rangeOf([2], [2, 2])).toEqual([2, 2]);
  });
});

describe("a line", () => {
  const x = [0, 1000] as const;

  it("goes up where values grow", () => {
    const points = [
      { t: 0, v: 0 },
      { t: 500, v: 1 },
    ];
    expect(pathOf(points, x, [0, 1])).toBe("M0.00 100.00L0.00 100.00L50.00 0.00");
  });

  it("is broken where nothing was measured", () => {
    const hole = [
      { t: 0, v: 0 },
      { t: 2000, v: 1 },
    ];
    expect(pathOf(hole, [0, 2000], [0, 1]).match(/M/g)).toHaveLength(2);
    const unknown = [
      { t: 0, v: 0 },
      { t: 100, v: Number.NaN },
      { t: 200, v: 1 },
    ];
    expect(pathOf(unknown, x, [0, 1]).match(/M/g)).toHaveLength(2);
    expect(pathOf([], x, [0, 1])).toBe("");
  });
});

it("a span's box stays within the drawing", () => {
  expect(boxOf({ from: 250, to: 500 }, [0, 1000])).toEqual({ left: 25, width: 25 });
  expect(boxOf({ from: 900, to: 4000 }, [0, 1000])).toEqual({ left: 90, width: 10 });
  expect(boxOf({ from: 500, to: 400 }, [0, 1000])).toEqual({ left: 50, width: 0 });
});

it("a time axis has few marks, at whole seconds", () => {
  expect(secondsOn([0, 3_400])).toEqual([0, 1000, 2000, 3000]);
  expect(secondsOn([0, 24_000])).toEqual([0, 5000, 10_000, 15_000, 20_000]);
  expect(secondsOn([12_400, 15_100])).toEqual([13_000, 14_000, 15_000]);
  expect(secondsOn([0, 400])).toEqual([0]);
  for (const duration of [1_000, 9_999, 61_000, 600_000]) {
    expect(secondsOn([0, duration]).length).toBeLessThanOrEqual(7);
  }
});

it("each colour lasts until the next, or until the page was shown again", () => {
  const flash = [
    { t: 100, colour: "#ff0000", index: 0 },
    { t: 550, colour: "#00ff00", index: 1 },
    { t: 1000, colour: null, index: 1 },
    { t: 2000, colour: "#0000ff", index: 0 },
  ];
  expect(coloursOn(flash, 2600)).toEqual([
    { from: 100, to: 550, colour: "#ff0000", index: 0 },
    { from: 550, to: 1000, colour: "#00ff00", index: 1 },
    { from: 2000, to: 2600, colour: "#0000ff", index: 0 },
  ]);
});

it("a table of many rows keeps the first and the last", () => {
  const rows = Array.from({ length: 1000 }, (_, at) => at);
  const some = sampled(rows, 40);
  expect(some).toHaveLength(40);
  expect([some[0], some.at(-1)]).toEqual([0, 999]);
  expect(sampled([1, 2], 40)).toEqual([1, 2]);
});

describe("a signal's bar", () => {
  const signal = (score: number, threshold: number, passed: boolean) =>
    barOf({ name: "x", score, threshold, passed });

  it("says on which side of the threshold is good", () => {
    expect(signal(0.8, 0.5, true).sense).toBe("≥");
    expect(signal(0.2, 0.5, false).sense).toBe("≥");
    expect(signal(0.2, 0.5, true).sense).toBe("≤");
    expect(signal(0.8, 0.5, false).sense).toBe("≤");
    const jumps = { name: "stream.jumps", score: 1, threshold: 1, passed: true };
    expect(barOf(jumps).sense).toBe("≤");
  });

  it("reaches beyond the threshold just where the score does", () => {
    const over = signal(31.4, 20, true);
    expect(over.left + over.width).toBeGreaterThan(over.threshold);
    const under = signal(4, 20, false);
    expect(under.left + under.width).toBeLessThan(under.threshold);
  });

  it("grows to the left from zero where a score is negative", () => {
    const { left, width, threshold } = signal(-0.2, 0.4, false);
    expect(left).toBe(0);
    expect(left + width).toBeLessThan(threshold);
    expect(width).toBeGreaterThan(0);
  });

  it("is empty where nothing was measured", () => {
    expect(signal(0, 0, true).width).toBe(0);
    expect(signal(Number.NaN, 0.5, false).width).toBe(0);
    // What is not a number is null in JSON.
    expect(signal(null as unknown as number, 0.5, false).width).toBe(0);
  });
});
