import { expect, it } from "vitest";

import { isSignature, lengthOf } from "./strokes";

it("a stray tap is not a signature, a drawn line is", () => {
  expect(isSignature([])).toBe(false);
  expect(isSignature([[{ x: 5, y: 5 }], [{ x: 9, y: 9 }]])).toBe(false);
  const line = [
    { x: 0, y: 0 },
    { x: 30, y: 40 },
  ];
  expect(lengthOf(line)).toBe(50);
  expect(isSignature([line])).toBe(true);
});
