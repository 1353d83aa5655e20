/**
 * VP8 for the browser. The branch keeps what was sent in fragmented MP4, VP8 included; browsers play
 * VP8 from WebM only. Here the same frames, untouched, get WebM's wrapping (RFC 9559) on their way
 * into the player: nothing of it is stored.
 */
import { boxes, u32 } from "./boxes";

/** The branch's MP4 track ids and time scales, which never change (docs/recording-format.md). */
const PICTURE = { id: 1, ticksPerMs: 90 };
const SOUND = { id: 2, ticksPerMs: 48 };
const NON_SYNC = 0x0001_0000;
/** A fragment's run with data offset, and a length, size and flags for each sample. */
const RUN_FLAGS = 0x701;
const SAMPLE_BYTES = 12;

type Frame = { track: number; at: number; until: number; key: boolean; data: Uint8Array };

/** Whether an init section's picture is VP8. */
export function isVp8(init: ArrayBuffer): boolean {
  return find(new Uint8Array(init), "vp08") !== null;
}

/** The start of a WebM stream for an init section with VP8. */
export function webmInit(init: ArrayBuffer): ArrayBuffer {
  const bytes = new Uint8Array(init);
  const view = new DataView(init);
  const entry = find(bytes, "vp08") ?? 0;
  // In a visual sample entry, 24 bytes behind its type (ISO/IEC 14496-12, section 12.1.3).
  const size =
    entry + 32 <= bytes.length ? [view.getUint16(entry + 28), view.getUint16(entry + 30)] : [0, 0];
  const picture = element(ID.trackEntry, [
    element(ID.trackNumber, uint(PICTURE.id)),
    element(ID.trackUid, uint(PICTURE.id)),
    element(ID.trackType, uint(1)),
    element(ID.codecId, text("V_VP8")),
    element(ID.video, [
      element(ID.pixelWidth, uint(size[0] ?? 0)),
      element(ID.pixelHeight, uint(size[1] ?? 0)),
    ]),
  ]);
  const tracks = find(bytes, "Opus") === null ? [picture] : [picture, soundEntry()];
  return join([
    element(ID.ebml, [
      element(ID.docType, text("webm")),
      element(ID.docTypeVersion, uint(4)),
      element(ID.docTypeReadVersion, uint(2)),
    ]),
    // A segment of unknown size: clusters go on for as long as there are any.
    Uint8Array.of(...ID.segment, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    element(ID.info, [element(ID.timestampScale, uint(1_000_000))]),
    element(ID.tracks, tracks),
  ]);
}

/** A WebM cluster with the frames of a segment. */
export function webmCluster(segment: ArrayBuffer): ArrayBuffer {
  const frames = framesOf(segment).toSorted((one, other) => one.at - other.at);
  const start = frames[0]?.at ?? 0;
  return join([
    element(ID.cluster, [
      element(ID.timestamp, uint(start)),
      ...frames.map((frame) => blockGroup(frame, frame.at - start)),
    ]),
  ]);
}

export function webmMime(init: ArrayBuffer): string {
  const sound = find(new Uint8Array(init), "Opus") === null ? "" : ",opus";
  return `video/webm; codecs="vp8${sound}"`;
}

function soundEntry(): Uint8Array {
  const rate = new DataView(new ArrayBuffer(4));
  rate.setFloat32(0, 48_000);
  // RFC 7845, section 5.1: version 1, two channels, nothing to skip, 48 kHz, no gain, family 0.
  const head = [1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0];
  return element(ID.trackEntry, [
    element(ID.trackNumber, uint(SOUND.id)),
    element(ID.trackUid, uint(SOUND.id)),
    element(ID.trackType, uint(2)),
    element(ID.codecId, text("A_OPUS")),
    element(ID.codecPrivate, join8([text("OpusHead"), Uint8Array.from(head)])),
    element(ID.audio, [
      element(ID.samplingFrequency, new Uint8Array(rate.buffer)),
      element(ID.channels, uint(2)),
    ]),
  ]);
}

/** With its length, so that the browser does not take a long picture for a gap. */
function blockGroup({ track, at, until, key, data }: Frame, offset: number): Uint8Array {
  const head = Uint8Array.of(0x80 | track, (offset >> 8) & 0xff, offset & 0xff, 0);
  const parts = [
    element(ID.block, join8([head, data])),
    element(ID.blockDuration, uint(until - at)),
  ];
  // What refers to nothing is a key frame; to what it refers is not looked at.
  if (!key) parts.push(element(ID.referenceBlock, Uint8Array.of(0xff)));
  return element(ID.blockGroup, parts);
}

function framesOf(segment: ArrayBuffer): Frame[] {
  const view = new DataView(segment);
  return boxes(view, "moof").flatMap((moof) => {
    // Data offsets count from the start of `moof`, whose contents begin 8 bytes later.
    const origin = moof.byteOffset - 8;
    return boxes(moof, "traf").flatMap((traf) => run(segment, origin, traf));
  });
}

function run(segment: ArrayBuffer, origin: number, traf: DataView): Frame[] {
  const [tfhd] = boxes(traf, "tfhd");
  const [tfdt] = boxes(traf, "tfdt");
  const [trun] = boxes(traf, "trun");
  if (tfhd === undefined || tfdt === undefined || trun === undefined) return [];
  const track = u32(tfhd, 4) ?? 0;
  const flags = (u32(trun, 0) ?? 0) & 0x00ff_ffff;
  if (flags !== RUN_FLAGS || tfdt.byteLength < 12) throw new Error("not a segment of ours");
  const { ticksPerMs } = track === PICTURE.id ? PICTURE : SOUND;
  let time = Number(tfdt.getBigUint64(4));
  let at = origin + (u32(trun, 8) ?? 0);
  const count = Math.min(u32(trun, 4) ?? 0, (trun.byteLength - 12) / SAMPLE_BYTES);
  const frames: Frame[] = [];
  for (let n = 0; n < count; n += 1) {
    const sample = 12 + n * SAMPLE_BYTES;
    const [length, size, own] = [0, 4, 8].map((field) => u32(trun, sample + field) ?? 0);
    const end = at + (size ?? 0);
    if (end > segment.byteLength) break;
    const start = time;
    time += length ?? 0;
    frames.push({
      track,
      at: Math.round(start / ticksPerMs),
      until: Math.round(time / ticksPerMs),
      key: ((own ?? 0) & NON_SYNC) === 0,
      data: new Uint8Array(segment, at, end - at),
    });
    at = end;
  }
  return frames;
}

/** Element ids of RFC 8794 and RFC 9559. */
const ID = {
  ebml: [0x1a, 0x45, 0xdf, 0xa3],
  docType: [0x42, 0x82],
  docTypeVersion: [0x42, 0x87],
  docTypeReadVersion: [0x42, 0x85],
  segment: [0x18, 0x53, 0x80, 0x67],
  info: [0x15, 0x49, 0xa9, 0x66],
  timestampScale: [0x2a, 0xd7, 0xb1],
  tracks: [0x16, 0x54, 0xae, 0x6b],
  trackEntry: [0xae],
  trackNumber: [0xd7],
  trackUid: [0x73, 0xc5],
  trackType: [0x83],
  codecId: [0x86],
  codecPrivate: [0x63, 0xa2],
  video: [0xe0],
  pixelWidth: [0xb0],
  pixelHeight: [0xba],
  audio: [0xe1],
  samplingFrequency: [0xb5],
  channels: [0x9f],
  cluster: [0x1f, 0x43, 0xb6, 0x75],
  timestamp: [0xe7],
  blockGroup: [0xa0],
  block: [0xa1],
  blockDuration: [0x9b],
  referenceBlock: [0xfb],
};

/** An element with its size in 4 bytes, which is room for 256 MiB. */
function element(id: readonly number[], content: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const body = content instanceof Uint8Array ? content : join8(content);
  const { length } = body;
  const size = [
    0x10 | (length >>> 24),
    (length >>> 16) & 0xff,
    (length >>> 8) & 0xff,
    length & 0xff,
  ];
  return join8([Uint8Array.from([...id, ...size]), body]);
}

function uint(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(Math.max(0, value)));
  return new Uint8Array(view.buffer);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function join8(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function join(parts: readonly Uint8Array[]): ArrayBuffer {
  return join8(parts).buffer as ArrayBuffer;
}

/** Where a four-letter word stands. */
function find(bytes: Uint8Array, word: string): number | null {
  const letters = text(word);
  const at = bytes.findIndex((_, from) => letters.every((letter, n) => bytes[from + n] === letter));
  return at === -1 ? null : at;
}
