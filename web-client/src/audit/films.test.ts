import { describe, expect, it } from "vitest";

import type { Film } from "@vbranch/sdk";

import { actionsOf, percentOf, refreshAfter, sizeOf } from "./films";

const film = (change: Partial<Film> = {}): Film => ({
  film: "f",
  recording: "r",
  by: "王磊",
  reason: "complaint 4711",
  layout: "side",
  at: 0,
  mine: true,
  approved_by: null,
  needs_second_person: true,
  state: "made",
  position_ms: 1_000,
  total_ms: 1_000,
  sha256: "ab",
  len: 1,
  left_out: [],
  ...change,
});

describe("a film", () => {
  it("is cancelled only by the one who asked for it, while it is made", () => {
    expect(actionsOf(film({ state: "making" }))).toEqual(["cancel"]);
    expect(actionsOf(film({ state: "making", mine: false }))).toEqual(["approve"]);
  });

  it("is fetched only once a second person has let it go", () => {
    expect(actionsOf(film())).toEqual(["discard"]);
    expect(actionsOf(film({ approved_by: "王芳" }))).toEqual(["download", "discard"]);
    expect(actionsOf(film({ needs_second_person: false }))).toEqual(["download", "discard"]);
    expect(actionsOf(film({ mine: false, approved_by: "王芳" }))).toEqual([]);
    expect(actionsOf(film({ mine: false, needs_second_person: false }))).toEqual([]);
  });

  it("that failed can only be let go", () => {
    expect(actionsOf(film({ state: "failed" }))).toEqual(["discard"]);
    expect(actionsOf(film({ state: "failed", mine: false }))).toEqual([]);
  });

  it("is at 100 % when it is made, and not before", () => {
    const making = (position_ms: number) => percentOf(film({ state: "making", position_ms }));
    expect([0, 9, 500, 999, 1_000].map(making)).toEqual([0, 0, 50, 99, 99]);
    expect(percentOf(film({ state: "making", total_ms: 0, position_ms: 0 }))).toBe(0);
    expect(percentOf(film())).toBe(100);
  });

  it("is looked at often only while it is made", () => {
    expect(refreshAfter([film(), film({ state: "making" })])).toBe(1_000);
    expect(refreshAfter([film()])).toBe(5_000);
  });

  it("has a size that can be read", () => {
    expect([0, 999, 2_345_678].map(sizeOf)).toEqual(["0 kB", "1 kB", "2.3 MB"]);
  });
});
