/**
 * The push half of the protocol: a WebSocket that says who listens, hands every snapshot on, and
 * comes back by itself. A client that missed something needs only the next snapshot, so there is
 * nothing to replay after a reconnect.
 */
import { type Backoff } from "./backoff.js";
import type { ServerMessage } from "./protocol.js";
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
export type SocketLike = Pick<WebSocket, "send" | "close" | "readyState" | "onopen" | "onmessage" | "onclose" | "onerror">;
export declare class SnapshotClient {
    private readonly options;
    private socket;
    private watched;
    private stopped;
    private retryTimer;
    private pingTimer;
    private pongTimer;
    private readonly delays;
    constructor(options: SnapshotOptions);
    start(): void;
    /** Ends the connection for good. */
    stop(): void;
    /** Staff: also push this visit, now and after every reconnect. */
    watch(visit: string | null): void;
    /** The network is back: do not sit out the rest of a delay. */
    retryNow(): void;
    private connect;
    private opened;
    private received;
    private ping;
    private lost;
    private drop;
    private send;
}
/** The WebSocket address that belongs to an HTTP origin. */
export declare function snapshotUrl(origin: string): string;
