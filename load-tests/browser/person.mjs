/** A person at a Chromium of their own, on a page that does nothing but call. */
import { createServer } from "node:http";
import { createRequire } from "node:module";

import { FLAGS } from "../chromium.mjs";

const require = createRequire(new URL("../../web-client/package.json", import.meta.url));
const { chromium } = require("playwright-core");

/** Statistics are read so often; finer than this, browsers repeat themselves. */
export const SAMPLE_MS = 100;

/** An empty page at `http://localhost`, where cameras are allowed. */
export async function servePage() {
  const server = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end("<!doctype html><title>call</title><video id=v autoplay playsinline></video>");
  });
  await new Promise((done) => server.listen(0, "localhost", done));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}

export class Person {
  /** `signal` takes the offer and gives the answer. */
  static async arrive(url, signal, codec) {
    const browser = await chromium.launch({
      executablePath: process.env.VBRANCH_CHROMIUM ?? "/usr/bin/chromium",
      headless: true,
      args: FLAGS,
    });
    const page = await browser.newPage();
    await page.exposeFunction("signal", signal);
    await page.goto(url);
    await page.evaluate(call, codec);
    return new Person(browser, page);
  }

  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
  }

  /** Waits until frames are decoded and sound is heard. */
  async meet(withinMs) {
    await this.page.evaluate(meet, withinMs);
  }

  /** Reads statistics from now on. */
  async watch() {
    await this.page.evaluate(watch, SAMPLE_MS);
  }

  /** What was read. */
  async samples() {
    return this.page.evaluate(() => window.samples);
  }

  async leave() {
    await this.browser.close();
  }
}

/* What follows runs in the page. */

async function call(codec) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: true,
    video: { width: 640, height: 480, frameRate: 30 },
  });
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const remote = new MediaStream();
  connection.ontrack = ({ track }) => {
    remote.addTrack(track);
    document.getElementById("v").srcObject = remote;
  };
  for (const track of stream.getTracks()) {
    const line = connection.addTransceiver(track, {
      direction: "sendrecv",
      streams: [stream],
      sendEncodings: [track.kind === "video" ? { maxBitrate: 1_500_000 } : {}],
    });
    if (track.kind === "audio") continue;
    const { codecs } = RTCRtpReceiver.getCapabilities("video");
    const wanted = codecs.filter(
      ({ mimeType, sdpFmtpLine = "" }) =>
        mimeType === `video/${codec}` &&
        (codec !== "H264" || /packetization-mode=1.*profile-level-id=42e0/.test(sdpFmtpLine)),
    );
    line.setCodecPreferences([...wanted, ...codecs.filter((c) => c.mimeType === "video/rtx")]);
  }
  await connection.setLocalDescription();
  const sdp = await window.signal(connection.localDescription.sdp);
  await connection.setRemoteDescription({ type: "answer", sdp });
  window.connection = connection;
}

async function meet(withinMs) {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    let [frames, samples] = [0, 0];
    for (const entry of (await window.connection.getStats()).values()) {
      if (entry.type !== "inbound-rtp") continue;
      frames += entry.framesDecoded ?? 0;
      samples += (entry.totalSamplesReceived ?? 0) - (entry.concealedSamples ?? 0);
    }
    if (frames > 10 && samples > 10_000) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`no media: ${window.connection.connectionState}`);
}

function watch(everyMs) {
  window.samples = [];
  const read = async () => {
    const sample = { at: Date.now(), state: window.connection.connectionState };
    for (const entry of (await window.connection.getStats()).values()) {
      if (entry.type === "inbound-rtp") {
        sample[entry.kind] = {
          bytes: entry.bytesReceived,
          packets: entry.packetsReceived,
          lost: entry.packetsLost,
          nacks: entry.nackCount,
          plis: entry.pliCount,
          frames: entry.framesDecoded,
          freezes: entry.freezeCount,
          frozenS: entry.totalFreezesDuration,
          bufferS: entry.jitterBufferDelay,
          emitted: entry.jitterBufferEmittedCount,
          concealed: entry.concealedSamples,
          heard: entry.totalSamplesReceived,
        };
      } else if (entry.type === "outbound-rtp" && entry.kind === "video") {
        sample.sent = {
          bytes: entry.bytesSent,
          frames: entry.framesEncoded,
          limit: entry.qualityLimitationReason,
          targetBps: entry.targetBitrate,
        };
      }
    }
    window.samples.push(sample);
  };
  setInterval(() => void read().catch(() => undefined), everyMs);
}
