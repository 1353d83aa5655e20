import { describe, expect, it } from "vitest";

import { cameraTraits, isMobile, type Machine } from "./camera";

const desk: Machine = {
  userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/140",
  maxTouchPoints: 0,
};
const camera = (label: string, settings: MediaTrackSettings) => ({
  label,
  getSettings: () => settings,
});

describe("what a page says of its camera", () => {
  it("is what the track's settings and label are", () => {
    const track = camera("FaceTime HD Camera", { width: 1280, height: 720, frameRate: 25 });
    expect(cameraTraits(track, desk)).toEqual({
      label: "FaceTime HD Camera",
      width: 1280,
      height: 720,
      frame_rate: 25,
      mobile: false,
    });
  });

  it("leaves out what the browser does not tell", () => {
    expect(cameraTraits(camera(" ", { frameRate: 0, width: Number.NaN }), desk)).toEqual({
      mobile: false,
    });
    expect(cameraTraits(undefined, desk)).toEqual({ mobile: false });
  });

  it("is bounded, whatever a device calls itself", () => {
    const long = cameraTraits(camera("摄".repeat(400), {}), desk).label ?? "";
    expect(Array.from(long)).toHaveLength(256);
    expect(long.endsWith("摄")).toBe(true);
  });
});

describe("a phone or tablet", () => {
  const says = (userAgent: string, maxTouchPoints = 5) => isMobile({ userAgent, maxTouchPoints });

  it("is known by its name, or by fingers on a Mac", () => {
    expect(says("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)")).toBe(true);
    expect(says("Mozilla/5.0 (Linux; Android 15; K) Mobile")).toBe(true);
    expect(says("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605")).toBe(true);
  });

  it("is not a desktop, not even one with a touch screen", () => {
    expect(says("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", 0)).toBe(false);
    expect(says("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", 10)).toBe(false);
    expect(isMobile({ ...desk, userAgentData: { mobile: true } })).toBe(true);
  });
});
