/**
 * Being in a call and staying in it: joins, watches the connection, joins again by itself when it
 * fails or the network changes, and keeps microphone and camera as the person left them.
 */
import type { Negotiate } from "../api.js";
import { type Backoff } from "../backoff.js";
import { Problem } from "../problem.js";
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
export declare class MediaSession {
    private readonly options;
    private state;
    private connection;
    private timer;
    private connectedAt;
    private running;
    private readonly delays;
    constructor(options: MediaSessionOptions);
    get current(): MediaSessionState;
    start(): void;
    /** Leaves for good. The captured stream stays with its owner. */
    stop(): void;
    setMicrophone(on: boolean): void;
    setCamera(on: boolean): void;
    /** The server's snapshot says that it does not see us: join again without waiting for ICE. */
    serverLostUs(): void;
    /** A person asked to try again. */
    retry(): void;
    private readonly networkChanged;
    private rejoinNow;
    private attempt;
    private open;
    private stateChanged;
    private failed;
    private again;
    private drop;
    private update;
}
