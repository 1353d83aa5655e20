import { type Page, expect } from "@playwright/test";

import { Auditor, VIDEOS } from "../support/auditor";
import { figure } from "../support/figures";
import { intoCall, test } from "../support/visit";

/** For figures that are kept (scripts/bench-replay.sh) seeks have to leave what was fetched ahead. */
const MEASURED = process.env["VBRANCH_BENCH"] !== undefined;
const CALL_MS = MEASURED ? 70_000 : 12_000;
const SEEKS = MEASURED ? 20 : 5;

test("a replay shows its first picture and goes to any moment without delay", async ({ open }) => {
  test.setTimeout(300_000);
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  await staff.expectRecording("on");
  await staff.page.waitForTimeout(CALL_MS);
  await staff.close("declined");
  await customer.expectClosed("declined");
  // Their browsers would compete with the auditor's.
  await Promise.all([customer.person.leave(), staff.person.leave()]);

  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const recording = await auditor.recordingOf(staff.visit);
  const row = `[data-testid=recording-row][data-recording="${recording.recording}"]`;
  const firsts: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    await auditor.page.reload();
    await auditor.page.locator(row).getByTestId("replay-open").click();
    await auditor.page.getByTestId("replay-reason").fill("How long does it take?");
    const begun = Date.now();
    await auditor.page.getByTestId("replay-submit").click();
    await shown(auditor.page, null);
    firsts.push(Date.now() - begun);
  }
  report("from the reason to the first picture of both parties", firsts);

  const took: number[] = [];
  for (let n = 1; n <= SEEKS; n += 1) {
    // Here and there, never where it was: multiples of the golden ratio. Before the call the
    // customer is alone in the recording.
    const beforeEnd = CALL_MS * (0.05 + 0.9 * ((n * 0.618_034) % 1));
    took.push(await shown(auditor.page, Math.round(recording.duration_ms - beforeEnd)));
  }
  report("a seek, until both parties' pictures are there", took);
});

function report(what: string, ms: number[]): void {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  figure(what, `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms (${ms.length} times)`);
  expect(ms.length).toBeGreaterThan(0);
}

/** Goes to a moment, if one is given, and waits until both videos show it. Milliseconds. */
async function shown(page: Page, positionMs: number | null): Promise<number> {
  await expect(page.getByTestId("replay-seek")).toBeAttached();
  return page.evaluate(
    async ({ positionMs, ids }) => {
      const begun = performance.now();
      if (positionMs !== null) {
        const input = document.querySelector<HTMLInputElement>("[data-testid=replay-seek]");
        const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value") ?? {};
        set?.call(input, String(positionMs));
        input?.dispatchEvent(new Event("input", { bubbles: true }));
      }
      const isThere = (id: string): boolean => {
        const video = document.querySelector<HTMLVideoElement>(`video[data-testid=${id}]`);
        if (video === null || video.seeking || video.readyState < 2) return false;
        return positionMs === null || Math.abs(video.currentTime - positionMs / 1000) < 0.3;
      };
      const until = begun + 20_000;
      while (!ids.every(isThere)) {
        if (performance.now() > until) throw new Error(`no pictures at ${positionMs} ms`);
        await new Promise((next) => requestAnimationFrame(next));
      }
      return performance.now() - begun;
    },
    { positionMs, ids: [...VIDEOS] },
  );
}
