/**
 * Feeds one `<video>` with the segments of a track, around wherever it is played.
 *
 * Why not a general HLS player: the segments of a recording are cut by time and loss, not by key
 * frame, and none may be missing from view. A general player goes back for a key frame by fetching
 * a segment again behind its successor, whereupon the browser drops the successor's pictures (Media
 * Source Extensions, coded frame processing). Here segments are always appended in order, from one
 * whose pictures can be decoded.
 */
import { Problem, type Span } from "@vbranch/sdk";

import { keyBefore, mimeOf, parsePlaylist, segmentAt, type Segment } from "./playlist";
import { isVp8, webmCluster, webmInit, webmMime } from "./webm";

/** Seconds kept ready before the player; a replay is on the bank's own network. */
const AHEAD_S = 20;
/** Seconds kept on either side when room is needed: browsers hold about 150 MB. */
const KEEP_S = 60;
/** Segments of a second each: room for some minutes at the branch's bit rates. */
const MOST_APPENDED = 300;
/** Segments fetched at once: as many connections as browsers have to a server, for two tracks. */
const AT_ONCE = 3;

export class TrackSource {
  private readonly media = new MediaSource();
  private readonly address: string;
  private buffer: SourceBuffer | null = null;
  private segments: Segment[] = [];
  private readonly appended = new Set<number>();
  private readonly inits = new Map<string, ArrayBuffer>();
  private init: string | null = null;
  private mime = "";
  /** What was appended last: only its successor needs no key frame. */
  private last: number | null = null;
  private closed = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly playlist: string,
    private readonly startMs: number,
    private readonly onFailed: (problem: string) => void,
  ) {
    this.address = URL.createObjectURL(this.media);
    video.src = this.address;
    this.media.addEventListener("sourceopen", () => void this.feed(), { once: true });
  }

  close(): void {
    this.closed = true;
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.address);
  }

  /** The player has gone elsewhere: look at once what is needed there. */
  moved(): void {
    this.wake();
  }

  /** What can be played, in seconds of the recording. */
  buffered(): Span[] {
    const ranges = this.video.buffered;
    return Array.from({ length: ranges.length }, (_, at) => ({
      start: ranges.start(at),
      end: ranges.end(at),
    }));
  }

  /** What was fetched, whatever was in it. */
  loaded(): Span[] {
    return [...this.appended].flatMap((index) => this.segments[index] ?? []);
  }

  private async feed(): Promise<void> {
    try {
      await this.open();
      while (!this.closed) {
        const index = this.wanted();
        if (index === null) await this.rest();
        else await this.appendUpTo(index);
      }
    } catch (thrown) {
      if (!this.closed) this.onFailed(thrown instanceof Error ? thrown.message : "unknown");
    }
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, IDLE_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async open(): Promise<void> {
    const text = new TextDecoder().decode(await fetchBytes(this.playlist));
    const base = new URL(this.playlist, location.href).href;
    this.segments = parsePlaylist(text, base, this.startMs);
    const [first] = this.segments;
    const last = this.segments.at(-1);
    if (first === undefined || last === undefined || this.closed) return;
    const init = await this.initSection(first.init);
    this.media.duration = last.end;
    this.mime = typeOf(init);
    this.buffer = this.media.addSourceBuffer(this.mime);
    if (this.video.currentTime < first.start) this.video.currentTime = first.start;
  }

  /** The next segment that is needed, or null while there is enough. */
  private wanted(): number | null {
    const at = this.video.currentTime;
    let index = segmentAt(this.segments, at);
    while (this.appended.has(index)) index += 1;
    const segment = this.segments[index];
    return segment === undefined || segment.start > at + AHEAD_S ? null : index;
  }

  /** Appends a segment, and before it all that its pictures rest on. */
  private async appendUpTo(target: number): Promise<void> {
    const sought = segmentAt(this.segments, this.video.currentTime);
    const first = this.last === target - 1 ? target : keyBefore(this.segments, target);
    const fetched = new Map<number, Promise<ArrayBuffer>>();
    for (let index = first; index <= target && !this.closed; index += 1) {
      for (let ahead = index; ahead <= target && ahead < index + AT_ONCE; ahead += 1) {
        if (!fetched.has(ahead)) fetched.set(ahead, this.segment(ahead));
      }
      const bytes = await fetched.get(index);
      if (bytes !== undefined) await this.append(index, bytes);
      fetched.delete(index);
      // Somebody has gone elsewhere meanwhile.
      const now = segmentAt(this.segments, this.video.currentTime);
      if (Math.abs(now - sought) > 1 && !this.isNear(now, first, target)) return;
    }
  }

  private isNear(index: number, first: number, target: number): boolean {
    return index >= first && index <= target + 1;
  }

  private segment(index: number): Promise<ArrayBuffer> {
    const url = this.segments[index]?.url;
    const bytes =
      url === undefined
        ? Promise.reject(new Problem("replay_failed", 0, `no segment ${index}`))
        : fetchBytes(url);
    // One that is not waited for any more must not be reported as unhandled.
    bytes.catch(() => undefined);
    return bytes;
  }

  private async append(index: number, bytes: ArrayBuffer): Promise<void> {
    const segment = this.segments[index];
    const { buffer } = this;
    if (segment === undefined || buffer === null) return;
    await this.makeRoom(buffer);
    const init = await this.initSection(segment.init);
    const vp8 = isVp8(init);
    if (this.init !== segment.init) {
      // The sender's coding changed in mid-recording.
      const mime = typeOf(init);
      if (mime !== this.mime) buffer.changeType(mime);
      this.mime = mime;
      await appendTo(buffer, vp8 ? webmInit(init) : init);
    }
    this.init = segment.init;
    await appendTo(buffer, vp8 ? webmCluster(bytes) : bytes);
    this.appended.add(index);
    this.last = index;
  }

  private async makeRoom(buffer: SourceBuffer): Promise<void> {
    if (this.appended.size < MOST_APPENDED) return;
    const at = this.video.currentTime;
    if (at > KEEP_S) await removeFrom(buffer, 0, at - KEEP_S);
    await removeFrom(buffer, at + KEEP_S, Infinity);
    // Browsers remove up to the next key frame: what is left is what they say.
    const left = this.buffered();
    for (const index of [...this.appended]) {
      const segment = this.segments[index];
      const kept = segment && left.some((s) => s.start < segment.end && s.end > segment.start);
      if (kept !== true) this.appended.delete(index);
    }
  }

  private async initSection(url: string): Promise<ArrayBuffer> {
    const known = this.inits.get(url);
    if (known !== undefined) return known;
    const bytes = await fetchBytes(url);
    this.inits.set(url, bytes);
    return bytes;
  }
}

