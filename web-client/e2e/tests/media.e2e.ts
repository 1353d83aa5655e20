import { type Page, expect } from "@playwright/test";

import { Auditor, type Replay, VIDEOS } from "../support/auditor";
import { expectToHearOnly, expectToReceive, seats, sections } from "../support/call";
import { figure } from "../support/figures";
import { expectToSeeAndHear, sentCodec, watch } from "../support/media";
import { type Scene, intoCall, test } from "../support/visit";

/** A gap of a party that staff are told of. */
const ALARMING_MS = 2_000;

test("a supervisor listens silently, whispers, joins in and leaves", async ({ open }) => {
  test.setTimeout(420_000);
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  const supervisor = await scene.supervisor();
  const { visit } = staff;
  const asCustomer = async () => customer.call();
  const asStaff = async () => (await staff.view()).call;
  const asSupervisor = async () => supervisor.call(visit);

  await test.step("silently: hears and sees both, and nobody is shown them", async () => {
    await supervisor.signIn();
    await supervisor.attend(visit);
    for (const seat of ["customer", "staff"] as const) {
      await expectToReceive(supervisor.page, asSupervisor, seat, "audio");
      await expectToReceive(supervisor.page, asSupervisor, seat, "video");
    }
    expect(seats(await asCustomer())).toEqual(["customer", "staff"]);
    expect(seats(await asStaff())).toEqual(["customer", "staff"]);
    await expect(customer.page.getByTestId("tile")).toHaveCount(0);
    await expect(staff.page.getByTestId("tile")).toHaveCount(0);
    // Nothing is taken of a supervisor who only listens.
    await expect(supervisor.page.getByTestId("local-video")).toHaveCount(0);
    await supervisor.person.picture("21-silent");
  });

  await test.step("whispering: the staff member hears it, the customer does not", async () => {
    await supervisor.goOn("whispering");
    await expectToReceive(staff.page, asStaff, "supervisor_whispering", "audio");
    await expect(tile(staff.page, "supervisor_whispering")).toBeVisible();
    await expectToHearOnly(customer.page, asCustomer, "staff");
    expect(seats(await asCustomer())).toEqual(["customer", "staff"]);
    await expect(customer.page.getByTestId("tile")).toHaveCount(0);
    await staff.person.picture("22-whispered-to");
    await supervisor.person.picture("22-whispering");
  });

  await test.step("joined in: everybody hears and sees them, on the same connections", async () => {
    await supervisor.goOn("barged_in");
    for (const [page, ask] of [
      [customer.page, asCustomer],
      [staff.page, asStaff],
    ] as const) {
      await expectToReceive(page, ask, "supervisor_barged_in", "audio");
      await expectToReceive(page, ask, "supervisor_barged_in", "video");
      await expect(tile(page, "supervisor_barged_in")).toBeVisible();
    }
    const shown = await watch(customer.page, "tile-video-supervisor_barged_in");
    expect(shown.contrast, "the customer is shown a picture").toBeGreaterThan(20);
    for (const { page } of [customer, staff, supervisor]) expect(await opened(page)).toBe(1);
    await customer.person.picture("23-joined-in");
    await staff.person.picture("23-joined-in");
    await supervisor.person.picture("23-joined-in");
  });

  let alarms: { code: string }[] = [];
  await test.step("silent again, then gone", async () => {
    await supervisor.goOn("silent");
    await expect(customer.page.getByTestId("tile")).toHaveCount(0);
    await expectToHearOnly(customer.page, asCustomer, "staff");
    await supervisor.goOn("whispering");
    await expectToReceive(staff.page, asStaff, "supervisor_whispering", "audio");
    await supervisor.goOn("silent");
    ({ alarms } = await staff.view());
    await supervisor.leaveElsewhere(visit);
    await supervisor.attend(visit);
    await supervisor.leave();
    await expectToSeeAndHear(customer.page, "the customer");
    await expectToSeeAndHear(staff.page, "the staff member");
  });

  const replay = await closeAndReplay(scene, staff);
  // A machine that is too busy for three browsers holds up cameras: then the alarm is rightful.
  const parties = replay.tracks.filter(({ role }) => role !== "supervisor");
  const missed = replay.gaps.filter(
    (gap) =>
      gap.duration_ms >= ALARMING_MS &&
      parties.some(({ participant }) => participant === gap.participant),
  );
  if (missed.length === 0) {
    expect(alarms, "a supervisor's silence in between is nothing missing").toEqual([]);
  }
  const ways = replay.timeline.filter((event) => event.type.startsWith("supervision_"));
  expect(ways.map((event) => event["seat"] ?? event.type)).toEqual([
    "supervisor_silent",
    "supervisor_whispering",
    "supervisor_barged_in",
    "supervisor_silent",
    "supervisor_whispering",
    "supervisor_silent",
    "supervision_ended",
    "supervisor_silent",
    "supervision_ended",
  ]);
  expect(replay.tracks.map((track) => track.role)).toContain("supervisor");
});

