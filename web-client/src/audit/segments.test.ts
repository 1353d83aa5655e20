import { describe, expect, it } from "vitest";

import { startsWithKeyFrame } from "./keyframe";
import { mimeOf, parsePlaylist, segmentAt } from "./playlist";

const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MAP:URI="init-0.mp4"
#EXTINF:1.000000,
segment-0.m4s
#EXTINF:1.500000,
segment-1.m4s
#EXT-X-MAP:URI="init-1.mp4"
#EXTINF:1.000000,
segment-2.m4s
#EXT-X-ENDLIST
`;
const BASE = "https://branch.example/api/v1/replays/r/p/index.m3u8";

describe("a track's playlist", () => {
  const segments = parsePlaylist(PLAYLIST, BASE, 500);

  it("places every segment on the recording's timeline", () => {
    expect(segments.map(({ start, end }) => [start, end])).toEqual([
      [0.5, 1.5],
      [1.5, 3],
      [3, 4],
    ]);
  });

  it("knows the init section of each", () => {
    expect(segments.map(({ init }) => init.slice(-10))).toEqual([
      "init-0.mp4",
      "init-0.mp4",
      "init-1.mp4",
    ]);
    expect(segments[2]?.url).toBe("https://branch.example/api/v1/replays/r/p/segment-2.m4s");
  });

  it("finds the segment at a time, and the nearest one outside", () => {
    expect([0, 0.5, 1.49, 1.5, 3.99, 99].map((at) => segmentAt(segments, at))).toEqual([
      0, 0, 0, 1, 2, 2,
    ]);
  });

  it("is refused where it makes no sense", () => {
    expect(() => parsePlaylist("<html>", BASE, 0)).toThrow();
    expect(() => parsePlaylist("#EXTM3U\nsegment-0.m4s\n", BASE, 0)).toThrow();
    expect(parsePlaylist("#EXTM3U\n#EXT-X-ENDLIST\n", BASE, 0)).toEqual([]);
  });
});

const u32 = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
const box = (kind: string, ...content: number[][]) => {
  const body = content.flat();
  return [...u32(8 + body.length), ...Array.from(kind, (letter) => letter.charCodeAt(0)), ...body];
};
const file = (...parts: number[][]) => new Uint8Array(parts.flat()).buffer;
const SYNC = 0x0200_0000;
const NON_SYNC = 0x0101_0000;
/** A track whose first sample has its flags in the place that `where` says. */
const traf = (track: number, flags: number, where: "default" | "first" | "sample") =>
  box(
    "traf",
    where === "default"
      ? box("tfhd", u32(0x28), u32(track), u32(960), u32(flags))
      : box("tfhd", u32(0), u32(track)),
    where === "first"
      ? box("trun", u32(0x005), u32(2), u32(100), u32(flags))
      : where === "sample"
        ? box("trun", u32(0x701), u32(1), u32(100), u32(960), u32(50), u32(flags))
        : box("trun", u32(0x001), u32(2), u32(100)),
  );

describe("a segment", () => {
  it.each(["default", "first", "sample"] as const)("tells its key frame by %s flags", (where) => {
    expect(startsWithKeyFrame(file(box("moof", traf(1, SYNC, where))))).toBe(true);
    expect(startsWithKeyFrame(file(box("moof", traf(1, NON_SYNC, where))))).toBe(false);
  });

  it("can be begun with only where picture and sound can", () => {
    const both = box("moof", traf(2, SYNC, "default"), traf(1, NON_SYNC, "sample"));
    expect(startsWithKeyFrame(file(both))).toBe(false);
    const later = [
      box("moof", traf(1, SYNC, "first")),
      box("mdat"),
      box("moof", traf(1, NON_SYNC, "first")),
    ];
    expect(startsWithKeyFrame(file(...later))).toBe(true);
  });

  it("is never read beyond its bytes", () => {
    const whole = new Uint8Array(file(box("moof", traf(1, NON_SYNC, "sample"))));
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => startsWithKeyFrame(whole.slice(0, length).buffer)).not.toThrow();
    }
    expect(() => startsWithKeyFrame(file(u32(4), u32(0x6d6f6f66)))).not.toThrow();
  });
});

it("an init section names its codecs", () => {
  const avcC = box("avcC", [1, 0x42, 0xe0, 0x1f]);
  const init = new Uint8Array(file(box("moov", avcC, box("Opus"))));
  expect(mimeOf(init)).toBe('video/mp4; codecs="avc1.42e01f,opus"');
});
