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
  received: { video: VideoSummary | null; audio: AudioSummary | null };
  sent: { video: VideoSummary | null; audio: AudioSummary | null };
};

type Entry = Record<string, unknown>;

export async function summarize(connection: RTCPeerConnection): Promise<ConnectionSummary> {
  const report = new Map<string, Entry>();
  (await connection.getStats()).forEach((entry: Entry) => report.set(String(entry.id), entry));
  // Of several media sections the busiest counts: most carry little or nothing.
  const one = (type: string, kind: string) =>
    [...report.values()]
      .filter((entry) => entry.type === type && entry.kind === kind && entry.codecId !== undefined)
      .toSorted((a, b) => busy(b) - busy(a))[0];
  const codec = (entry: Entry) => text(report.get(String(entry.codecId))?.mimeType);
  const pair = [...report.values()].find(
    (entry) => entry.type === "candidate-pair" && entry.nominated === true,
  );
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

function busy(entry: Entry): number {
  return number(entry.bytesSent) + number(entry.bytesReceived);
}

type CodecOf = (entry: Entry) => string | null;

function video(entry: Entry | undefined, codec: CodecOf, frames: string, bytes: string) {
  if (entry === undefined) return null;
  return {
    codec: codec(entry),
    frames: number(entry[frames]),
    width: number(entry.frameWidth),
    height: number(entry.frameHeight),
    bytes: number(entry[bytes]),
    packetsLost: number(entry.packetsLost),
  };
}

function audio(entry: Entry | undefined, codec: CodecOf, packets: string, bytes: string) {
  if (entry === undefined) return null;
  const energy = entry.totalAudioEnergy;
  return {
    codec: codec(entry),
    bytes: number(entry[bytes]),
    packets: number(entry[packets]),
    packetsLost: number(entry.packetsLost),
    energy: typeof energy === "number" ? energy : null,
  };
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