test("a shared screen is seen by the other and recorded as a track of its own", async ({
  open,
}) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  const asCustomer = async () => customer.call();
  await staff.page.getByTestId("share-screen").click();
  await expect(staff.page.getByTestId("sharing")).toBeVisible();
  await expect(customer.page.getByTestId("screen-video")).toBeVisible();
  await expectToReceive(customer.page, asCustomer, "staff", "screen");
  // The camera is still there beside it.
  await expectToReceive(customer.page, asCustomer, "staff", "video");
  expect((await watch(customer.page, "screen-video")).contrast).toBeGreaterThan(20);
  await customer.person.picture("24-screen");
  await staff.person.picture("24-screen");
  await staff.page.getByTestId("share-screen").click();
  await expect(customer.page.getByTestId("screen-video")).toHaveCount(0);

  await test.step("the customer shares too", async () => {
    await customer.page.getByTestId("share-screen").click();
    await expectToReceive(staff.page, async () => (await staff.view()).call, "customer", "screen");
    await staff.person.picture("24-screen-of-customer");
  });

  const replay = await closeAndReplay(scene, staff);
  const screens = replay.tracks.filter((track) => track.source === "screen");
  expect(screens.map((track) => track.role).sort()).toEqual(["customer", "staff"]);
  for (const track of screens) expect(track.duration_ms).toBeGreaterThan(500);
});

test("what staff mute reaches nobody, and is recorded all the same", async ({ open }) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  const asStaff = async () => (await staff.view()).call;
  const row = staff.page.locator("[data-testid=person][data-seat=customer]");
  await row.getByTestId("mute-audio").click();
  await expect(row.getByTestId("mute-audio")).toHaveAttribute("data-muted", "true");
  await expectToHearOnly(staff.page, asStaff, null);
  await expectToReceive(staff.page, asStaff, "customer", "video");
  await staff.person.picture("25-muted");
  // Whatever the muted page does: its microphone is on, and it is sending.
  await expect(customer.page.getByTestId("toggle-mic")).toHaveAttribute("data-on", "true");
  await row.getByTestId("mute-audio").click();
  await expectToReceive(staff.page, asStaff, "customer", "audio");

  const participant = (await asStaff()).participants.find((each) => each.seat === "customer");
  const replay = await closeAndReplay(scene, staff);
  expect(replay.timeline.filter((event) => event.type === "muted")).toMatchObject([
    { participant: participant?.participant, kind: "audio", muted: true },
    { participant: participant?.participant, kind: "audio", muted: false },
  ]);
  const missing = replay.gaps.filter(
    (gap) => gap.participant === participant?.participant && gap.kind === "audio",
  );
  expect(missing, "the muted sound was recorded without a gap").toEqual([]);
});

test("a change of network restarts ICE, and the connection goes on", async ({ open }) => {
  const scene = await open();
  const { customer, staff } = await intoCall(scene);
  const before = await ufrag(customer.page);
  const packets = await received(customer.page);
  await customer.page.evaluate(() => dispatchEvent(new Event("online")));
  await expect
    .poll(async () => ufrag(customer.page), { message: "new ICE credentials" })
    .not.toBe(before);
  await expectToSeeAndHear(customer.page, "the customer");
  await expectToSeeAndHear(staff.page, "the staff member");
  expect(await received(customer.page), "counters went on").toBeGreaterThan(packets);
  expect(await opened(customer.page), "peer connections").toBe(1);

  const replay = await closeAndReplay(scene, staff);
  const breaks = replay.timeline.filter((event) => event.type.startsWith("connection_"));
  expect(breaks, "no break on the timeline").toEqual([]);
  expect(replay.tracks.map((track) => track.role).sort()).toEqual(["customer", "staff"]);
});

