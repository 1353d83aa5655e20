import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "@playwright/test";

import { Auditor } from "../support/auditor";
import { run } from "../support/branch";
import { Bundle, filesUnder, probe, publicKeyOf, remove } from "../support/evidence";
import { BINARY } from "../support/paths";
import { intoCall, test } from "../support/visit";

test("a second key holder opens a recording on a machine of their own", async ({ open }) => {
  const desk = mkdtempSync(join(tmpdir(), "vbranch-holder-"));
  try {
    const privateKey = join(desk, "holder.key");
    const keys = await run(BINARY, ["keys", "escrow-init", "--out", privateKey], ENV);
    expect(keys.code, keys.stdout + keys.stderr).toBe(0);
    const publicKey = join(desk, "holder.pub");

    const scene = await open({ env: { VBRANCH_RECORDER_ESCROW_KEY: publicKey } });
    const { customer, staff } = await intoCall(scene);
    await staff.expectRecording("on");
    const { visit } = staff;
    await staff.close("abandoned");
    await customer.expectClosed("abandoned");
    const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
    await auditor.signIn();
    const { recording } = await auditor.recordingOf(visit);
    const bundle = await Bundle.export(scene.branch, recording, []);
    expect(bundle.media(), "nothing in it is in clear").toEqual([]);

    // From here on nothing of the branch is needed but its public key.
    const films = join(desk, "films");
    const evidenceKey = publicKeyOf(scene.branch.dataDir);
    const opening = ["keys", "escrow-open", bundle.folder, "--key", evidenceKey, "--out", films];
    const opened = await run(BINARY, [...opening, "--escrow-key", privateKey], ENV);
    expect(opened.code, opened.stdout + opened.stderr).toBe(0);
    const tracks = filesUnder(films).filter((name) => name.endsWith(".mp4"));
    expect(tracks.length, "one of each party").toBe(2);
    for (const track of tracks) {
      const { video, audio } = await probe(join(films, track));
      expect(Math.min(video.end - video.start, audio.end - audio.start)).toBeGreaterThan(0);
    }

    const stranger = join(desk, "stranger.key");
    expect((await run(BINARY, ["keys", "escrow-init", "--out", stranger], ENV)).code).toBe(0);
    const elsewhere = [...opening.slice(0, -1), join(desk, "none")];
    const refused = await run(BINARY, [...elsewhere, "--escrow-key", stranger], ENV);
    expect(refused.code, "another key opens nothing").toBe(1);
  } finally {
    remove(desk);
  }
});

/** No setting of a branch is in it. */
const ENV = { PATH: process.env["PATH"] };
