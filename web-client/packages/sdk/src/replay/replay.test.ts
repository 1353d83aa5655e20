import { describe, expect, it } from "vitest";

import { replayClock } from "./clock.js";
import { correct, planTrack } from "./sync.js";

describe("the clock of a replay", () => {
  it("runs only while playing, at the chosen speed", () => {
    const clock = replayClock(60_000);
    expect(clock.position(5_000)).toBe(0);
    clock.play(5_000);
    expect(clock.position(7_000)).toBe(2_000);
    clock.setRate(4, 7_000);
    expect(clock.position(8_000)).toBe(6_000);
    clock.pause(8_000);
    expect(clock.position(99_000)).toBe(6_000);
  });

  it("stands still while data is missing, and then goes on from there", () => {
    const clock = replayClock(60_000);
    clock.play(0);
    clock.setStalled(true, 1_000);
    expect(clock.position(9_000)).toBe(1_000);
    clock.setStalled(false, 9_000);
    expect(clock.position(9_500)).toBe(1_500);
    expect(clock.playing()).toBe(true);
  });

  it("never leaves the recording, and plays again from the start after its end", () => {
    const clock = replayClock(10_000);
    clock.seek(99_000, 0);
    expect(clock.position(0)).toBe(10_000);
    clock.seek(-5, 0);
    expect(clock.position(0)).toBe(0);
    clock.play(0);
    expect(clock.position(60_000)).toBe(10_000);
    clock.pause(60_000);
    clock.play(60_000);
    expect(clock.position(60_500)).toBe(500);
  });

  it("keeps within the speeds that are offered", () => {
    const clock = replayClock(1_000);
    clock.setRate(100, 0);
    expect(clock.rate()).toBe(4);
    clock.setRate(0, 0);
    expect(clock.rate()).toBe(0.5);
  });

  it("keeps its place when something is sought while playing", () => {
    const clock = replayClock(60_000);
    clock.play(0);
    clock.seek(30_000, 1_000);
    expect(clock.position(2_000)).toBe(31_000);
  });
});

describe("a track on the recording's clock", () => {
  const staff = { start_ms: 21_000, duration_ms: 30_000 };

  it("is absent before its participant came and after they left", () => {
    expect(planTrack(staff, 20_999).kind).toBe("absent");
    expect(planTrack(staff, 51_000).kind).toBe("absent");
  });

  it("counts its media time from its own start", () => {
    expect(planTrack(staff, 21_000)).toEqual({ kind: "present", mediaTime: 0 });
    expect(planTrack(staff, 33_500)).toEqual({ kind: "present", mediaTime: 12.5 });
  });

  it("is left alone while it is in step", () => {
    expect(correct(10, 10.02, 1, true)).toEqual({ seekTo: null, playbackRate: 1 });
  });

  it("runs a little faster or slower to get back into step", () => {
    expect(correct(10, 9.8, 1, true).playbackRate).toBeGreaterThan(1);
    expect(correct(10, 10.2, 2, true).playbackRate).toBeLessThan(2);
    expect(correct(10, 9.8, 1, true).seekTo).toBeNull();
  });

  it("jumps when it is far off", () => {
    expect(correct(10, 3, 1, true).seekTo).toBe(10);
    expect(correct(10, 17, 4, true).seekTo).toBe(10);
  });

  it("shows the exact picture while paused", () => {
    expect(correct(10, 9.9, 1, false).seekTo).toBe(10);
    expect(correct(10, 10.01, 1, false).seekTo).toBeNull();
  });

  it("converges: nudging by the correction always ends in step", () => {
    for (const rate of [0.5, 1, 2, 4]) {
      for (const start of [-0.39, -0.1, 0.1, 0.39]) {
        let wanted = 0;
        let actual = start * Math.max(1, rate);
        for (let tick = 0; tick < 400; tick += 1) {
          const fix = correct(wanted, actual, rate, true);
          actual = (fix.seekTo ?? actual) + fix.playbackRate * 0.05;
          wanted += rate * 0.05;
        }
        expect(Math.abs(wanted - actual)).toBeLessThanOrEqual(0.05 * Math.max(1, rate));
      }
    }
  });
});
