/**
 * Plays all tracks of a recording on one clock. Each participant has a `<video>` of their own; the
 * clock says where on the recording we are, and every video is held to it.
 */
import Hls from "hls.js";

import {
  Problem,
  correct,
  planTrack,
  replayClock,
  type Replay,
  type ReplayClock,
  type ReplayTrack,
} from "@vbranch/sdk";

import { createStore } from "../store";

export type PlayerState = {
  positionMs: number;
  playing: boolean;
  /** Some track has no data yet: time stands still. */
  stalled: boolean;
  rate: number;
  /** Participants whose media does not cover this point. */
  absent: string[];
  problem: Problem | null;
};

type Loaded = { track: ReplayTrack; video: HTMLVideoElement; hls: Hls | null; recovered: boolean };

/** Often enough to hold two videos together by ear, rarely enough to cost nothing. */
const TICK_MS = 50;
/** Lengths in a manifest and in a playlist differ by rounding: this close to its end is the end. */
const TAIL_S = 0.35;

export class ReplayPlayer {
  readonly state = createStore<PlayerState>({
    positionMs: 0,
    playing: false,
    stalled: false,
    rate: 1,
    absent: [],
    problem: null,
  });
  private readonly clock: ReplayClock;
  private readonly loaded = new Map<string, Loaded>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly replay: Replay,
    private readonly playlist: (participant: string) => string,
  ) {
    this.clock = replayClock(replay.view.summary.duration_ms);
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    [...this.loaded.keys()].forEach((participant) => this.detach(participant));
  }

  attach(track: ReplayTrack, video: HTMLVideoElement): void {
    this.detach(track.participant);
    const url = this.playlist(track.participant);
    const entry: Loaded = { track, video, hls: null, recovered: false };
    this.loaded.set(track.participant, entry);
    if (Hls.isSupported()) {
      // No worker: it would need a blob: script, which the Content-Security-Policy forbids.
      entry.hls = new Hls({ enableWorker: false, maxBufferLength: 20, backBufferLength: 60 });
      entry.hls.on(Hls.Events.ERROR, (_, data) => {
        if (data.fatal) this.failed(entry, data.type, data.details);
      });
      entry.hls.loadSource(url);
      entry.hls.attachMedia(video);
    } else {
      video.src = url;
    }
  }

  detach(participant: string): void {
    const entry = this.loaded.get(participant);
    this.loaded.delete(participant);
    entry?.hls?.destroy();
    entry?.video.pause();
  }

  toggle(): void {
    if (this.clock.playing()) this.clock.pause(now());
    else this.clock.play(now());
    this.tick();
  }

  seek(positionMs: number): void {
    this.clock.seek(positionMs, now());
    this.tick();
  }

  setRate(rate: number): void {
    this.clock.setRate(rate, now());
    this.tick();
  }

  private tick(): void {
    const position = this.clock.position(now());
    const end = this.replay.view.summary.duration_ms;
    if (this.clock.playing() && position >= end) this.clock.pause(now());
    const present = [...this.loaded.values()].filter(
      ({ track }) => planTrack(track, position).kind === "present",
    );
    const stalled = present.some(starved);
    this.clock.setStalled(stalled, now());
    for (const entry of this.loaded.values()) this.hold(entry, position, stalled);
    this.publish(position, stalled, present);
  }

  private hold({ track, video }: Loaded, position: number, stalled: boolean): void {
    const plan = planTrack(track, position);
    const running = this.clock.playing() && !stalled && plan.kind === "present";
    if (plan.kind === "present" && !video.seeking && !atEnd(video, plan.mediaTime)) {
      const fix = correct(plan.mediaTime, video.currentTime, this.clock.rate(), running);
      if (fix.seekTo !== null && video.readyState > 0) video.currentTime = fix.seekTo;
      if (video.playbackRate !== fix.playbackRate) video.playbackRate = fix.playbackRate;
    }
    if (running && video.paused && !video.ended) void video.play().catch(() => undefined);
    if (!running && !video.paused) video.pause();
  }

  private publish(positionMs: number, stalled: boolean, present: Loaded[]): void {
    const here = new Set(present.map(({ track }) => track.participant));
    const absent = [...this.loaded.keys()].filter((participant) => !here.has(participant));
    const before = this.state.get();
    const next = { positionMs, stalled, playing: this.clock.playing(), rate: this.clock.rate() };
    const same =
      before.positionMs === positionMs &&
      before.stalled === stalled &&
      before.playing === next.playing &&
      before.rate === next.rate &&
      before.absent.join() === absent.join();
    if (!same) this.state.patch({ ...next, absent });
  }

  private failed(entry: Loaded, type: string, details: string): void {
    if (type === "mediaError" && !entry.recovered) {
      entry.recovered = true;
      entry.hls?.recoverMediaError();
      return;
    }
    this.state.patch({ problem: new Problem("replay_failed", 0, details) });
  }
}

/** True where the video cannot show the next frame yet. */
function starved({ video }: Loaded): boolean {
  if (video.seeking) return true;
  if (video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return false;
  return !atEnd(video, video.currentTime);
}

function atEnd(video: HTMLVideoElement, mediaTime: number): boolean {
  return video.ended || (video.readyState > 0 && mediaTime > video.duration - TAIL_S);
}

function now(): number {
  return performance.now();
}
