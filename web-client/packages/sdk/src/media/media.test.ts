import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { captureProblem } from "./capture.js";
import { branchVideoCodecs, sendIn } from "./codecs.js";
import { watchCpu } from "./cpu.js";
import { levelOf } from "./level.js";
import { preferredPicture, sameStreams, withAudioNack } from "./offer.js";

const h264 = (sdpFmtpLine: string) => ({ mimeType: "video/H264", sdpFmtpLine });
const constrained = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
const vp8 = { mimeType: "video/VP8" };
const rtx = { mimeType: "video/rtx" };

describe("the offered codecs", () => {
  it("are H.264 constrained baseline in packetization mode 1, then VP8, and retransmission", () => {
    const offered = branchVideoCodecs([
      vp8,
      rtx,
      h264("packetization-mode=0;profile-level-id=42e01f"),
      h264("packetization-mode=1;profile-level-id=42001f"),
      h264("packetization-mode=1;profile-level-id=64001f"),
      constrained,
      { mimeType: "video/AV1" },
    ]);
    expect(offered).toEqual([constrained, vp8, rtx]);
  });

  it("are VP8 where the browser has no such H.264, and none where it has neither", () => {
    expect(branchVideoCodecs([vp8, rtx])).toEqual([vp8, rtx]);
    expect(branchVideoCodecs([h264("packetization-mode=1")])).toEqual([]);
    expect(branchVideoCodecs([])).toEqual([]);
  });
});

describe("what pictures are sent in", () => {
  type Encoding = { codec?: { mimeType: string } };
  /** A sender that has agreed on these codecs; an older browser's ignores what it is told. */
  const sender = (agreed: string[], old = false) => {
    let encodings: Encoding[] = [{}];
    let told = 0;
    return {
      getParameters: () => ({
        codecs: agreed.map((name) => ({ mimeType: `video/${name}` })),
        encodings: encodings.map((encoding) => ({ ...encoding })),
      }),
      setParameters: (parameters: { encodings: Encoding[] }) => {
        told += 1;
        if (!old) ({ encodings } = parameters);
        return Promise.resolve();
      },
      told: () => told,
    };
  };
  const choose = (one: ReturnType<typeof sender>, codec: "h264" | "vp8", preferred = "h264") =>
    sendIn(one as unknown as RTCRtpSender, codec, preferred);

  it("is left alone where it is what it should be, and changed there and back", async () => {
    const one = sender(["H264", "rtx", "VP8"]);
    expect(await choose(one, "h264")).toBe(true);
    expect(one.told()).toBe(0);
    expect(await choose(one, "vp8")).toBe(true);
    expect(one.getParameters().encodings).toEqual([{ codec: { mimeType: "video/VP8" } }]);
    expect(await choose(one, "vp8")).toBe(true);
    expect(await choose(one, "h264")).toBe(true);
    expect(one.getParameters().encodings).toEqual([{ codec: { mimeType: "video/H264" } }]);
    expect(one.told()).toBe(2);
  });

  it("cannot be changed by a browser that ignores it, or to what is not agreed", async () => {
    const old = sender(["H264", "VP8"], true);
    expect(await choose(old, "vp8")).toBe(false);
    expect(await choose(old, "h264")).toBe(true);
    expect(await choose(sender(["H264"]), "vp8")).toBe(false);
    expect(await choose(sender(["VP8"]), "vp8", "vp8")).toBe(true);
  });

  it("is at first what the answer names first", () => {
    const answer =
      "m=audio 9 X 97\r\na=rtpmap:97 opus/48000/2\r\nm=video 9 UDP/TLS/RTP/SAVPF 98 97";
    const maps = "\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 H264/90000\r\n";
    expect(preferredPicture(answer + maps)).toBe("h264");
    expect(preferredPicture("v=0\r\nm=audio 9 X 97\r\na=rtpmap:97 opus/48000/2\r\n")).toBeNull();
    expect(preferredPicture("")).toBeNull();
  });
});

describe("an offer", () => {
  const audio = "m=audio 9 X 63 111\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\n";
  const video = "m=video 9 X 96\r\na=rtpmap:96 VP8/90000\r\n";

  it("asks for lost sound again, in every section with sound, once", () => {
    const asked = withAudioNack(`v=0\r\n${audio}${video}${audio}`);
    expect(asked.match(/a=rtpmap:111 opus\/48000\/2\r\na=rtcp-fb:111 nack\r\n/g)).toHaveLength(2);
    expect(asked.match(/rtcp-fb/g)).toHaveLength(2);
    expect(withAudioNack(asked)).toBe(asked);
    expect(withAudioNack("v=0\r\n")).toBe("v=0\r\n");
  });

  it("that restarts ICE is told from one that was taken for a new connection", () => {
    expect(sameStreams("a=ssrc:1 cname:x\r\na=ice-ufrag:a", "a=ssrc:1 cname:x\r\n")).toBe(true);
    expect(sameStreams("a=ssrc:1 cname:x\r\n", "a=ssrc:2 cname:x\r\n")).toBe(false);
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

describe("a machine that is too slow", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is told once, and taken back at the end of the call", async () => {
    const told: boolean[] = [];
    const stop = watchCpu(
      () => ({ isCpuLimited: () => Promise.resolve(true) }),
      (limited) => told.push(limited),
    );
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual([true]);
    stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual([true, false]);
  });

  it("says nothing more of a call that ended while it was asked", async () => {
    const told: boolean[] = [];
    let answer: (limited: boolean) => void = () => undefined;
    const stop = watchCpu(
      () => ({ isCpuLimited: () => new Promise((resolve) => (answer = resolve)) }),
      (limited) => told.push(limited),
    );
    await vi.advanceTimersByTimeAsync(2_500);
    stop();
    answer(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual([]);
  });
});

it("loudness runs from silence to full scale", () => {
  expect(levelOf(new Float32Array(64))).toBe(0);
  expect(levelOf(new Float32Array(64).fill(1))).toBe(1);
  const speech = levelOf(new Float32Array(64).fill(0.05));
  expect(speech).toBeGreaterThan(0.3);
  expect(speech).toBeLessThan(0.8);
});
