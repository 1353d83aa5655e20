/**
 * Being in a call and staying in it: joins, watches the connection, restarts ICE when the network
 * changes, joins again by itself when that does not help, and keeps microphone, camera and shared
 * screen as the person left them.
 */
import type { Negotiate } from "../api.js";
import { backoff, type Backoff } from "../backoff.js";
import { Problem, asProblem } from "../problem.js";
import type { MediaAnswer, MediaState, Slot, VideoCodec } from "../protocol.js";
import { Connection } from "./connection.js";
import { watchCpu } from "./cpu.js";
import { watchNetwork } from "./network.js";
import { remotesOf, type Remote } from "./remotes.js";

export type MediaStatus = "idle" | "joining" | "connected" | "reconnecting" | "failed" | "stopped";
export type MediaSessionState = {
  status: MediaStatus;
  /** What arrives of the others, by the server's slot table. */
  remotes: Remote[];
  microphone: boolean;
  camera: boolean;
  /** Our screen while it is shared. */
  screen: MediaStream | null;
  /** Somebody cannot decode our pictures, and this browser cannot send them in another codec. */
  unseen: boolean;
  /** Why the last try failed; kept while trying again. */
  problem: Problem | null;
};

export type MediaSessionOptions = {
  /** Microphone and camera; may come later with `use`. */
  stream?: MediaStream | null;
  negotiate: Negotiate;
  onChange: (state: MediaSessionState) => void;
  /** Told of every peer connection as it begins and ends, for statistics. */
  onConnection?: (connection: RTCPeerConnection, alive: boolean) => void;
  /** The machine is too slow for what it should send, or no longer: for the server to know. */
  onCpuLimited?: (limited: boolean) => void;
  backoff?: Backoff;
};

/** A first connection takes a few round trips; after this long a new try is the better bet. */
const CONNECT_WITHIN_MS = 8_000;
/** Short losses heal by themselves; waiting longer would leave a person looking at a still. */
const HEAL_WITHIN_MS = 2_000;
/** What an ICE restart gets before everything is made anew, lost requests included. */
const RESTART_WITHIN_MS = 6_000;
/** The server's view lags the browser's by about this much: younger hints are about the past. */
const HINT_AFTER_MS = 3_000;
/** A connection that held for so long was a good one; shorter, and the next try waits longer. */
const STABLE_AFTER_MS = 10_000;

export class MediaSession {
  private state: MediaSessionState;
  private stream: MediaStream | null;
  private slots: Slot[] = [];
  /** In what the server wants our pictures; null before it has said. */
  private codec: VideoCodec | null = null;
  private connection: Connection | null = null;
  /** Made before it was needed: its offer is ready. */
  private prepared: Connection | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopWatching: (() => void) | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** The connection whose restart is being asked for. */
  private restarting: Connection | null = null;
  private connectedAt = 0;
  /** The number of our latest connection; null before the first answer. */
  private own: number | null = null;
  /** A higher number may be our own: the answer to our last offer is due, or was lost. */
  private unanswered = false;
  /** The highest number heard of: above our own, another page has joined after us. */
  private newest = 0;
  private running = false;
  private readonly delays: Backoff;

  constructor(private readonly options: MediaSessionOptions) {
    this.delays = options.backoff ?? backoff();
    this.stream = options.stream ?? null;
    this.state = {
      status: "idle",
      remotes: [],
      microphone: enabled(this.stream?.getAudioTracks() ?? []),
      camera: enabled(this.stream?.getVideoTracks() ?? []),
      screen: null,
      unseen: false,
      problem: null,
    };
  }

  get current(): MediaSessionState {
    return this.state;
  }

  /** Makes the first offer now, so that `start` has less to wait for. Sends nothing. */
  prepare(): void {
    if (this.running || this.prepared !== null) return;
    const connection = this.make();
    this.prepared = connection;
    // What goes wrong here goes wrong again, and is told, in `start`.
    connection.prepare().catch(() => undefined);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    const stopNetwork = watchNetwork(this.networkChanged);
    const stopCpu = watchCpu(
      () => this.connection,
      (limited) => this.options.onCpuLimited?.(limited),
    );
    this.stopWatching = () => {
      stopNetwork();
      stopCpu();
    };
    void this.attempt("joining");
  }

  /** Leaves for good. The captured streams stay with their owner. */
  stop(): void {
    this.prepared?.close();
    this.prepared = null;
    if (!this.running) return;
    this.running = false;
    this.stopWatching?.();
    clearTimeout(this.timer);
    this.drop();
    this.update({ status: "stopped", remotes: [], screen: null, unseen: false });
  }

  /** Microphone and camera to send from now on, muted as those before them were. */
  use(stream: MediaStream | null): void {
    this.stream = stream;
    for (const track of stream?.getAudioTracks() ?? []) track.enabled = this.state.microphone;
    for (const track of stream?.getVideoTracks() ?? []) track.enabled = this.state.camera;
    this.send(this.connection ?? this.prepared);
  }

