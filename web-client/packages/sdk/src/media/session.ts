/**
 * Being in a call and staying in it: joins, watches the connection, joins again by itself when it
 * fails or the network changes, and keeps microphone and camera as the person left them.
 */
import type { Negotiate } from "../api.js";
import { backoff, type Backoff } from "../backoff.js";
import { Problem, asProblem } from "../problem.js";
import type { MediaAnswer, MediaState } from "../protocol.js";
import { discard, join, newConnection } from "./connection.js";

export type MediaStatus = "idle" | "joining" | "connected" | "reconnecting" | "failed" | "stopped";
export type MediaSessionState = {
  status: MediaStatus;
  /** The other party's sound and picture, once anything of them arrived. */
  remote: MediaStream | null;
  microphone: boolean;
  camera: boolean;
  /** Why the last try failed; kept while trying again. */
  problem: Problem | null;
};

export type MediaSessionOptions = {
  stream: MediaStream;
  negotiate: Negotiate;
  onChange: (state: MediaSessionState) => void;
  /** Told of every peer connection as it begins and ends, for statistics. */
  onConnection?: (connection: RTCPeerConnection, alive: boolean) => void;
  backoff?: Backoff;
};

/** A first connection takes a few round trips; after this long a new try is the better bet. */
const CONNECT_WITHIN_MS = 8_000;
/** Short losses heal by themselves; waiting longer would leave a person looking at a still. */
const HEAL_WITHIN_MS = 2_500;
/** The server's view lags the browser's by about this much: younger hints are about the past. */
const HINT_AFTER_MS = 3_000;
/** A connection that held for so long was a good one; shorter, and the next try waits longer. */
const STABLE_AFTER_MS = 10_000;

export class MediaSession {
  private state: MediaSessionState;
  private connection: RTCPeerConnection | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private connectedAt = 0;
  /** The number of our latest connection; null while it is not known. */
  private own: number | null = null;
  /** The highest number heard of: above our own, another page has joined after us. */
  private newest = 0;
  private running = false;
  private readonly delays: Backoff;

  constructor(private readonly options: MediaSessionOptions) {
    this.delays = options.backoff ?? backoff();
    this.state = {
      status: "idle",
      remote: null,
      microphone: enabled(options.stream.getAudioTracks()),
      camera: enabled(options.stream.getVideoTracks()),
      problem: null,
    };
  }

  get current(): MediaSessionState {
    return this.state;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    globalThis.addEventListener("online", this.networkChanged);
    void this.attempt("joining");
  }

  /** Leaves for good. The captured stream stays with its owner. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    globalThis.removeEventListener("online", this.networkChanged);
    clearTimeout(this.timer);
    this.drop();
    this.update({ status: "stopped", remote: null });
  }

  setMicrophone(on: boolean): void {
    for (const track of this.options.stream.getAudioTracks()) track.enabled = on;
    this.update({ microphone: on });
  }

  setCamera(on: boolean): void {
    for (const track of this.options.stream.getVideoTracks()) track.enabled = on;
    this.update({ camera: on });
  }

  /**
   * What the server's snapshot says of our media. If another page of the visit has taken over, two
   * that join again by themselves would evict each other for ever: this one leaves it to the
   * person. If the server merely does not see us, join again without waiting for ICE.
   */
  serverSees(media: MediaState): void {
    this.newest = Math.max(this.newest, media.connection);
    if (!this.running || this.state.status === "failed") return;
    if (this.overtaken()) {
      this.failed(replaced());
      return;
    }
    const settled = Date.now() - this.connectedAt > HINT_AFTER_MS;
    if (!media.connected && this.state.status === "connected" && settled) this.again(null);
  }

  /** A person asked to try again. */
  retry(): void {
    if (this.running && this.state.status !== "connected") this.rejoinNow();
  }

  private readonly networkChanged = () => {
    if (this.state.status !== "failed") this.rejoinNow();
  };

  private rejoinNow(): void {
    clearTimeout(this.timer);
    this.delays.reset();
    void this.attempt("reconnecting");
  }

  private async attempt(status: "joining" | "reconnecting"): Promise<void> {
    clearTimeout(this.timer);
    this.drop();
    this.own = null;
    this.update({ status });
    let connection: RTCPeerConnection | null = null;
    try {
      connection = this.open();
      this.timer = setTimeout(() => this.again(null), CONNECT_WITHIN_MS);
      await join(connection, (offer) => this.negotiate(connection, offer));
    } catch (thrown) {
      if (this.running && connection === this.connection) this.failed(asProblem(thrown));
    }
  }

  private async negotiate(
    connection: RTCPeerConnection | null,
    offer: string,
  ): Promise<MediaAnswer> {
    const answer = await this.options.negotiate(offer);
    if (connection === this.connection) {
      this.own = answer.connection;
      if (this.overtaken()) throw replaced();
    }
    return answer;
  }

  private overtaken(): boolean {
    return this.own !== null && this.newest > this.own;
  }

  private open(): RTCPeerConnection {
    const connection: RTCPeerConnection = newConnection(this.options.stream, {
      onState: (state) => this.stateChanged(connection, state),
      onRemote: (remote) => this.update({ remote }),
    });
    this.connection = connection;
    this.options.onConnection?.(connection, true);
    return connection;
  }

  private stateChanged(connection: RTCPeerConnection, state: RTCPeerConnectionState): void {
    if (connection !== this.connection || !this.running) return;
    if (state === "connected") {
      clearTimeout(this.timer);
      this.connectedAt = Date.now();
      this.timer = setTimeout(() => this.delays.reset(), STABLE_AFTER_MS);
      this.update({ status: "connected", problem: null });
    } else if (state === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.again(null), HEAL_WITHIN_MS);
    } else if (state === "failed" || state === "closed") {
      this.again(null);
    }
  }

  private failed(problem: Problem): void {
    if (problem.transient) {
      this.again(problem);
      return;
    }
    clearTimeout(this.timer);
    this.drop();
    this.update({ status: "failed", problem });
  }

  private again(problem: Problem | null): void {
    clearTimeout(this.timer);
    this.drop();
    this.update({ status: "reconnecting", problem });
    this.timer = setTimeout(() => void this.attempt("reconnecting"), this.delays.next());
  }

  private drop(): void {
    const { connection } = this;
    this.connection = null;
    if (connection === null) return;
    discard(connection);
    this.options.onConnection?.(connection, false);
  }

  private update(change: Partial<MediaSessionState>): void {
    this.state = { ...this.state, ...change };
    this.options.onChange(this.state);
  }
}

function replaced(): Problem {
  return new Problem("replaced", 0, "another page of this visit has joined");
}

function enabled(tracks: MediaStreamTrack[]): boolean {
  return tracks.every((track) => track.enabled);
}
