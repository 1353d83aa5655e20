import { backoff } from "../backoff.js";
import { Problem, asProblem } from "../problem.js";
import { discard, join, newConnection } from "./connection.js";
/** A first connection takes a few round trips; after this long a new try is the better bet. */
const CONNECT_WITHIN_MS = 8_000;
/** Short losses heal by themselves; waiting longer would leave a person looking at a still. */
const HEAL_WITHIN_MS = 2_500;
/** The server's view lags the browser's by about this much: younger hints are about the past. */
const HINT_AFTER_MS = 3_000;
export class MediaSession {
    options;
    state;
    connection = null;
    timer;
    connectedAt = 0;
    running = false;
    delays;
    constructor(options) {
        this.options = options;
        this.delays = options.backoff ?? backoff();
        this.state = {
            status: "idle",
            remote: null,
            microphone: enabled(options.stream.getAudioTracks()),
            camera: enabled(options.stream.getVideoTracks()),
            problem: null,
        };
    }
    get current() {
        return this.state;
    }
    start() {
        if (this.running)
            return;
        this.running = true;
        globalThis.addEventListener("online", this.networkChanged);
        void this.attempt("joining");
    }
    /** Leaves for good. The captured stream stays with its owner. */
    stop() {
        if (!this.running)
            return;
        this.running = false;
        globalThis.removeEventListener("online", this.networkChanged);
        clearTimeout(this.timer);
        this.drop();
        this.update({ status: "stopped", remote: null });
    }
    setMicrophone(on) {
        for (const track of this.options.stream.getAudioTracks())
            track.enabled = on;
        this.update({ microphone: on });
    }
    setCamera(on) {
        for (const track of this.options.stream.getVideoTracks())
            track.enabled = on;
        this.update({ camera: on });
    }
    /** The server's snapshot says that it does not see us: join again without waiting for ICE. */
    serverLostUs() {
        const settled = Date.now() - this.connectedAt > HINT_AFTER_MS;
        if (this.running && this.state.status === "connected" && settled)
            this.rejoinNow();
    }
    /** A person asked to try again. */
    retry() {
        if (this.running && this.state.status !== "connected")
            this.rejoinNow();
    }
    networkChanged = () => this.rejoinNow();
    rejoinNow() {
        clearTimeout(this.timer);
        this.delays.reset();
        void this.attempt("reconnecting");
    }
    async attempt(status) {
        clearTimeout(this.timer);
        this.drop();
        this.update({ status });
        let connection = null;
        try {
            connection = this.open();
            this.timer = setTimeout(() => this.again(null), CONNECT_WITHIN_MS);
            await join(connection, this.options.negotiate);
        }
        catch (thrown) {
            if (this.running && connection === this.connection)
                this.failed(asProblem(thrown));
        }
    }
    open() {
        const connection = newConnection(this.options.stream, {
            onState: (state) => this.stateChanged(connection, state),
            onRemote: (remote) => this.update({ remote }),
        });
        this.connection = connection;
        this.options.onConnection?.(connection, true);
        return connection;
    }
    stateChanged(connection, state) {
        if (connection !== this.connection || !this.running)
            return;
        if (state === "connected") {
            clearTimeout(this.timer);
            this.connectedAt = Date.now();
            this.delays.reset();
            this.update({ status: "connected", problem: null });
        }
        else if (state === "disconnected") {
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.again(null), HEAL_WITHIN_MS);
        }
        else if (state === "failed" || state === "closed") {
            this.again(null);
        }
    }
    failed(problem) {
        if (problem.transient) {
            this.again(problem);
            return;
        }
        clearTimeout(this.timer);
        this.drop();
        this.update({ status: "failed", problem });
    }
    again(problem) {
        clearTimeout(this.timer);
        this.drop();
        this.update({ status: "reconnecting", problem });
        this.timer = setTimeout(() => void this.attempt("reconnecting"), this.delays.next());
    }
    drop() {
        const { connection } = this;
        this.connection = null;
        if (connection === null)
            return;
        discard(connection);
        this.options.onConnection?.(connection, false);
    }
    update(change) {
        this.state = { ...this.state, ...change };
        this.options.onChange(this.state);
    }
}
function enabled(tracks) {
    return tracks.every((track) => track.enabled);
}
//# sourceMappingURL=session.js.map