test("a customer whose browser has no H.264 is served in VP8, and only while that is so", async ({
  open,
}) => {
  test.setTimeout(420_000);
  const scene = await open();
  const customer = await scene.customer();
  await customer.person.withoutCodecs("h264");
  await customer.start();
  await customer.consent("no face");
  await customer.checkMedia();
  await customer.expectToWait();
  const staff = await scene.staff();
  await staff.signIn();
  await staff.accept();
  const sides = [
    { page: staff.page, other: "customer", ask: async () => (await staff.view()).call },
    { page: customer.page, other: "staff", ask: async () => customer.call() },
  ] as const;
  const expectAll = async (codec: string) => {
    for (const { page, other, ask } of sides) {
      await expectToReceive(page, ask, other, "video");
      await expectToReceive(page, ask, other, "audio");
      await expect.poll(async () => sentCodec(page), `what ${other} is sent`).toBe(codec);
      await expect
        .poll(async () => (await watch(page, "remote-video")).contrast, `what is seen of ${other}`)
        .toBeGreaterThan(20);
    }
  };
  const reload = async (...lacking: string[]) => {
    await customer.person.withoutCodecs(...lacking);
    await customer.page.reload();
  };

  await test.step("without H.264: both send VP8, and see each other", async () => {
    await expectAll("video/VP8");
    await customer.person.picture("26-vp8");
    await staff.person.picture("26-vp8");
  });
  const offered = await offer(staff.page);
  await test.step("with H.264: both go back to it", async () => {
    await reload();
    await expectAll("video/H264");
    await staff.person.picture("26-h264-again");
  });
  await test.step("without it again: the staff member changes in mid-connection", async () => {
    await reload("h264");
    await expectAll("video/VP8");
    await customer.person.picture("26-vp8-again");
  });
  expect(await offer(staff.page), "nothing was negotiated anew").toBe(offered);
  expect(await opened(staff.page), "peer connections").toBe(1);

  const { visit } = staff;
  await staff.close("abandoned");
  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  const { recording } = await auditor.recordingOf(visit);
  const { gaps, timeline, tracks } = await auditor.replayOf(recording);
  const desk = tracks.find((track) => track.role === "staff")?.participant;
  const reloaded = timeline.find((event) => event.type === "connection_lost")?.offset_ms ?? 0;
  const lost = gaps.filter((gap) => gap.participant === desk && gap.offset_ms >= reloaded);
  expect(reloaded).toBeGreaterThan(0);
  expect(lost, "two changes of codec cost the staff member's recording nothing").toEqual([]);
  await auditor.openReplay(recording, "A test of changes of codec");
  await auditor.expectBothToPlay();
  const back = auditor.page.locator("[data-testid=timeline-event][data-type=connection_restored]");
  await expect(back).toHaveCount(2);
  for (const moment of [back.last(), back.first()]) {
    await auditor.expectSeekTo(moment);
    for (const video of VIDEOS) {
      expect((await watch(auditor.page, video)).contrast, video).toBeGreaterThan(20);
    }
  }
  await auditor.person.picture("26-replay");
});

test("a browser that cannot change its codec says so to the person who is not seen", async ({
  open,
}) => {
  const scene = await open();
  const customer = await scene.customer();
  await customer.person.withoutCodecs("h264");
  await customer.start();
  await customer.consent("no face");
  await customer.checkMedia();
  await customer.expectToWait();
  const staff = await scene.staff();
  // As browsers did before they knew the parameter: they ignore it.
  await staff.person.context.addInitScript(() => {
    const { setParameters } = RTCRtpSender.prototype;
    RTCRtpSender.prototype.setParameters = function set(parameters) {
      for (const encoding of parameters.encodings) Reflect.deleteProperty(encoding, "codec");
      return setParameters.call(this, parameters);
    };
  });
  await staff.signIn();
  await staff.accept();
  const status = staff.page.getByTestId("media-status");
  await expect(status).toContainText("无法切换视频格式");
  await expect(status).not.toHaveClass(/is-quiet/);
  expect(await sentCodec(staff.page)).toBe("video/H264");
  await staff.person.picture("27-not-seen");
  await customer.person.withoutCodecs();
  await customer.page.reload();
  await expect(status).toHaveClass(/is-quiet/);
  await expectToSeeAndHear(customer.page, "the customer");
});

