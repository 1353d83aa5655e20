/** A short account of a peer connection, for support and for browser tests. */
export async function summarize(connection) {
    const report = new Map();
    (await connection.getStats()).forEach((entry) => report.set(String(entry.id), entry));
    const one = (type, kind) => [...report.values()].find((entry) => entry.type === type && entry.kind === kind);
    const codec = (entry) => text(report.get(String(entry.codecId))?.mimeType);
    const pair = [...report.values()].find((entry) => entry.type === "candidate-pair" && entry.nominated === true);
    const roundTrip = pair?.currentRoundTripTime;
    return {
        connection: connection.connectionState,
        ice: connection.iceConnectionState,
        roundTripMs: typeof roundTrip === "number" ? roundTrip * 1000 : null,
        received: {
            video: video(one("inbound-rtp", "video"), codec, "framesDecoded", "bytesReceived"),
            audio: audio(one("inbound-rtp", "audio"), codec, "packetsReceived", "bytesReceived"),
        },
        sent: {
            video: video(one("outbound-rtp", "video"), codec, "framesEncoded", "bytesSent"),
            audio: audio(one("outbound-rtp", "audio"), codec, "packetsSent", "bytesSent"),
        },
    };
}
function video(entry, codec, frames, bytes) {
    if (entry === undefined)
        return null;
    return {
        codec: codec(entry),
        frames: number(entry[frames]),
        width: number(entry.frameWidth),
        height: number(entry.frameHeight),
        bytes: number(entry[bytes]),
        packetsLost: number(entry.packetsLost),
    };
}
function audio(entry, codec, packets, bytes) {
    if (entry === undefined)
        return null;
    const energy = entry.totalAudioEnergy;
    return {
        codec: codec(entry),
        bytes: number(entry[bytes]),
        packets: number(entry[packets]),
        packetsLost: number(entry.packetsLost),
        energy: typeof energy === "number" ? energy : null,
    };
}
function number(value) {
    return typeof value === "number" ? value : 0;
}
function text(value) {
    return typeof value === "string" ? value : null;
}
//# sourceMappingURL=stats.js.map