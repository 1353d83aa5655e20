import { join } from "node:path";

import { expect } from "@playwright/test";

import { Auditor } from "../support/auditor";
import { vbranch } from "../support/branch";
import { type Counted, type Count, countOf, countedIn } from "../support/counter";
import { Bundle } from "../support/evidence";
import { figure } from "../support/figures";
import { intoCall, test } from "../support/visit";

/** Of the call: every pitch comes, and comes again. */
const CALL_MS = 12_000;

test("what the customer showed and said is recorded in order, whole and in time", async ({
  open,
}) => {
  test.setTimeout(240_000);
  const scene = await open();
  const { customer, staff } = await intoCall(scene, { customer: { counting: true } });
  await staff.expectRecording("on");
  const { visit } = staff;
  await staff.page.waitForTimeout(CALL_MS);
  await staff.close("abandoned");
  await customer.expectClosed("abandoned");
  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const { recording } = await auditor.recordingOf(visit);
  const bundle = await Bundle.export(scene.branch, recording);

  const [track, ...others] = bundle.media("customer");
  if (track === undefined || others.length > 0) throw new Error("one track of the customer");
  const counted = await countedIn(join(bundle.folder, track));
  expect(counted.unread, "every picture has its number").toBe(0);
  tell("an exported track", countOf(counted));
  expectWhole(counted);

  const file = join(scene.branch.scratch(), "film.mp4");
  const made = await vbranch(scene.branch.dataDir, "composite", recording, "--out", file);
  expect(made.code, made.stdout + made.stderr).toBe(0);
  // Of the two panes, one is the customer's.
  const panes = await Promise.all(["480:360:0:0", "480:360:480:0"].map((p) => countedIn(file, p)));
  const [film] = panes.sort((a, b) => a.unread - b.unread);
  if (film === undefined) throw new Error("no pane");
  tell("a film", countOf(film));
  expectWhole(film);
});

function tell(of: string, count: Count): void {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  figure(
    `known content of ${of}`,
    `pictures off by ${ms(count.offMs)} at most, ${(100 * count.missing).toFixed(1)} % of the numbers ` +
      `missing, sound ${ms(count.soundLateMs)} after the picture, wavering by ${ms(count.soundWaversMs)}`,
  );
}

function expectWhole(counted: Counted): void {
  const count = countOf(counted);
  expect(count.silent, "no tone is missing").toBe(0);
  expect(count.soundWaversMs, "sound and picture do not drift apart").toBeLessThan(80);
  expect(Math.abs(count.soundLateMs), "sound and picture").toBeLessThan(SYNC_MS);
  expect(count.offMs, "no picture is far from its time").toBeLessThan(OFF_MS);
}

/** What capturing takes in the browser is in it: some 30 ms. */
const SYNC_MS = 150;
/** A busy browser draws and encodes later. */
const OFF_MS = 800;
