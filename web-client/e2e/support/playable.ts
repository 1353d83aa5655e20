import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { type Page, expect } from "@playwright/test";

export type Played = { seconds: number; frames: number };

/**
 * Plays a file in the browser as a person would who was given it: it starts, can be sought in, and
 * goes on from there.
 */
export async function expectToPlay(page: Page, file: string): Promise<Played> {
  const name = basename(file);
  const url = "http://given.invalid/film.mp4";
  await page
    .context()
    .route(url, (route) => route.fulfill({ body: readFileSync(file), contentType: "video/mp4" }));
  const tab = await page.context().newPage();
  try {
    await tab.setContent(`<video src="${url}" muted></video>`);
    const video = tab.locator("video");
    const state = () =>
      video.evaluate((element: HTMLVideoElement) => ({
        error: element.error?.message ?? null,
        at: element.currentTime,
        seconds: element.duration,
        frames: element.getVideoPlaybackQuality().totalVideoFrames,
      }));
    await video.evaluate((element: HTMLVideoElement) => {
      element.playbackRate = 4;
      return element.play();
    });
    const expectToMove = async (from: number) => {
      await expect
        .poll(async () => (await state()).at, { message: `${name} plays on from ${from} s` })
        .toBeGreaterThan(from + 0.3);
      expect((await state()).error, name).toBeNull();
    };
    const start = await video.evaluate((element: HTMLVideoElement) => element.buffered.start(0));
    await expectToMove(start);
    const { seconds } = await state();
    expect(seconds, `${name} has a length`).toBeGreaterThan(0);
    const middle = Number.isFinite(seconds) ? start + (seconds - start) / 2 : start + 0.5;
    await video.evaluate((element: HTMLVideoElement, to) => {
      element.currentTime = to;
      return element.play();
    }, middle);
    await expectToMove(middle);
    const { frames } = await state();
    expect(frames, `${name} draws pictures`).toBeGreaterThan(5);
    return { seconds, frames };
  } finally {
    await tab.close();
    await page.context().unroute(url);
  }
}
