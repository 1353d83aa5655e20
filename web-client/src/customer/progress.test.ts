import { describe, expect, it } from "vitest";

import type { Liveness } from "@vbranch/sdk";

import { advance, type CheckProgress } from "./progress";

const running: Liveness = {
  status: "running",
  attempt: 1,
  attempts_left: 2,
  challenge: null,
  advice: null,
  flash: null,
};
const blink: Liveness = { ...running, challenge: { kind: "blink", index: 0, of: 2 } };
const red: Liveness = { ...running, flash: { colour: "#ff0000", index: 0, of: 6 } };

function after(...heard: Liveness[]): CheckProgress | null {
  return heard.reduce<CheckProgress | null>(advance, null);
}

describe("the progress of a check", () => {
  it("goes from gestures to light to the end", () => {
    expect(after(running)).toMatchObject({ gestures: "ahead", light: "ahead" });
    expect(after(running, blink, running)).toMatchObject({ gestures: "now", light: "ahead" });
    expect(after(running, blink, red)).toMatchObject({ gestures: "done", light: "now" });
    expect(after(blink, red, running)).toMatchObject({ gestures: "done", light: "done" });
  });

  it("begins anew with another attempt", () => {
    expect(after(blink, red, { ...running, attempt: 2 })).toMatchObject({
      gestures: "ahead",
      light: "ahead",
    });
  });

  it("is none where no check runs", () => {
    expect(after(blink, { ...running, status: "passed" })).toBeNull();
    expect(advance(null, null)).toBeNull();
  });
});
