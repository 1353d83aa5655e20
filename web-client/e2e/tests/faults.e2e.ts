import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "@playwright/test";

import { Auditor } from "../support/auditor";
import { newDataDir, run } from "../support/branch";
import { Bundle } from "../support/evidence";
import { note } from "../support/figures";
import { expectToSeeAndHear } from "../support/media";
import { BINARY } from "../support/paths";
import { intoCall, test as scenes } from "../support/visit";

const test = scenes.extend<{ smallDisk: string }>({
  /**
   * A disk of a megabyte, full within seconds of a call. Named before `open`, so that it is taken
   * away after the server has ended.
   */
  smallDisk: async ({}, use, info) => {
    const small = mkdtempSync(join(tmpdir(), "vbranch-small-"));
    const mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small];
    const mounted = spawnSync("mount", mount, { stdio: "ignore" }).status === 0;
    if (!mounted) note("a full disk was not tried: this machine does not let one be mounted");
    info.skip(!mounted, "no right to mount a small disk");
    await use(small);
    execFileSync("umount", [small]);
    rmSync(small, { recursive: true, force: true });
  },
});

const leftovers: string[] = [];
test.afterAll(() => leftovers.forEach((folder) => rmSync(folder, { recursive: true })));

function modelsFolder(fill: (folder: string) => void): string {
  const folder = newDataDir();
  leftovers.push(folder);
  fill(folder);
  return folder;
}

test.describe("a customer is told what is wrong", () => {
  test("a link that nobody was given", async ({ open }) => {
    const scene = await open();
    const customer = await scene.customer();
    await customer.open(`/v/${"A".repeat(43)}`);
    await expect(customer.page.getByTestId("visit-problem")).toBeVisible();
    await customer.person.picture("30-unknown-link");
    const answer = await customer.page.request.get(`${scene.branch.url}/api/v1/customer/visit`, {
      headers: { Authorization: `Bearer ${"A".repeat(43)}` },
    });
    expect(answer.status()).toBe(404);
    expect(answer.headers()["content-type"]).toContain("application/problem+json");
    expect(await answer.json()).toMatchObject({ code: "link_unknown", status: 404 });
  });

  for (const [code, devices, picture] of [
    ["permission_denied", { permission: "deny" }, "32-permission-denied"],
    ["no_camera", { devices: "none" }, "33-no-camera"],
  ] as const) {
    test(`camera trouble: ${code}`, async ({ open }) => {
      const scene = await open();
      const customer = await scene.customer(devices);
      await customer.start();
      await customer.consent("no face");
      const error = customer.page.getByTestId("media-error");
      await expect(error).toBeVisible();
      await expect(error).toHaveAttribute("data-code", code);
      await customer.person.picture(picture);
    });
  }

  test("a browser without our video formats, and an offer without them", async ({ open }) => {
    const scene = await open();
    const customer = await scene.customer();
    await customer.person.withoutCodecs("h264", "vp8");
    await customer.start();
    await customer.consent("no face");
    const error = customer.page.getByTestId("media-error");
    await expect(error).toHaveAttribute("data-code", "no_codec");
    await customer.person.picture("34-no-codec");

    const refused = await customer.page.evaluate(async (token) => {
      const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      peer.addTransceiver("audio");
      const video = peer.addTransceiver("video");
      const { codecs } = RTCRtpReceiver.getCapabilities("video") ?? { codecs: [] };
      video.setCodecPreferences(codecs.filter((codec) => codec.mimeType === "video/AV1"));
      await peer.setLocalDescription();
      const ask = async (sdp: string) => {
        const answer = await fetch("/api/v1/customer/visit/media", {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
          body: JSON.stringify({ sdp }),
        });
        return { status: answer.status, code: (await answer.json()).code as string };
      };
      return [await ask(peer.localDescription?.sdp ?? ""), await ask("v=0\r\nnonsense")];
    }, customer.token);
    expect(refused).toEqual([
      { status: 422, code: "codec_not_agreed" },
      { status: 422, code: "bad_sdp" },
    ]);
  });
});

test("a link that has expired", async ({ open }) => {
  const scene = await open({ env: { VBRANCH_BRANCH_LINK_LIFETIME_S: "1" } });
  const staff = await scene.staff();
  await staff.signIn();
  const made = await staff.post("/api/v1/visits", { product: "demo-loan" });
  expect(made.status(), await made.text()).toBe(201);
  const { url, token } = await made.json();
  const ask = async () =>
    staff.page.request.get(`${scene.branch.url}/api/v1/customer/visit`, {
      headers: { Authorization: `Bearer ${token}` },
    });
  await expect.poll(async () => (await ask()).status(), { timeout: 10_000 }).toBe(410);
  expect(await (await ask()).json()).toMatchObject({ code: "link_expired" });

  const customer = await scene.customer();
  await customer.open(url.replace(/^https?:\/\/[^/]+/, ""));
  await expect(customer.page.getByTestId("visit-problem")).toBeVisible();
  await customer.person.picture("31-expired-link");
});

test("the same visit in a second window: it takes over, and the first says so", async ({
  open,
}) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  const second = await customer.page.context().newPage();
  await second.goto(customer.page.url());
  await expectToSeeAndHear(second, "the second window");
  await expectToSeeAndHear(staff.page, "the staff member");

  const status = customer.page.getByTestId("media-status");
  await expect(status).toHaveAttribute("data-status", "failed");
  await customer.person.picture("35-replaced");
  // Going on there is the person's choice, and then the second window is the one replaced.
  await status.getByRole("button").click();
  await expect(second.getByTestId("media-status")).toHaveAttribute("data-status", "failed");
  await expectToSeeAndHear(customer.page, "the first window");
});