/** Enough for a median and a worst case, little enough for every run. */
const JOINS = 10;

test("joining: from the click to the first picture of the other", async ({ open }) => {
  test.setTimeout(420_000);
  const scene = await open();
  const [customer, staff] = await Promise.all([scene.customer(), scene.staff()]);
  await staff.signIn();
  const atStaff: number[] = [];
  const atCustomer: number[] = [];
  for (let join = 0; join < JOINS; join += 1) {
    await customer.start();
    await customer.consent("no face");
    await customer.checkMedia();
    await customer.expectToWait();
    const seen = [firstPicture(staff.page), firstPicture(customer.page)];
    const clicked = clickOn(staff.page, "queue-accept");
    await staff.accept();
    const [began, ...pictures] = await Promise.all([clicked, ...seen]);
    atStaff.push((pictures[0] ?? 0) - began);
    atCustomer.push((pictures[1] ?? 0) - began);
    await staff.close("abandoned");
    await customer.expectClosed("abandoned");
    await staff.page.getByTestId("back-to-queue").click();
  }
  for (const [who, times] of [
    ["staff", atStaff],
    ["customer", atCustomer],
  ] as const) {
    const ordered = times.toSorted((one, other) => one - other);
    const at = (share: number): number => ordered[Math.ceil(share * ordered.length) - 1] ?? 0;
    figure(
      `join, from the click to the first picture at the ${who}`,
      `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms (${JOINS} joins)`,
    );
    expect(ordered[0]).toBeGreaterThan(0);
  }
});

function tile(page: Page, seat: string) {
  return page.locator(`[data-testid=tile][data-seat=${seat}]`);
}

/** How many peer connections the page has opened since it was loaded. */
async function opened(page: Page): Promise<number> {
  return page.evaluate(() => window.e2ePeers.length);
}

/** What the page's newest connection has offered last. */
async function offer(page: Page): Promise<string> {
  return page.evaluate(() => window.e2ePeers.at(-1)?.currentLocalDescription?.sdp ?? "");
}

async function ufrag(page: Page): Promise<string> {
  return page.evaluate(() => {
    const sdp = window.e2ePeers.at(-1)?.currentLocalDescription?.sdp ?? "";
    return /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1] ?? "";
  });
}

async function received(page: Page): Promise<number> {
  return Object.values(await sections(page)).reduce((sum, each) => sum + each.packets, 0);
}

/** When the page has the first frame of the other party's picture, as the clock of this machine. */
async function firstPicture(page: Page): Promise<number> {
  return page.evaluate(
    async () =>
      new Promise<number>((done) => {
        const look = (): void => {
          const video = document.querySelector<HTMLVideoElement>("[data-testid=remote-video]");
          if (video !== null && video.readyState >= 2 && video.videoWidth > 0) done(Date.now());
          else requestAnimationFrame(look);
        };
        look();
      }),
  );
}

async function clickOn(page: Page, testId: string): Promise<number> {
  return page.evaluate(
    async (id) =>
      new Promise<number>((done) => {
        const listen = (event: Event): void => {
          if (!(event.target as Element).closest(`[data-testid=${id}]`)) return;
          removeEventListener("click", listen, true);
          done(Date.now());
        };
        addEventListener("click", listen, true);
      }),
    testId,
  );
}

async function closeAndReplay(
  scene: Scene,
  staff: Awaited<ReturnType<Scene["staff"]>>,
): Promise<Replay> {
  const { visit } = staff;
  await staff.close("abandoned");
  const auditor = new Auditor(await scene.person("atDesk", "auditor"), scene.branch.url);
  await auditor.signIn();
  return auditor.replayOf((await auditor.recordingOf(visit)).recording);
}
