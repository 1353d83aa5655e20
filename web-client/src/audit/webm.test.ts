import { describe, expect, it } from "vitest";

import { isVp8, webmCluster, webmInit, webmMime } from "./webm";

const u32 = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
const name = (word: string) => [...new TextEncoder().encode(word)];
const box = (kind: string, ...content: number[][]) => {
  const body = content.flat();
  return [...u32(8 + body.length), ...name(kind), ...body];
};
const file = (bytes: number[]) => Uint8Array.from(bytes).buffer;
const SYNC = 0x0200_0000;
const NON_SYNC = 0x0101_0000;

/** A sample entry whose picture is 640x360, 24 bytes behind its type. */
const VP08 = box("vp08", Array<number>(24).fill(0), [0x02, 0x80, 0x01, 0x68]);

type Sample = [ticks: number, flags: number, data: number[]];
const traf = (track: number, start: number, offset: number, samples: Sample[]) =>
  box(
    "traf",
    box("tfhd", u32(0x20000), u32(track)),
    box("tfdt", u32(0x0100_0000), u32(0), u32(start)),
    box(
      "trun",
      u32(0x701),
      u32(samples.length),
      u32(offset),
      ...samples.flatMap(([ticks, flags, data]) => [u32(ticks), u32(data.length), u32(flags)]),
    ),
  );

/** Two pictures from 1000 ms on, and a packet of sound between them. */
function segment(): ArrayBuffer {
  const picture: Sample[] = [
    [3600, SYNC, [1, 1]],
    [108_000, NON_SYNC, [2]],
  ];
  const sound: Sample[] = [[960, SYNC, [3]]];
  const moof = (at: number) =>
    box("moof", traf(1, 90_000, at, picture), traf(2, 48_960, at + 3, sound));
  const length = moof(0).length + 8;
  return file([...moof(length), ...box("mdat", [1, 1, 2, 3])]);
}

/** Elements by id, in hex; groups are looked into. */
function elements(bytes: Uint8Array): [id: string, content: number[]][] {
  const found: [string, number[]][] = [];
  for (let at = 0; at < bytes.length;) {
    const width = Math.clz32(bytes[at] ?? 0) - 23;
    const id = [...bytes.slice(at, at + width)].map((b) => b.toString(16)).join("");
    const size =
      new DataView(bytes.buffer, bytes.byteOffset + at + width).getUint32(0) & 0xfff_ffff;
    const body = bytes.slice(at + width + 4, at + width + 4 + size);
    if (id === "1f43b675" || id === "a0") found.push([id, []], ...elements(body));
    else found.push([id, [...body]]);
    at += width + 4 + size;
  }
  return found;
}

describe("VP8 on its way into the player", () => {
  it("is told from other coding, with and without sound", () => {
    expect(isVp8(file(box("stsd", box("avc3"))))).toBe(false);
    expect(isVp8(file(box("stsd", VP08)))).toBe(true);
    expect(webmMime(file(box("stsd", VP08)))).toBe('video/webm; codecs="vp8"');
    expect(webmMime(file(box("stsd", VP08, box("Opus"))))).toBe('video/webm; codecs="vp8,opus"');
  });

  it("keeps the picture's size", () => {
    const init = [...new Uint8Array(webmInit(file(box("stsd", VP08))))];
    const text = init.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(text).toContain(`b0100000080000000000000280`);
    expect(text).toContain(`ba100000080000000000000168`);
  });

  it("keeps every frame, its time, its length and whether it is a key frame", () => {
    const number = (content: number[]) => content.reduce((sum, byte) => sum * 256 + byte, 0);
    const lines = elements(new Uint8Array(webmCluster(segment()))).map(([id, content]) =>
      id === "e7" || id === "9b" ? [id, number(content)] : [id, content],
    );
    expect(lines).toEqual([
      ["1f43b675", []],
      ["e7", 1000],
      ["a0", []],
      ["a1", [0x81, 0, 0, 0, 1, 1]],
      ["9b", 40],
      ["a0", []],
      ["a1", [0x82, 0, 20, 0, 3]],
      ["9b", 20],
      ["a0", []],
      ["a1", [0x81, 0, 40, 0, 2]],
      ["9b", 1200],
      ["fb", [0xff]],
    ]);
  });

  it("is never read beyond its bytes", () => {
    const whole = new Uint8Array(segment());
    for (let length = 0; length < whole.length; length += 1) {
      const cut = () => webmCluster(whole.slice(0, length).buffer);
      expect(cut).not.toThrow(RangeError);
    }
  });
});