function typeOf(init: ArrayBuffer): string {
  return isVp8(init) ? webmMime(init) : mimeOf(new Uint8Array(init));
}

/** How often to look whether the player has come closer to the end of what it has. */
const IDLE_MS = 100;
/** A segment that fails is asked for again, for a replay must survive a short loss of network. */
const TRIES = 4;

async function fetchBytes(url: string): Promise<ArrayBuffer> {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(url, { credentials: "same-origin", cache: "no-store" });
      if (response.ok) return await response.arrayBuffer();
      if (response.status < 500) throw new Problem("replay_failed", response.status, url);
    } catch (thrown) {
      if (thrown instanceof Problem || tries >= TRIES) throw thrown;
    }
    if (tries >= TRIES) throw new Problem("replay_failed", 0, url);
    await pause(500 * tries);
  }
}

function appendTo(buffer: SourceBuffer, bytes: ArrayBuffer): Promise<void> {
  return settled(buffer, () => buffer.appendBuffer(bytes));
}

function removeFrom(buffer: SourceBuffer, start: number, end: number): Promise<void> {
  return settled(buffer, () => buffer.remove(start, end));
}

function settled(buffer: SourceBuffer, act: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (failed: boolean) => () => {
      buffer.removeEventListener("updateend", succeed);
      buffer.removeEventListener("error", fail);
      if (failed) reject(new Problem("replay_failed", 0, "the browser refuses a segment"));
      else resolve();
    };
    const succeed = done(false);
    const fail = done(true);
    buffer.addEventListener("updateend", succeed);
    buffer.addEventListener("error", fail);
    act();
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