  setMicrophone(on: boolean): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = on;
    this.update({ microphone: on });
  }

  setCamera(on: boolean): void {
    for (const track of this.stream?.getVideoTracks() ?? []) track.enabled = on;
    this.update({ camera: on });
  }

  /** Shows a screen to the others, or no longer. The stream stays with its owner. */
  share(screen: MediaStream | null): void {
    this.update({ screen });
    this.send(this.connection);
  }

  /** The slot table of the newest snapshot: whom each media section shows. */
  showSlots(slots: Slot[]): void {
    this.slots = slots;
    this.refreshRemotes();
  }

  /** The newest snapshot's word on what to send pictures in, so that all can see them. */
  sendIn(codec: VideoCodec): void {
    if (codec === this.codec) return;
    this.codec = codec;
    void this.recode();
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
    const { status } = this.state;
    if (status === "failed") return;
    if (this.connection !== null && this.connectedAt > 0) void this.restart();
    else this.rejoinNow();
  };

  private rejoinNow(): void {
    clearTimeout(this.timer);
    this.delays.reset();
    void this.attempt("reconnecting");
  }

  private async attempt(status: "joining" | "reconnecting"): Promise<void> {
    clearTimeout(this.timer);
    this.drop();
    this.unanswered = true;
    this.update({ status });
    let connection: Connection | null = null;
    try {
      connection = this.open();
      this.timer = setTimeout(() => this.again(null), CONNECT_WITHIN_MS);
      await connection.join((offer) => this.negotiate(connection, offer));
      if (connection === this.connection) {
        this.refreshRemotes();
        void this.recode();
      }
    } catch (thrown) {
      if (this.running && connection === this.connection) this.failed(asProblem(thrown));
    }
  }

  /** New ICE credentials for the connection that is there; a new connection if that is no use. */
  private async restart(): Promise<void> {
    const { connection } = this;
    if (connection === null || this.restarting === connection) return;
    this.restarting = connection;
    clearTimeout(this.retryTimer);
    this.unanswered = true;
    let goesOn = false;
    let problem: Problem | null = null;
    try {
      goesOn = await connection.restart((offer) => this.negotiate(connection, offer));
    } catch (thrown) {
      problem = asProblem(thrown);
    }
    if (connection !== this.connection) return;
    this.restarting = null;
    if (goesOn || !this.running) return;
    if (problem === null) this.again(null);
    else if (!problem.transient) this.failed(problem);
    // A connection that is up, after all, is left alone.
    else if (this.state.status === "connected") this.unanswered = false;
    else this.retryTimer = setTimeout(() => void this.restart(), this.delays.next());
  }

  private async negotiate(connection: Connection | null, offer: string): Promise<MediaAnswer> {
    const answer = await this.options.negotiate(offer);
    if (connection === this.connection) {
      this.own = answer.connection;
      this.unanswered = false;
      if (this.overtaken()) throw replaced();
    }
    return answer;
  }

  private overtaken(): boolean {
    return !this.unanswered && this.own !== null && this.newest > this.own;
  }

  private open(): Connection {
    const connection = this.prepared ?? this.make();
    this.prepared = null;
    this.connection = connection;
    this.options.onConnection?.(connection.peer, true);
    return connection;
  }

  private make(): Connection {
    const connection: Connection = new Connection((state) => this.stateChanged(connection, state));
    this.send(connection);
    return connection;
  }

  private send(connection: Connection | null): void {
    const sources = { camera: this.stream, screen: this.state.screen };
    // Fails only on a connection that is closed meanwhile.
    connection?.send(sources).catch(() => undefined);
  }

  private stateChanged(connection: Connection, state: RTCPeerConnectionState): void {
    if (connection !== this.connection || !this.running) return;
    if (state === "connected") {
      clearTimeout(this.timer);
      clearTimeout(this.retryTimer);
      this.connectedAt = Date.now();
      // The server still has it under its number, whatever became of a restart.
      if (this.restarting === null) this.unanswered = false;
      this.timer = setTimeout(() => this.delays.reset(), STABLE_AFTER_MS);
      this.update({ status: "connected", problem: null });
    } else if (state === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.notHealed(), HEAL_WITHIN_MS);
    } else if (state === "failed" || state === "closed") {
      this.again(null);
    }
  }

  private notHealed(): void {
    this.timer = setTimeout(() => this.again(null), RESTART_WITHIN_MS);
    this.update({ status: "reconnecting" });
    void this.restart();
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
    this.connectedAt = 0;
    this.restarting = null;
    clearTimeout(this.retryTimer);
    if (connection === null) return;
    connection.close();
    this.options.onConnection?.(connection.peer, false);
  }

  private async recode(): Promise<void> {
    const { codec, connection } = this;
    if (codec === null || connection?.isAgreed !== true) return;
    const unseen = !(await connection.sendIn(codec));
    const current = connection === this.connection && codec === this.codec;
    if (current && unseen !== this.state.unseen) this.update({ unseen });
  }

  private refreshRemotes(): void {
    const { connection } = this;
    if (connection === null) return;
    const remotes = remotesOf(this.slots, (mid) => connection.track(mid), this.state.remotes);
    if (!sameRemotes(remotes, this.state.remotes)) this.update({ remotes });
  }

  private update(change: Partial<MediaSessionState>): void {
    this.state = { ...this.state, ...change };
    this.options.onChange(this.state);
  }
}

/** Snapshots come often, changes of who is shown seldom: a page must not be drawn for nothing. */
function sameRemotes(one: Remote[], other: Remote[]): boolean {
  return (
    one.length === other.length &&
    one.every((remote, at) => {
      const before = other[at];
      return (
        before?.participant === remote.participant &&
        before.stream === remote.stream &&
        before.screen === remote.screen
      );
    })
  );
}

function replaced(): Problem {
  return new Problem("replaced", 0, "another page of this visit has joined");
}

function enabled(tracks: MediaStreamTrack[]): boolean {
  return tracks.every((track) => track.enabled);
}
