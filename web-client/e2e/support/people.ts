import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import {
  type Browser,
  type BrowserContext,
  type Disposable,
  type Page,
  chromium,
} from "@playwright/test";

import { Actor } from "./actor";
import { countOn } from "./counter";
import { FLAGS } from "./chromium.mjs";
import { watchPeers } from "./media";
import { CHROMIUM, FILMS, SCREENSHOTS } from "./paths";

/** A click that finds nothing to click on fails after so long, and says so. */
const ACTION_TIMEOUT_MS = 20_000;

/** The small movements of every actor follow from it, so that a failure can be looked at again. */
const ACTOR_SEED = 20;

type Devices = {
  /** `fake`: Chromium's test picture or a film; `none`: no camera and no microphone at all. */
  devices?: "fake" | "none";
  /** Y4M or MJPEG film shown by the camera, instead of Chromium's test picture. */
  film?: string | null;
  /** What the camera says it is, instead of naming itself a fake one. */
  cameraName?: string;
  /** A live person sits before the camera; the folder with the pictures it is played from. */
  actor?: string | null;
  /** Camera and microphone count, so that what is recorded can be held against it. */
  counting?: boolean;
  /** False: the actor sits elsewhere, as a face does that software makes. True otherwise. */
  lit?: boolean;
  /** Pitch of the tone that the microphone hears, so that one can tell who is speaking. */
  toneHz?: number;
  /** `deny`: the person refuses camera and microphone. */
  permission?: "grant" | "deny";
  language?: "zh-CN" | "en";
};

/** A person at a browser of their own: a fresh profile, a camera and a microphone of their own. */
export class Person {
  private lack: Disposable | null = null;

  private constructor(
    readonly name: string,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly page: Page,
    readonly console: string[],
  ) {}

  /** On a phone, in the hand. */
  static async onPhone(name: string, devices: Devices = {}): Promise<Person> {
    return Person.at(name, devices, {
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
    });
  }

  /** At a desk. */
  static async atDesk(name: string, devices: Devices = {}): Promise<Person> {
    return Person.at(name, devices, { viewport: { width: 1440, height: 900 } });
  }

  private static async at(
    name: string,
    devices: Devices,
    screen: NonNullable<Parameters<Browser["newContext"]>[0]>,
  ): Promise<Person> {
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      headless: true,
      args: [...FLAGS, ...deviceFlags(devices)],
    });
    const granted = devices.devices !== "none" && devices.permission !== "deny";
    const context = await browser.newContext({
      ...screen,
      locale: devices.language ?? "zh-CN",
      permissions: granted ? ["camera", "microphone"] : [],
    });
    await context.addInitScript(watchPeers);
    if (devices.cameraName !== undefined)
      await context.addInitScript(nameCamera, devices.cameraName);
    if (devices.counting) await countOn(context);
    if (devices.actor) {
      const lit = devices.lit ?? true;
      await Actor.enter(context, devices.actor, { seed: ACTOR_SEED, lit });
    }
    const page = await context.newPage();
    page.setDefaultTimeout(ACTION_TIMEOUT_MS);
    const console: string[] = [];
    page.on("console", (message) => console.push(`[${message.type()}] ${message.text()}`));
    page.on("pageerror", (error) => console.push(`[uncaught] ${error.message}`));
    return new Person(name, browser, context, page, console);
  }

  /**
   * As with a browser that lacks these video formats (`h264`, `vp8`) and has every other, from the
   * next time on that a page is loaded.
   */
  async withoutCodecs(...names: string[]): Promise<void> {
    await this.lack?.dispose();
    this.lack = await this.context.addInitScript((missing) => {
      const lacks = ({ mimeType }: RTCRtpCodec): boolean =>
        missing.some((name) => mimeType.toLowerCase() === `video/${name}`);
      for (const side of [RTCRtpReceiver, RTCRtpSender]) {
        const original = side.getCapabilities.bind(side);
        side.getCapabilities = (kind: string) => {
          const all = original(kind);
          if (all === null) return null;
          return { ...all, codecs: all.codecs.filter((codec) => !lacks(codec)) };
        };
      }
    }, names);
  }

  /** For people to look at: `screenshots/NAME-WHAT.png`. */
  async picture(what: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${what}-${this.name}.png`) });
  }

  /** Who sits before this person's camera, where it is an actor. */
  get actor(): Actor {
    return new Actor(this.page);
  }

  async leave(): Promise<void> {
    await this.browser.close();
  }
}

/** Runs in the page before its own scripts. */
function nameCamera(name: string): void {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await original(wanted);
    for (const track of stream.getVideoTracks())
      Object.defineProperty(track, "label", { value: name });
    return stream;
  };
}

function deviceFlags(devices: Devices): string[] {
  if (devices.devices === "none") return [];
  const flags = ["--use-fake-device-for-media-stream"];
  // Without this flag the permission is asked for; `permissions` of the context answers then,
  // and what is not granted there is refused.
  if (devices.permission !== "deny") flags.push("--use-fake-ui-for-media-stream");
  if (devices.film) flags.push(`--use-file-for-fake-video-capture=${devices.film}`);
  flags.push(`--use-file-for-fake-audio-capture=${speech(devices.toneHz ?? 220)}`);
  return flags;
}

/**
 * Ten seconds that rise and fall like speech: a steady tone would be taken for noise and removed
 * by the browser's noise suppression.
 */
function speech(hz: number): string {
  const path = join(FILMS, `speech-${hz}.wav`);
  if (existsSync(path)) return path;
  mkdirSync(FILMS, { recursive: true });
  const wave = `0.4*sin(2*PI*${hz}*t+4*sin(2*PI*3*t))*(0.5+0.5*sin(2*PI*2.5*t))`;
  execFileSync("ffmpeg", [
    ...["-loglevel", "error", "-y", "-f", "lavfi"],
    ...["-i", `aevalsrc='${wave}':d=10:s=48000`, "-c:a", "pcm_s16le", path],
  ]);
  return path;
}
