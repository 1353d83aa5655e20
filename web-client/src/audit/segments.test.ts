import { describe, expect, it } from "vitest";

import { keyBefore, mimeOf, parsePlaylist, segmentAt } from "./playlist";

const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MAP:URI="init-0.mp4"
# key
#EXTINF:1.000000,
segment-0.m4s
#EXTINF:1.500000,
segment-1.m4s
#EXT-X-MAP:URI="init-1.mp4"
# key
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

  it("knows from where each can be decoded", () => {
    expect(segments.map(({ key }) => key)).toEqual([true, false, true]);
    expect([0, 1, 2].map((at) => keyBefore(segments, at))).toEqual([0, 0, 2]);
    const keyless = segments.map((segment) => ({ ...segment, key: false }));
    expect(keyBefore(keyless, 2)).toBe(0);
  });

  it("is refused where it makes no sense", () => {
    expect(() => parsePlaylist("<html>", BASE, 0)).toThrow();
    expect(() => parsePlaylist("#EXTM3U\nsegment-0.m4s\n", BASE, 0)).toThrow();
    expect(parsePlaylist("#EXTM3U\n#EXT-X-ENDLIST\n", BASE, 0)).toEqual([]);
  });
});

const box = (kind: string, ...content: number[][]) => {
  const body = content.flat();
  return [0, 0, 0, 8 + body.length, ...Array.from(kind, (letter) => letter.charCodeAt(0)), ...body];
};

it("an init section names its codecs", () => {
  const avcC = box("avcC", [1, 0x42, 0xe0, 0x1f]);
  const init = new Uint8Array(box("moov", avcC, box("Opus")));
  expect(mimeOf(init)).toBe('video/mp4; codecs="avc1.42e01f,opus"');
});