test("malformed and oversize messages end their own socket and nobody's call", async ({ open }) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  await staff.expectRecording("on");
  const ends = await customer.page.evaluate(async () => {
    const send = async (messages: string[]) =>
      new Promise<{ close: number; errors: string[] }>((done) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/api/v1/ws`);
        const errors: string[] = [];
        socket.onmessage = (event) => {
          const message = JSON.parse(event.data as string) as { type: string; code?: string };
          if (message.type === "error") errors.push(message.code ?? "");
        };
        socket.onopen = () => messages.forEach((message) => socket.send(message));
        socket.onclose = (event) => done({ close: event.code, errors });
        setTimeout(() => done({ close: 0, errors }), 10_000);
      });
    const hello = (token: string) => JSON.stringify({ type: "hello", token });
    const token = location.pathname.replace("/v/", "");
    return {
      malformed: await send([hello(token), "{", "[]", '{"type":"no such thing"}']),
      oversize: await send([hello(token), JSON.stringify({ type: "x".repeat(20_000) })]),
      deep: await send([hello(token), "[".repeat(10_000), "[".repeat(10_000), "[".repeat(10_000)]),
      flood: await send([hello(token), ...Array.from({ length: 200 }, () => '{"type":"ping"}')]),
    };
  });
  // 1006: the server closed while more was under way, and TCP's reset overtook the reason.
  expect(ends.malformed.close).toBe(1008);
  expect(ends.malformed.errors).toContain("bad_message");
  expect([1009, 1006]).toContain(ends.oversize.close);
  expect([1008, 1006]).toContain(ends.deep.close);
  expect([1008, 1006]).toContain(ends.flood.close);

  await expectToSeeAndHear(customer.page, "the customer");
  await expectToSeeAndHear(staff.page, "the staff member");
  await staff.expectRecording("on");
});

test("one of the two stores is full: staff are told, the recording goes on in the other", async ({
  smallDisk,
  open,
}) => {
  const scene = await open({ env: { VBRANCH_RECORDER_STORE_B: smallDisk } });
  const { customer, staff } = await intoCall(scene);
  await staff.expectRecording("on");
  await expect
    .poll(async () => (await staff.view()).recording.stores, { timeout: 60_000 })
    .toEqual({ a: "ok", b: "degraded" });
  await expect
    .poll(async () => (await staff.view()).alarms.map((alarm) => alarm.code))
    .toContain("store_degraded");
  await staff.person.picture("40-store-full");
  await expectToSeeAndHear(customer.page, "the customer");

  const visit = staff.visit;
  await staff.close("abandoned");
  await customer.expectClosed("abandoned");
  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const recording = await auditor.recordingOf(visit);
  const verdict = await (await Bundle.export(scene.branch, recording.recording)).verify();
  expect(verdict.code, verdict.stdout + verdict.stderr).toBe(0);
});

for (const [what, fill] of [
  ["missing", () => undefined],
  [
    "corrupt",
    (folder: string) =>
      writeFileSync(join(folder, "face_detection_yunet_2023mar.onnx"), "no model at all"),
  ],
] as const) {
  test(`a ${what} model file: the branch serves, and staff identify the customer`, async ({
    open,
  }) => {
    const scene = await open({ env: { VBRANCH_KYC_MODELS_DIR: modelsFolder(fill) } });
    const customer = await scene.customer();
    await customer.start();
    await customer.consent("face");
    await customer.checkMedia();
    await expect(
      customer.page.getByTestId("liveness-start").or(customer.page.getByTestId("queue-position")),
    ).toBeVisible();
    if (await customer.page.getByTestId("liveness-start").isVisible()) {
      await customer.page.getByTestId("liveness-start").click();
    }
    await customer.expectToWait();
    const staff = await scene.staff();
    await staff.signIn();
    await staff.accept();
    expect(await staff.view()).toMatchObject({ liveness: { status: "referred" } });
  });
}

test.describe("an operator is told what is wrong, before anything starts", () => {
  let dataDir: string;
  const serve = (env: Record<string, string>, ...args: string[]) =>
    run(BINARY, ["serve", ...args], { ...process.env, VBRANCH_DATA_DIR: dataDir, ...env }, 20_000);
  test.beforeAll(() => {
    dataDir = newDataDir();
  });
  test.afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  test("a port in use", async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    try {
      const { code, stderr, stdout } = await serve({ VBRANCH_HTTP_LISTEN: `127.0.0.1:${port}` });
      expect([1, 2]).toContain(code);
      expect(stderr + stdout).toContain(`127.0.0.1:${port}`);
      expect(stderr + stdout).toMatch(/in use/i);
      expect(stderr + stdout).not.toContain("panicked");
    } finally {
      server.close();
    }
  });

  test("several mistakes in the settings, reported together", async () => {
    const folder = join(dataDir, "settings");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "vbranch.toml");
    writeFileSync(file, '[http]\nlisten = "nowhere"\nlissten = "typo"\n');
    const { code, stderr, stdout } = await serve(
      { VBRANCH_MEDIA_LISTEN: "not an address" },
      ...["--config", file],
    );
    expect(code).toBe(2);
    const said = stderr + stdout;
    expect(said).toContain("nowhere");
    expect(said).toContain("lissten");
    expect(said).toContain("not an address");
    expect(said).not.toContain("panicked");
  });

  test("wrong usage and help", async () => {
    expect((await run(BINARY, ["no-such-command"])).code).toBe(2);
    const help = await run(BINARY, ["--help"]);
    expect(help.code).toBe(0);
    for (const command of ["serve", "export", "verify", "kyc"]) {
      expect(help.stdout).toContain(command);
    }
  });
});
