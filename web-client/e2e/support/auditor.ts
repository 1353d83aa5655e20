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

  async auditLog(): Promise<{ action: string; recording: string | null; reason: string | null }[]> {
    const answer = await this.page.request.get(`${this.url}/api/v1/audit-log`);
    return (await answer.json()).entries;
  }
}

export const VIDEOS = ["replay-video-customer", "replay-video-staff"] as const;

/** Until both pictures go on after a seek, playing for a moment included. */
const SEEK_TAKES_MS = 10_000;
