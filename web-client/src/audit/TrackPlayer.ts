/** One track's `<video>`, held to the recording's clock. Its time is the recording's time. */
import { correct, coverageAt, planTrack, type ReplayTrack, type Span } from "@vbranch/sdk";

import { TrackSource } from "./TrackSource";

/** What the track has to show at a point of the recording. */
export type Presence =
  /** The participant was not connected, or shared no screen. */
  | "absent"
  /** Nothing was recorded: a gap. The recording's clock runs on over it. */
  | "missing"
  /** There is media, but it cannot be shown yet. */
  | "waiting"
  | "ready";

/** The last moments of a track are only played into: a decoder cannot begin in them. */
const TAIL_S = 0.35;
/** A seek that is not over by then is stuck in a scrap of media: pass over a little of it. */
const STUCK_MS = 2_500;
const PASS_OVER_S = 1;
/** A seek under way is replaced only when it would end up too far off. */
const SEEK_SLACK_S = 0.5;

export class TrackPlayer {
  private readonly source: TrackSource;
  private target: number | null = null;
  private waitingSince: number | null = null;
  private passOver: Span | null = null;

  constructor(
    readonly track: ReplayTrack,
    readonly video: HTMLVideoElement,
    playlist: string,
    onFailed: (problem: string) => void,
  ) {
    this.source = new TrackSource(video, playlist, track.start_ms, onFailed);
  }

  destroy(): void {
    this.video.pause();
    this.source.close();
  }

  /** What there is to show at this point of the recording. */
  presence(positionMs: number, now: number): Presence {
    const presence = this.look(positionMs);
    if (presence !== "waiting") this.waitingSince = null;
    else this.passOverWhatIsStuck(this.beforeEnd(positionMs / 1000), now);
    return presence;
  }

  private look(positionMs: number): Presence {
    if (planTrack(this.track, positionMs).kind === "absent") return "absent";
    const at = this.beforeEnd(positionMs / 1000);
    if (this.atEnd(at)) return "ready";
    if (this.passOver !== null && inside(this.passOver, at)) return "missing";
    const coverage = this.coverage(at);
    if (coverage === "hole") return "missing";
    const near = Math.abs(this.video.currentTime - at) < SEEK_SLACK_S * 4;
    const { seeking, readyState } = this.video;
    const shown = coverage === "ready" && near && !seeking && readyState >= READY;
    return shown ? "ready" : "waiting";
  }

  /** Media that is there and yet not shown for long must not hold the whole replay up. */
  private passOverWhatIsStuck(at: number, now: number): void {
    if (this.coverage(at) !== "ready") this.waitingSince = null;
    else this.waitingSince ??= now;
    if (this.waitingSince === null || now - this.waitingSince < STUCK_MS) return;
    this.passOver = { start: at, end: at + PASS_OVER_S };
    this.waitingSince = null;
  }

  /** Brings the player to where the clock is. `running`: the clock moves. */
  hold(positionMs: number, presence: Presence, rate: number, running: boolean): void {
    const plays = running && presence === "ready";
    const wanted = this.beforeEnd(positionMs / 1000);
    const steerable = presence === "ready" || presence === "waiting";
    if (steerable && !this.atEnd(wanted)) this.steer(wanted, rate, plays);
    const { video } = this;
    if (plays && video.paused && !video.ended) void video.play().catch(() => undefined);
    if (!plays && !video.paused) video.pause();
  }

  private steer(wanted: number, rate: number, plays: boolean): void {
    const { video } = this;
    if (video.readyState === 0) return;
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
    this.source.moved();
  }

  private coverage(at: number) {
    const buffered = this.source.buffered();
    const { currentTime, seeking } = this.video;
    const here = buffered.find((span) => inside(span, at));
    const playing = here !== undefined && !seeking && inside(here, currentTime);
    return coverageAt(at, buffered, this.source.loaded(), playing);
  }

  private beforeEnd(at: number): number {
    const { readyState, duration } = this.video;
    return readyState > 0 ? Math.max(0, Math.min(at, duration - TAIL_S)) : at;
  }

  /** True where the clock is in the last moments and the player is there too. */
  private atEnd(at: number): boolean {
    const { readyState, duration, currentTime, seeking } = this.video;
    if (readyState === 0 || seeking) return false;
    return at >= duration - TAIL_S && currentTime >= duration - 2 * TAIL_S;
  }
}

/** `HTMLMediaElement.HAVE_FUTURE_DATA`. */
const READY = 3;

function inside(span: Span, at: number): boolean {
  return span.start <= at && at < span.end;
}
