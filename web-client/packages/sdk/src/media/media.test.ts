import { describe, expect, it } from "vitest";

import { captureProblem } from "./capture.js";
import { branchVideoCodecs } from "./codecs.js";
import { levelOf } from "./level.js";

const h264 = (sdpFmtpLine: string) => ({ mimeType: "video/H264", sdpFmtpLine });
const constrained = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
const rtx = { mimeType: "video/rtx" };

describe("the offered codecs", () => {
  it("are H.264 constrained baseline in packetization mode 1, with its retransmission", () => {
    const offered = branchVideoCodecs([
      { mimeType: "video/VP8" },
      rtx,
      h264("packetization-mode=0;profile-level-id=42e01f"),
      h264("packetization-mode=1;profile-level-id=42001f"),
      h264("packetization-mode=1;profile-level-id=64001f"),
      constrained,
      { mimeType: "video/AV1" },
    ]);
    expect(offered).toEqual([constrained, rtx]);
  });

  it("are none where the browser has no such H.264", () => {
    expect(branchVideoCodecs([{ mimeType: "video/VP8" }, rtx])).toEqual([]);
    expect(branchVideoCodecs([h264("packetization-mode=1")])).toEqual([]);
    expect(branchVideoCodecs([])).toEqual([]);
  });
});

describe("a camera that does not open", () => {
  const devices =
    (...kinds: MediaDeviceKind[]) =>
    () =>
      Promise.resolve(kinds.map((kind) => ({ kind })));
  const error = (name: string) => Object.assign(new Error("x"), { name });

  it.each([
    ["NotAllowedError", devices(), "permission_denied"],
    ["NotReadableError", devices("videoinput"), "device_in_use"],
    ["NotFoundError", devices("audioinput"), "no_camera"],
    ["NotFoundError", devices("videoinput"), "no_microphone"],
    ["SomethingNew", devices(), "capture_failed"],
  ] as const)("%s tells what to do", async (name, list, code) => {
    expect((await captureProblem(error(name), list)).code).toBe(code);
  });

  it("is told apart even where devices cannot be listed", async () => {
    const failing = () => Promise.reject(new Error("no"));
    expect((await captureProblem(error("NotFoundError"), failing)).code).toBe("no_camera");
  });
});

it("loudness runs from silence to full scale", () => {
  expect(levelOf(new Float32Array(64))).toBe(0);
  expect(levelOf(new Float32Array(64).fill(1))).toBe(1);
  const speech = levelOf(new Float32Array(64).fill(0.05));
  expect(speech).toBeGreaterThan(0.3);
  expect(speech).toBeLessThan(0.8);
});
