/** One peer connection from offer to end. Never renegotiated: a new attempt is a new connection. */
import type { Negotiate } from "../api.js";
export type ConnectionEvents = {
    onState: (state: RTCPeerConnectionState) => void;
    onRemote: (stream: MediaStream) => void;
};
export declare function newConnection(stream: MediaStream, events: ConnectionEvents): RTCPeerConnection;
/**
 * Offers and takes the answer. The offer goes out without waiting for candidates: the server is
 * ICE-lite and learns our address from our checks, so waiting would only cost time.
 */
export declare function join(connection: RTCPeerConnection, negotiate: Negotiate): Promise<void>;
export declare function discard(connection: RTCPeerConnection): void;
