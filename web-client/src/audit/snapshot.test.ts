import { describe, expect, it } from "vitest";

import { STRIP, arrange, fileName } from "./snapshot";

const vga = { width: 640, height: 480 };

describe("a still", () => {
  it("shows the parties side by side, of one height, above the clock", () => {
    const { places, whole } = arrange([vga, { width: 1280, height: 720 }]);
    expect(places.map(({ x, y, height }) => [x, y, height])).toEqual([
      [0, 0, 480],
      [640, 0, 480],
    ]);
    expect(places[1]?.width).toBe(853);
    expect(whole).toEqual({ width: 1493, height: 480 + STRIP });
  });

  it("begins a new row rather than growing without end", () => {
    const { places, whole } = arrange(Array.from({ length: 6 }, () => vga));
    expect(places.map(({ x, y }) => [x, y]).at(-1)).toEqual([640, 480]);
    expect(whole).toEqual({ width: 2560, height: 960 + STRIP });
  });

  it("keeps every picture inside, whatever its size", () => {
    const odd = [1, 7, 320, 4096].flatMap((n) => [
      { width: n, height: 100 },
      { width: 100, height: n },
    ]);
    const { places, whole } = arrange(odd);
    for (const { x, y, width, height } of places) {
      expect(width).toBeGreaterThan(0);
      expect(x + width).toBeLessThanOrEqual(whole.width);
      expect(y + height + STRIP).toBeLessThanOrEqual(whole.height);
    }
  });

  it("has a name that says where it is from", () => {
    expect(fileName("3333333b-0000-4000-8000-000000000000", 12_345)).toBe(
      "vbranch-3333333b-000123.png",
    );
  });
});
