import { describe, expect, it } from "vitest";

import { staffView } from "../../dev/views";
import { closeBlocked, nextAction, refused } from "./journey";
import { LADDER, keepBits } from "./still";

const ready = (done: number, open: boolean) => staffView("v", done, open);

describe("the next thing to do", () => {
  it("is to open the first step that is not done", () => {
    expect(nextAction(ready(1, false), false)).toMatchObject({
      kind: "open",
      step: { id: "disclosure" },
      blocked: null,
    });
  });

  it("is to complete it where staff complete it, else to wait", () => {
    expect(nextAction(ready(1, true), false).kind).toBe("complete");
    expect(nextAction(ready(2, true), false).kind).toBe("wait");
    expect(nextAction(ready(5, false), false).kind).toBe("none");
  });

  it("is blocked, with the reason, until the recording is on", () => {
    const view = ready(0, false);
    const stores = view.recording.stores;
    const starting = { ...view, recording: { state: "starting" as const, stores } };
    const failed = { ...view, recording: { state: "failed" as const, stores } };
    expect(nextAction(starting, false)).toMatchObject({ blocked: "recording" });
    expect(nextAction(failed, false)).toMatchObject({ blocked: "recording_failed" });
    expect(nextAction(view, true)).toMatchObject({ blocked: "muted" });
  });

  it("is nothing more once the customer has said no", () => {
    const view = ready(3, false);
    const steps = view.steps.map((step) =>
      step.kind === "question" ? { ...step, outcome: "no" as const } : step,
    );
    const said = { ...view, steps };
    expect(refused(said)).toBe(true);
    expect(nextAction(said, false)).toMatchObject({ blocked: "refused" });
    expect(closeBlocked(said, "completed")).toBe("staff.call.refusedOnly");
    expect(closeBlocked(said, "declined")).toBeNull();
  });
});

it("a visit is completed only when every step is done", () => {
  expect(closeBlocked(ready(4, true), "completed")).toBe("staff.call.needAll");
  expect(closeBlocked(ready(5, false), "completed")).toBeNull();
  expect(closeBlocked(ready(0, false), "abandoned")).toBeNull();
});

describe("a still that must be made smaller", () => {
  it("loses colour depth before it loses pixels", () => {
    const firstShrunk = LADDER.findIndex((rung) => rung.scale < 1);
    expect(LADDER.slice(0, firstShrunk).some((rung) => rung.bits < 8)).toBe(true);
    expect(LADDER[0]).toEqual({ scale: 1, bits: 8 });
  });

  it("keeps black, white and transparency", () => {
    const rgba = new Uint8ClampedArray([0, 255, 130, 77]);
    keepBits(rgba, 5);
    expect([rgba[0], rgba[1], rgba[3]]).toEqual([0, 255, 77]);
    expect(Math.abs((rgba[2] ?? 0) - 130)).toBeLessThanOrEqual(4);
  });
});
