// @roamhq/wrtc (npm): libwebrtc in Node.js. It has no H.264.
import { createRequire } from "node:module";
import wrtc from "@roamhq/wrtc";
import { readWishes, report, satisfied, untilStdinEnds, watchUntilSatisfied } from "../lib/wishes.mjs";

const { RTCPeerConnection, MediaStream, RTCRtpSender, nonstandard } = wrtc;
const { RTCVideoSource, RTCVideoSink, RTCAudioSource, RTCAudioSink } = nonstandard;
const { version } = createRequire(import.meta.url)("@roamhq/wrtc/package.json");

const wishes = readWishes();
const began = Date.now();
const seen = {
  client: "wrtc",
  version,
  codec: wishes.codec,
  connectMs: null,
  framesDecoded: 0,
  audioPackets: 0,
  audioEnergy: 0,
};

const WIDTH = 320, HEIGHT = 240, FPS = 15, RATE = 48_000, CHUNK = RATE / 100;

function film(source) {
  const data = new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2).fill(128);
  let count = 0;
  return setInterval(() => {
    const bar = (count++ * 4) % (WIDTH - 16);
    for (let y = 0; y < HEIGHT; y += 1) {
      data.fill(80, y * WIDTH, (y + 1) * WIDTH);
      data.fill(235, y * WIDTH + bar, y * WIDTH + bar + 16);
    }
    source.onFrame({ width: WIDTH, height: HEIGHT, data });
  }, 1000 / FPS);
}

function speak(source) {
  let at = 0;
  const start = Date.now();
  return setInterval(() => {
    // Timers are late; what is due is sent all the same.
    for (const due = ((Date.now() - start) / 1000) * RATE; at < due; at += CHUNK) {
      const samples = Int16Array.from({ length: CHUNK }, (_, n) =>
        Math.round(12_000 * Math.sin((2 * Math.PI * 440 * (at + n)) / RATE)),
      );
      source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: CHUNK });
    }
  }, 10);
}

const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
const video = new RTCVideoSource();
const audio = new RTCAudioSource();
const stream = new MediaStream();
pc.addTransceiver(audio.createTrack(), { streams: [stream] });
const picture = pc.addTransceiver(video.createTrack(), { streams: [stream] });
const codecs = RTCRtpSender.getCapabilities("video").codecs;
const chosen = codecs.filter((c) => [`video/${wishes.codec}`, "video/rtx"].includes(c.mimeType.toLowerCase()));
picture.setCodecPreferences(chosen);

const sinks = [];
pc.ontrack = ({ track }) => {
  if (track.kind === "video") {
    const sink = new RTCVideoSink(track);
    sink.onframe = () => (seen.framesDecoded += 1);
    sinks.push(sink);
  } else {
    const sink = new RTCAudioSink(track);
    // Silence comes in before anything is received: only what is heard counts.
    sink.ondata = ({ samples, sampleRate }) => {
      const energy = samples.reduce((sum, s) => sum + (s / 32_768) ** 2, 0) / sampleRate;
      if (energy > 0) seen.audioPackets += 1;
      seen.audioEnergy += energy;
    };
    sinks.push(sink);
  }
};
pc.onconnectionstatechange = () => {
  if (pc.connectionState === "connected") seen.connectMs ??= Date.now() - began;
};

await pc.setLocalDescription(await pc.createOffer());
if (pc.iceGatheringState !== "complete") {
  await new Promise((resolve) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
  });
}
const response = await fetch(wishes.join, {
  method: "POST",
  headers: { "Content-Type": "application/sdp", ...(wishes.token && { Authorization: `Bearer ${wishes.token}` }) },
  body: pc.localDescription.sdp,
});
const answer = await response.text();
if (!response.ok) {
  console.error(`${response.status}: ${answer}`);
  process.exit(1);
}
await pc.setRemoteDescription({ type: "answer", sdp: answer });

const timers = [film(video), speak(audio)];
await watchUntilSatisfied(wishes, async () => seen);
report(wishes, seen);
if (satisfied(wishes, seen)) await untilStdinEnds();
timers.forEach(clearInterval);
sinks.forEach((sink) => sink.stop());
pc.close();
process.exit(satisfied(wishes, seen) ? 0 : 1);
