import { readFileSync } from "node:fs";

import { type Locator, type Page, expect } from "@playwright/test";

import { watch } from "./media";
import type { Person } from "./people";
import { signIn } from "./staff";

export type RecordingRow = {
  recording: string;
  visit: string;
  duration_ms: number;
  state: string;
  gap_ms: number;
};

export type Replay = {
  tracks: { participant: string; source: string; role: string; duration_ms: number }[];
  timeline: ({ type: string; offset_ms: number } & Record<string, unknown>)[];
  gaps: { participant: string; kind: string; offset_ms: number; duration_ms: number }[];
};

export class Auditor {
  constructor(
    readonly person: Person,
    private readonly url: string,
  ) {}

  get page(): Page {
    return this.person.page;
  }

  async signIn(): Promise<void> {
    await this.page.goto(`${this.url}/audit`);
    await signIn(this.page, "auditor", "auditor-demo");
  }

  async recordings(): Promise<RecordingRow[]> {
    const answer = await this.page.request.get(`${this.url}/api/v1/recordings`);
    return (await answer.json()).recordings;
  }

  /** The recording of a visit, as soon as it is sealed. */
  async recordingOf(visit: string, withinMs = 30_000): Promise<RecordingRow> {
    const find = async () => (await this.recordings()).find((row) => row.visit === visit);
    await expect
      .poll(async () => (await find()) !== undefined, {
        message: "the recording is listed",
        timeout: withinMs,
      })
      .toBe(true);
    return (await find()) as RecordingRow;
  }

  async openReplay(recording: string, reason: string): Promise<void> {
    await this.page.getByTestId("recordings-refresh").click();
    const row = this.page.locator(`[data-testid=recording-row][data-recording="${recording}"]`);
    await expect(row).toBeVisible();
    await this.person.picture("11-recordings");
    await row.getByTestId("replay-open").click();
    await this.page.getByTestId("replay-reason").fill(reason);
    await this.person.picture("12-reason");
    await this.page.getByTestId("replay-submit").click();
  }

  /** What a replay is told of a recording: its tracks and its timeline. */
  async replayOf(recording: string): Promise<Replay> {
    const answer = await this.page.request.post(
      `${this.url}/api/v1/recordings/${recording}/replays`,
      { data: { reason: "end-to-end test" }, headers: { Origin: this.url } },
    );
    return (await answer.json()).view;
  }

  /** Plays, and expects that both pictures move and are pictures. */
  async expectBothToPlay(): Promise<void> {
    await this.page.getByTestId("replay-play").click();
    for (const video of VIDEOS) {
      await expect
        .poll(async () => (await watch(this.page, video)).frames, {
          message: `${video} draws frames`,
          timeout: 20_000,
        })
        .toBeGreaterThan(5);
      const before = await watch(this.page, video);
      await expect
        .poll(async () => (await watch(this.page, video)).time, {
          message: `${video} goes on`,
          timeout: 10_000,
        })
        .toBeGreaterThan(before.time + 0.5);
      const { brightness, contrast } = await watch(this.page, video);
      expect(brightness, `${video} is not black`).toBeGreaterThan(10);
      expect(contrast, `${video} shows something`).toBeGreaterThan(20);
    }
    await this.person.picture("13-replay");
  }

  /** Clicks an event of the timeline; both pictures then show that moment. */
  async expectSeekTo(event: Locator): Promise<void> {
    const offset = Number(await event.getAttribute("data-offset"));
    await event.click();
    const position = this.page.getByTestId("replay-position");
    await expect
      .poll(async () => Number(await position.getAttribute("data-ms")) - offset, {
        message: `the replay is at ${offset} ms`,
      })
      .toBeGreaterThanOrEqual(-50);
    const before = await Promise.all(VIDEOS.map((video) => watch(this.page, video)));
    for (const [at, video] of VIDEOS.entries()) {
      await expect
        .poll(async () => (await watch(this.page, video)).frames, {
          message: `${video} goes on from there`,
          timeout: 15_000,
        })
        .toBeGreaterThan(before[at]?.frames ?? 0);
    }
    expect(Number(await position.getAttribute("data-ms")) - offset).toBeLessThan(SEEK_TAKES_MS);
  }

  /** Every picture is under a watermark that names the viewer, also in full screen. */
  async expectWatermarks(): Promise<void> {
    const { page } = this;
    const marks = page.getByTestId("watermark");
    await expect(marks).toHaveCount(await page.locator(".screen video").count());
    for (const mark of await marks.all()) await expect(mark).toContainText("张伟 Zhang Wei");
    const lines = page.locator(".watermark-lines").first();
    const place = () => lines.evaluate((element) => getComputedStyle(element).transform);
    const before = await place();
    await expect.poll(place, { message: "the watermark moves" }).not.toBe(before);
    await page.getByTestId("replay-fullscreen").click();
    await expect
      .poll(() =>
        page.evaluate(() => document.fullscreenElement?.querySelectorAll(".watermark").length ?? 0),
      )
      .toBeGreaterThan(1);
    await page.evaluate(() => document.exitFullscreen());
  }

  /** Takes a still, and gives the PNG. */
  async takeSnapshot(): Promise<Buffer> {
    const downloading = this.page.waitForEvent("download");
    await this.page.getByTestId("replay-snapshot").click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^vbranch-[0-9a-f]{8}-\d{6}\.png$/);
    return readFileSync(await download.path());
  }

  /** Asks for a film of a recording and waits until it is made. */
  async makeFilm(recording: string, layout: "side" | "pip", reason: string): Promise<void> {
    const { page } = this;
    await page.goto(`${this.url}/audit`);
    const row = page.locator(`[data-testid=recording-row][data-recording="${recording}"]`);
    await row.getByTestId("film-open").click();
    await page.getByTestId(`film-layout-${layout}`).click();
    await page.getByTestId("film-reason").fill(reason);
    await page.getByTestId("film-submit").click();
    const film = page.getByTestId("film-row").first();
    await expect(film).toHaveAttribute("data-state", "made", { timeout: 60_000 });
    await this.person.picture("15-films");
  }

  /** Downloads the newest film; `second` has let it go. */
  async downloadFilm(): Promise<string> {
    const film = this.page.getByTestId("film-row").first();
    await expect(film.getByTestId("film-download")).toBeVisible({ timeout: 15_000 });
    const downloading = this.page.waitForEvent("download");
    await film.getByTestId("film-download").click();
    return (await downloading).path();
  }

  async auditLog(): Promise<{ action: string; recording: string | null; reason: string | null }[]> {
    const answer = await this.page.request.get(`${this.url}/api/v1/audit-log`);
    return (await answer.json()).entries;
  }
}

/** A supervisor, as the second person: sees films, and lets the newest go. */
export async function letGo(person: Person, url: string): Promise<void> {
  const { page } = person;
  await page.goto(`${url}/audit`);
  await signIn(page, "supervisor", "supervisor-demo");
  await expect(page.getByTestId("tab-recordings")).toHaveCount(0);
  const film = page.getByTestId("film-row").first();
  await expect(film.getByTestId("film-download")).toHaveCount(0);
  await film.getByTestId("film-approve").click();
  await expect(film.getByTestId("film-approve")).toHaveCount(0);
}

export const VIDEOS = ["replay-video-customer", "replay-video-staff"] as const;

/** Until both pictures go on after a seek, playing for a moment included. */
const SEEK_TAKES_MS = 10_000;
