/** Reads the media playlist of a track (RFC 8216), as far as a replay needs it. */

export type Segment = {
  url: string;
  /** The init section that the segment needs. */
  init: string;
  /** Seconds on the recording's timeline, like the timestamps inside the segment. */
  start: number;
  end: number;
  /** Whether a decoder can begin here: the branch says so with a comment. */
  key: boolean;
};

/** `startMs`: where on the recording the playlist begins. Throws on what is not such a playlist. */
export function parsePlaylist(text: string, base: string, startMs: number): Segment[] {
  if (!text.startsWith("#EXTM3U")) throw new Error("not a playlist");
  const segments: Segment[] = [];
  let position = startMs / 1000;
  let length: number | null = null;
  let init: string | null = null;
  let key = false;
  for (const line of text.split(/\r?\n/)) {
    const map = /^#EXT-X-MAP:.*URI="([^"]+)"/.exec(line)?.[1];
    const seconds = /^#EXTINF:([0-9.]+)/.exec(line)?.[1];
    if (line === "# key") key = true;
    else if (map !== undefined) init = new URL(map, base).href;
    else if (seconds !== undefined) length = Number(seconds);
    else if (line !== "" && !line.startsWith("#")) {
      if (init === null || length === null || !Number.isFinite(length)) {
        throw new Error("a segment without init section or length");
      }
      const end = position + length;
      segments.push({ url: new URL(line, base).href, init, start: position, end, key });
      key = false;
      position = end;
      length = null;
    }
  }
  return segments;
}

/** The index of the segment at a time; before the first the first, after the last the last. */
export function segmentAt(segments: readonly Segment[], at: number): number {
  const next = segments.findIndex((segment) => segment.start > at);
  return Math.max(0, (next === -1 ? segments.length : next) - 1);
}

/** The nearest segment from which the one at `target` can be decoded, going back. */
export function keyBefore(segments: readonly Segment[], target: number): number {
  let at = target;
  while (at > 0 && segments[at]?.key !== true) at -= 1;
  return at;
}

/**
 * The codecs of an init section, for a SourceBuffer. The branch records what was sent: H.264
 * constrained baseline, whose level in `avcC` is read here, and Opus.
 */
export function mimeOf(init: Uint8Array): string {
  const text = String.fromCharCode(...init);
  const avcC = text.indexOf("avcC");
  const codecs: string[] = [];
  if (avcC >= 0) {
    // After the version byte: profile, constraints, level (ISO/IEC 14496-15, 5.3.3.1).
    const profile = init.subarray(avcC + 5, avcC + 8);
    codecs.push(`avc1.${[...profile].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`);
  }
  if (text.includes("Opus")) codecs.push("opus");
  return `video/mp4; codecs="${codecs.join(",")}"`;
}
