/**
 * Plays all tracks of a recording on one clock: the clock says where on the recording we are, and
 * every track is held to it. While a track waits for data, time stands still for all.
 */
import {
  Problem,
  replayClock,
  type Replay,
  type ReplayClock,
  type ReplayTrack,
} from "@vbranch/sdk";

import { createStore } from "../store";
import { TrackPlayer, type Presence } from "./TrackPlayer";

export type PlayerState = {
  positionMs: number;
  playing: boolean;
  /** Some track has no data yet: time stands still. */
  stalled: boolean;
  rate: number;
  /** What each track has to show now, by its name. */
  presence: Record<string, Presence>;
  problem: Problem | null;
};

/** Often enough to hold two videos together by ear, rarely enough to cost nothing. */
const TICK_MS = 50;

export class ReplayPlayer {
  readonly state = createStore<PlayerState>({
    positionMs: 0,
    playing: false,
    stalled: false,
    rate: 1,
    presence: {},
    problem: null,
  });
  private readonly clock: ReplayClock;
  private readonly tracks = new Map<string, TrackPlayer>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly replay: Replay,
    private readonly playlist: (track: string) => string,
  ) {
    this.clock = replayClock(replay.view.summary.duration_ms);
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    [...this.tracks.keys()].forEach((name) => this.detach(name));
  }

  attach(track: ReplayTrack, video: HTMLVideoElement): void {
    const { name } = track;
    this.detach(name);
    const failed = (details: string) =>
      this.state.patch({ problem: new Problem("replay_failed", 0, details) });
    this.tracks.set(name, new TrackPlayer(track, video, this.playlist(name), failed));
  }

  detach(name: string): void {
    this.tracks.get(name)?.destroy();
    this.tracks.delete(name);
  }

  /** A track's `<video>`, where it has something to show. */
  shown(name: string): HTMLVideoElement | null {
    const track = this.tracks.get(name);
    return track !== undefined && this.state.get().presence[name] === "ready" ? track.video : null;
  }

  toggle(): void {
    if (this.clock.playing()) this.clock.pause(performance.now());
    else this.clock.play(performance.now());
    this.tick();
  }

  seek(positionMs: number): void {
    this.clock.seek(positionMs, performance.now());
    this.tick();
  }

  setRate(rate: number): void {
    this.clock.setRate(rate, performance.now());
    this.tick();
  }

  private tick(): void {
    const now = performance.now();
    const { clock } = this;
    const position = clock.position(now);
    if (clock.playing() && position >= this.replay.view.summary.duration_ms) clock.pause(now);
    const presence = Object.fromEntries(
      [...this.tracks].map(([name, track]) => [name, track.presence(position, now)]),
    );
    const stalled = Object.values(presence).includes("waiting");
    clock.setStalled(stalled, now);
    const running = clock.playing() && !stalled;
    for (const [name, track] of this.tracks) {
      track.hold(position, presence[name] ?? "waiting", clock.rate(), running);
    }
    this.publish({
      positionMs: position,
      stalled,
      playing: clock.playing(),
      rate: clock.rate(),
      presence,
    });
  }

  private publish(next: Omit<PlayerState, "problem">): void {
    const { problem, ...before } = this.state.get();
    // A paused replay must not draw the page twenty times a second.
    if (JSON.stringify(before) !== JSON.stringify(next)) this.state.set({ ...next, problem });
  }
}
