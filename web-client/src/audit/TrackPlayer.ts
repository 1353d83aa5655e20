/** One participant's `<video>`, held to the recording's clock. */
import Hls, { type Fragment } from "hls.js";

import { correct, coverageAt, planTrack, type ReplayTrack, type Span } from "@vbranch/sdk";

/** What the track has to show at a point of the recording. */
export type Presence =
  /** The participant was not connected. */
  | "absent"
  /** Nothing was recorded: a gap. The recording's clock runs on over it. */
  | "missing"
  /** There is media, but it cannot be shown yet. */
  | "waiting"
  | "ready";

/** Lengths in a manifest and in a playlist differ by rounding: this close to its end is the end. */
const TAIL_S = 0.35;
/** A seek that is not over by then is stuck in a scrap of media: pass over it. */
const STUCK_MS = 2_500;
/** A seek under way is replaced only when it would end up too far off. */
const SEEK_SLACK_S = 0.5;

export class TrackPlayer {
  private readonly hls: Hls | null = null;
  private readonly loaded = new Map<Fragment["sn"], Fragment>();
  private target: number | null = null;
  private waitingSince: number | null = null;
  private passOver: Span | null = null;
  private recovered = false;

  constructor(
    readonly track: ReplayTrack,
    private readonly video: HTMLVideoElement,
    url: string,
    private readonly onFailed: (details: string) => void,
  ) {
    if (!Hls.isSupported()) {
      video.src = url;
      return;
    }
    // No worker: it would need a blob: script, which a strict Content-Security-Policy forbids.
    this.hls = new Hls({ enableWorker: false, maxBufferLength: 20, backBufferLength: 60 });
    this.listen(this.hls);
    this.hls.loadSource(url);
    this.hls.attachMedia(video);
  }

  destroy(): void {
    this.hls?.destroy();
    this.video.pause();
  }

  /** What there is to show at this point of the recording. */
  presence(positionMs: number, now: number): Presence {
    const plan = planTrack(this.track, positionMs);
    if (plan.kind === "absent") return "absent";
    const at = plan.mediaTime;
    if (this.atEnd(at)) return "ready";
    if (this.passOver !== null && inside(this.passOver, at)) return "missing";
    const coverage = this.coverage(at);
    if (coverage === "hole") return "missing";
    const shown = coverage === "ready" && !this.video.seeking && this.video.readyState >= 3;
    if (shown) {
      this.waitingSince = null;
      return "ready";
    }
    this.waitingSince ??= now;
    if (coverage === "ready" && now - this.waitingSince > STUCK_MS) this.giveUp(at);
    return "waiting";
  }

  /** Brings the player to where the clock is. `running`: the clock moves. */
  hold(positionMs: number, presence: Presence, rate: number, running: boolean): void {
    const plan = planTrack(this.track, positionMs);
    const plays = running && presence === "ready";
    if (plan.kind === "present" && !this.atEnd(plan.mediaTime)) {
      this.steer(plan.mediaTime, presence, rate, plays);
    }
    const { video } = this;
    if (plays && video.paused && !video.ended) void video.play().catch(() => undefined);
    if (!plays && !video.paused) video.pause();
  }

  private steer(wanted: number, presence: Presence, rate: number, plays: boolean): void {
    const { video } = this;
    if (video.readyState === 0) return;
    // Inside a hole there is nothing to seek to, unless hls.js has to learn where to load from.
    if (presence === "missing" && this.coverage(wanted) !== "loading") return;
    if (video.seeking) {
      const far = this.target === null || Math.abs(this.target - wanted) > SEEK_SLACK_S;
      if (far) this.seek(wanted);
      return;
    }
    const fix = correct(wanted, video.currentTime, rate, plays);
    if (fix.seekTo !== null) this.seek(fix.seekTo);
    if (video.playbackRate !== fix.playbackRate) video.playbackRate = fix.playbackRate;
  }

  private seek(to: number): void {
    this.target = to;
    this.video.currentTime = to;
  }

  private coverage(at: number) {
    const buffered = spans(this.video.buffered);
    const { currentTime } = this.video;
    const here = buffered.find((span) => inside(span, at));
    const playing = here !== undefined && inside(here, currentTime) && !this.video.seeking;
    if (this.hls === null) return here === undefined ? "loading" : "ready";
    const loaded = [...this.loaded.values()].map(({ start, end }) => ({ start, end }));
    return coverageAt(at, buffered, loaded, playing);
  }

  private giveUp(at: number): void {
    const range = spans(this.video.buffered).find((span) => inside(span, at));
    this.passOver = range ?? null;
    this.waitingSince = null;
  }

  private atEnd(at: number): boolean {
    const { video } = this;
    return video.ended || (video.readyState > 0 && at > video.duration - TAIL_S);
  }

  private listen(hls: Hls): void {
    hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => this.loaded.set(frag.sn, frag));
    hls.on(Hls.Events.BUFFER_FLUSHING, (_, { startOffset, endOffset }) => {
      for (const [sn, { start, end }] of this.loaded) {
        if (start < endOffset && end > startOffset) this.loaded.delete(sn);
      }
    });
    hls.on(Hls.Events.ERROR, (_, { fatal, type, details }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR && !this.recovered) {
        this.recovered = true;
        hls.recoverMediaError();
      } else {
        this.onFailed(details);
      }
    });
  }
}

function spans(ranges: TimeRanges): Span[] {
  return Array.from({ length: ranges.length }, (_, at) => ({
    start: ranges.start(at),
    end: ranges.end(at),
  }));
}

function inside(span: Span, at: number): boolean {
  return span.start <= at && at < span.end;
}
