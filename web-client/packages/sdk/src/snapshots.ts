/**
 * The push half of the protocol: a WebSocket that says who listens, hands every snapshot on, and
 * comes back by itself. A client that missed something needs only the next snapshot, so there is
 * nothing to replay after a reconnect.
 */
import { backoff, type Backoff } from "./backoff.js";
import type { ClientMessage, ServerMessage } from "./protocol.js";

export type SnapshotHandlers = {
  onMessage: (message: ServerMessage) => void;
  /** `live`: snapshots are flowing. `waiting`: the connection is lost and will be tried again. */
  onStatus?: (status: SnapshotStatus) => void;
};
export type SnapshotStatus = "connecting" | "live" | "waiting" | "stopped";

export type SnapshotOptions = SnapshotHandlers & {
  url: string;
  token?: string;
  /** Replaceable for tests. */
  socket?: (url: string) => SocketLike;
  backoff?: Backoff;
};

export type SocketLike = Pick<
  WebSocket,
  "send" | "close" | "readyState" | "onopen" | "onmessage" | "onclose" | "onerror"
>;

/** A proxy drops silent connections after 30 to 60 s, and a dead network shows by a missing pong. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 6_000;
/** Errors after which trying again cannot help. */
const FINAL = new Set(["link_unknown", "link_expired", "not_signed_in", "forbidden"]);
const OPEN = 1;

export class SnapshotClient {
  private socket: SocketLike | null = null;
  private watched: string | null = null;
  private cpuLimited = false;
  private stopped = false;
  private retryTimer: Timer = undefined;
  private pingTimer: Timer = undefined;
  private pongTimer: Timer = undefined;
  private readonly delays: Backoff;

  constructor(private readonly options: SnapshotOptions) {
    this.delays = options.backoff ?? backoff();
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  /** Ends the connection for good. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.drop();
    this.options.onStatus?.("stopped");
  }

  /** Staff: also push this visit, now and after every reconnect. */
  watch(visit: string | null): void {
    this.watched = visit;
    if (visit !== null) this.send({ type: "watch", visit });
  }

  /** This machine limits what it sends, or no longer does. Said again after a reconnect. */
  tellCpuLimited(limited: boolean): void {
    this.cpuLimited = limited;
    this.send({ type: "cpu_limited", limited });
  }

  /** The network is back: do not sit out the rest of a delay. */
  retryNow(): void {
    if (this.stopped || this.socket?.readyState === OPEN) return;
    this.drop();
    this.connect();
  }

  private connect(): void {
    this.options.onStatus?.("connecting");
    const socket = (this.options.socket ?? ((url) => new WebSocket(url)))(this.options.url);
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event) => this.received(event.data);
    socket.onclose = () => this.lost(socket);
    socket.onerror = () => this.lost(socket);
  }

  private opened(): void {
    const { token } = this.options;
    this.send(token === undefined ? { type: "hello" } : { type: "hello", token });
    if (this.watched !== null) this.send({ type: "watch", visit: this.watched });
    if (this.cpuLimited) this.send({ type: "cpu_limited", limited: true });
    this.pingTimer = setInterval(() => this.ping(), PING_EVERY_MS);
  }

  private received(data: unknown): void {
    const message = parse(data);
    if (message === null) return;
    if (message.type === "pong") {
      clearTimeout(this.pongTimer);
      this.pongTimer = undefined;
      return;
    }
    if (message.type === "error") {
      this.options.onMessage(message);
      if (FINAL.has(message.code)) this.stop();
      return;
    }
    this.delays.reset();
    this.options.onStatus?.("live");
    this.options.onMessage(message);
  }

  private ping(): void {
    this.send({ type: "ping" });
    const { socket } = this;
    this.pongTimer ??= setTimeout(() => {
      if (socket !== null) this.lost(socket);
    }, PONG_WITHIN_MS);
  }

  private lost(socket: SocketLike): void {
    if (socket !== this.socket || this.stopped) return;
    this.drop();
    this.options.onStatus?.("waiting");
    this.retryTimer = setTimeout(() => this.connect(), this.delays.next());
  }

  private drop(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.pingTimer);
    clearTimeout(this.pongTimer);
    this.pongTimer = undefined;
    const { socket } = this;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }

  private send(message: ClientMessage): void {
    if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(message));
  }
}

/** The WebSocket address that belongs to an HTTP origin. */
export function snapshotUrl(origin: string): string {
  return `${origin.replace(/^http/, "ws")}/api/v1/ws`;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

function parse(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    const known = typeof value === "object" && value !== null && "type" in value;
    return known ? (value as ServerMessage) : null;
  } catch {
    return null;
  }
}
