/**
 * The push half of the protocol: a WebSocket that says who listens, hands every snapshot on, and
 * comes back by itself. A client that missed something needs only the next snapshot, so there is
 * nothing to replay after a reconnect.
 */
import { backoff } from "./backoff.js";
/** A proxy drops silent connections after 30 to 60 s, and a dead network shows by a missing pong. */
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 6_000;
/** Errors after which trying again cannot help. */
const FINAL = new Set(["link_unknown", "link_expired", "not_signed_in", "forbidden"]);
const OPEN = 1;
export class SnapshotClient {
    options;
    socket = null;
    watched = null;
    stopped = false;
    retryTimer = undefined;
    pingTimer = undefined;
    pongTimer = undefined;
    delays;
    constructor(options) {
        this.options = options;
        this.delays = options.backoff ?? backoff();
    }
    start() {
        this.stopped = false;
        this.connect();
    }
    /** Ends the connection for good. */
    stop() {
        if (this.stopped)
            return;
        this.stopped = true;
        this.drop();
        this.options.onStatus?.("stopped");
    }
    /** Staff: also push this visit, now and after every reconnect. */
    watch(visit) {
        this.watched = visit;
        if (visit !== null)
            this.send({ type: "watch", visit });
    }
    /** The network is back: do not sit out the rest of a delay. */
    retryNow() {
        if (this.stopped || this.socket?.readyState === OPEN)
            return;
        this.drop();
        this.connect();
    }
    connect() {
        this.options.onStatus?.("connecting");
        const socket = (this.options.socket ?? ((url) => new WebSocket(url)))(this.options.url);
        this.socket = socket;
        socket.onopen = () => this.opened();
        socket.onmessage = (event) => this.received(event.data);
        socket.onclose = () => this.lost(socket);
        socket.onerror = () => this.lost(socket);
    }
    opened() {
        const { token } = this.options;
        this.send(token === undefined ? { type: "hello" } : { type: "hello", token });
        if (this.watched !== null)
            this.send({ type: "watch", visit: this.watched });
        this.pingTimer = setInterval(() => this.ping(), PING_EVERY_MS);
    }
    received(data) {
        const message = parse(data);
        if (message === null)
            return;
        if (message.type === "pong") {
            clearTimeout(this.pongTimer);
            this.pongTimer = undefined;
            return;
        }
        if (message.type === "error") {
            this.options.onMessage(message);
            if (FINAL.has(message.code))
                this.stop();
            return;
        }
        this.delays.reset();
        this.options.onStatus?.("live");
        this.options.onMessage(message);
    }
    ping() {
        this.send({ type: "ping" });
        const { socket } = this;
        this.pongTimer ??= setTimeout(() => {
            if (socket !== null)
                this.lost(socket);
        }, PONG_WITHIN_MS);
    }
    lost(socket) {
        if (socket !== this.socket || this.stopped)
            return;
        this.drop();
        this.options.onStatus?.("waiting");
        this.retryTimer = setTimeout(() => this.connect(), this.delays.next());
    }
    drop() {
        clearTimeout(this.retryTimer);
        clearInterval(this.pingTimer);
        clearTimeout(this.pongTimer);
        this.pongTimer = undefined;
        const { socket } = this;
        this.socket = null;
        if (socket === null)
            return;
        socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
        socket.close();
    }
    send(message) {
        if (this.socket?.readyState === OPEN)
            this.socket.send(JSON.stringify(message));
    }
}
/** The WebSocket address that belongs to an HTTP origin. */
export function snapshotUrl(origin) {
    return `${origin.replace(/^http/, "ws")}/api/v1/ws`;
}
function parse(data) {
    if (typeof data !== "string")
        return null;
    try {
        const value = JSON.parse(data);
        const known = typeof value === "object" && value !== null && "type" in value;
        return known ? value : null;
    }
    catch {
        return null;
    }
}
//# sourceMappingURL=snapshots.js.map