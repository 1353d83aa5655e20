/** A short account of a peer connection, for support and for browser tests. */
export type VideoSummary = {
    codec: string | null;
    frames: number;
    width: number;
    height: number;
    bytes: number;
    packetsLost: number;
};
export type AudioSummary = {
    codec: string | null;
    bytes: number;
    packets: number;
    packetsLost: number;
    /** Sum of audio energy: grows only while something is heard. Null where it is not measured. */
    energy: number | null;
};
export type ConnectionSummary = {
    connection: RTCPeerConnectionState;
    ice: RTCIceConnectionState;
    roundTripMs: number | null;
    received: {
        video: VideoSummary | null;
        audio: AudioSummary | null;
    };
    sent: {
        video: VideoSummary | null;
        audio: AudioSummary | null;
    };
};
export declare function summarize(connection: RTCPeerConnection): Promise<ConnectionSummary>;
