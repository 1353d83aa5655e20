import { type Page, expect } from "@playwright/test";

declare global {
  interface Window {
    e2ePeers: RTCPeerConnection[];
  }
}

/** Runs in the page before its own scripts: keeps every peer connection that the page makes. */
export function watchPeers(): void {
  const Original = window.RTCPeerConnection;
  window.e2ePeers = [];
  window.RTCPeerConnection = class extends Original {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      window.e2ePeers.push(this);
    }
  };
}

/** What a page has received through its newest peer connection. */
export type Received = {
  framesDecoded: number;
  audioEnergy: number;
  audioSeconds: number;
  videoCodec: string;
  audioCodec: string;
  width: number;
};

export async function received(page: Page): Promise<Received> {
  return page.evaluate(async () => {
    const result = {
      framesDecoded: 0,
      audioEnergy: 0,
      audioSeconds: 0,
      videoCodec: "",
      audioCodec: "",
      width: 0,
    };
    const peer = window.e2ePeers.findLast((candidate) => candidate.connectionState !== "closed");
    if (peer === undefined) return result;
    const stats = await peer.getStats();
    const codec = (id: string): string => String(stats.get(id)?.mimeType ?? "");
    stats.forEach((entry) => {
      // A media section that carries nothing has no codec yet.
      if (entry.type !== "inbound-rtp" || entry.codecId === undefined) return;
      if (entry.kind === "video") {
        result.framesDecoded += entry.framesDecoded ?? 0;
        result.width = entry.frameWidth ?? 0;
        result.videoCodec = codec(entry.codecId);
      } else {
        result.audioEnergy += entry.totalAudioEnergy ?? 0;
        result.audioSeconds += entry.totalSamplesDuration ?? 0;
        result.audioCodec = codec(entry.codecId);
      }
    });
    return result;
  });
}

/** In what a page sends its camera at present, as `video/VP8`; empty while it sends none. */
export async function sentCodec(page: Page): Promise<string> {
  return page.evaluate(async () => {
    let codec = "";
    const peer = window.e2ePeers.findLast((candidate) => candidate.connectionState !== "closed");
    const stats = await peer?.getStats();
    stats?.forEach((entry) => {
      if (entry.type !== "outbound-rtp" || entry.kind !== "video" || !entry.framesSent) return;
      codec = String(stats.get(entry.codecId)?.mimeType ?? "");
    });
    return codec;
  });
}

/** New frames are decoded and sound arrives that is louder than silence. */
export async function expectToSeeAndHear(
  page: Page,
  who: string,
  withinMs = 45_000,
): Promise<void> {
  const before = await received(page);
  await expect
    .poll(async () => (await received(page)).framesDecoded, {
      message: `${who} decodes new frames`,
      timeout: withinMs,
    })
    .toBeGreaterThan(before.framesDecoded + 10);
  await expect
    .poll(async () => (await received(page)).audioEnergy - before.audioEnergy, {
      message: `${who} hears something`,
      timeout: withinMs,
    })
    .toBeGreaterThan(AUDIBLE);
  const after = await received(page);
  expect(after.videoCodec).toBe("video/H264");
  expect(after.audioCodec).toBe("audio/opus");
}

/** A second of comfort noise stays far below; a second of the test sound is far above. */
const AUDIBLE = 1e-3;

/** Loads the page again and measures how long until frames of the other party are decoded. */
export async function reloadAndMeasure(page: Page, withinMs: number): Promise<number> {
  const began = Date.now();
  await page.reload({ waitUntil: "commit" });
  await expect
    .poll(async () => (await received(page).catch(() => null))?.framesDecoded ?? 0, {
      message: "frames are decoded after the reload",
      timeout: withinMs,
      intervals: [50],
    })
    .toBeGreaterThan(0);
  return Date.now() - began;
}

/** What a `<video>` shows: where it is, how many frames it drew, and how bright they are. */
export async function watch(page: Page, testId: string): Promise<Watched> {
  return page.getByTestId(testId).evaluate((element) => {
    const video = (
      element instanceof HTMLVideoElement ? element : element.querySelector("video")
    ) as HTMLVideoElement;
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 48;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const levels: number[] = [];
    for (let at = 0; at < data.length; at += 4) {
      levels.push(0.3 * (data[at] ?? 0) + 0.6 * (data[at + 1] ?? 0) + 0.1 * (data[at + 2] ?? 0));
    }
    return {
      time: video.currentTime,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      brightness: levels.reduce((sum, level) => sum + level, 0) / levels.length,
      contrast: Math.max(...levels) - Math.min(...levels),
    };
  });
}

export type Watched = { time: number; frames: number; brightness: number; contrast: number };
