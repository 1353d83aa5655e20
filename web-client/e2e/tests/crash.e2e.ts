import { expect } from "@playwright/test";

import { Auditor } from "../support/auditor";
import { Branch } from "../support/branch";
import { Bundle } from "../support/evidence";
import { intoCall, test } from "../support/visit";
import { figure, seconds } from "../support/figures";

test("a server killed in mid-call leaves evidence that verifies, with the loss declared", async ({
  open,
}) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  await staff.expectRecording("on");
  const { steps } = await staff.view();
  const first = steps[0];
  if (first === undefined) throw new Error("the journey has no steps");
  await staff.doStep(first, customer);
  const visit = staff.visit;

  await scene.branch.kill();
  const status = customer.page.getByTestId("media-status");
  await expect(status).not.toHaveClass(/is-quiet/, { timeout: 30_000 });
  await expect(staff.page.getByTestId("link-lost")).toBeVisible({ timeout: 30_000 });
  await customer.person.picture("20-server-gone");
  await staff.person.picture("20-server-gone");

  const began = Date.now();
  scene.branch = await scene.branch.again();
  figure("restart after kill -9 until ready", seconds(Date.now() - began));

  // The pages find the server again by themselves and say what became of the call.
  await customer.expectClosed("interrupted");
  await staff.expectClosed("interrupted");

  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const recording = await auditor.recordingOf(visit);
  expect(recording.state).toBe("recovered");
  expect(recording.gap_ms, "the loss is declared").toBeGreaterThan(0);
  const bundle = await Bundle.export(scene.branch, recording.recording);
  const lost = bundle.manifest().gaps.filter((gap) => gap.cause === "crash");
  expect(lost.length, "the loss is on the gap ledger").toBeGreaterThan(0);
  figure(
    "declared lost at kill -9, by track",
    lost.map((gap) => `${gap.kind} ${Math.round(gap.duration_us / 1000)} ms`).join(", "),
  );
  const verdict = await bundle.verify();
  expect(verdict.code, verdict.stdout + verdict.stderr).toBe(0);

  await auditor.openReplay(recording.recording, "A test of what is left after a crash");
  await auditor.expectBothToPlay();
});

test("a server stopped in order seals what it was recording", async ({ open }) => {
  const scene = await open();
  const { staff } = await intoCall(scene);
  await staff.expectRecording("on");
  const visit = staff.visit;
  expect(await scene.branch.stop(), "exit code").toBe(0);
  scene.branch = await Branch.start({ dataDir: scene.branch.dataDir });
  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const recording = await auditor.recordingOf(visit);
  expect(recording.state).toBe("sealed");
  const verdict = await (await Bundle.export(scene.branch, recording.recording)).verify();
  expect(verdict.code, verdict.stdout + verdict.stderr).toBe(0);
});
