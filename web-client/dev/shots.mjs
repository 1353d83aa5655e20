/**
 * Takes pictures of every page and state from `npm run dev:fixture`, on a phone and on a desk:
 *   node dev/shots.mjs [OUT_DIR] [NAME_PART]
 */
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

import { FLAGS } from "../e2e/support/chromium.mjs";

const [, , out = "shots", only = ""] = process.argv;
const BASE = "http://localhost:5174";
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1366, height: 768 } };
mkdirSync(out, { recursive: true });

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [...FLAGS, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
});

const problems = [];

async function shot(name, path, options = {}) {
  if (!name.includes(only)) return;
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const locale of options.locales ?? ["zh-CN"]) {
      const context = await browser.newContext({
        viewport,
        locale,
        permissions: options.denied ? [] : ["camera", "microphone"],
        ...(size === "phone" ? { deviceScaleFactor: 2, hasTouch: true, isMobile: true } : {}),
      });
      const page = await context.newPage();
      page.on("pageerror", (error) => problems.push(`${name}/${size}: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error") problems.push(`${name}/${size}: ${message.text()}`);
      });
      page.on("request", (request) => {
        const { origin } = new URL(request.url());
        if (origin !== BASE && !/^(blob|data|ws)/.test(request.url())) {
          problems.push(`${name}: outside request ${request.url()}`);
        }
      });
      if (options.init) await page.addInitScript(options.init);
      else await page.addInitScript({ path: new URL("./echo.js", import.meta.url).pathname });
      await page.goto(BASE + path);
      if (options.act) await options.act(page, size);
      await page.waitForTimeout(options.wait ?? 900);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) problems.push(`${name}/${size}: ${wide}px wider than the window`);
      const small = await page.evaluate(tooSmall);
      for (const what of small) problems.push(`${name}/${size}: small target ${what}`);
      const suffix = locale === "zh-CN" ? "" : "-en";
      await page.screenshot({
        path: `${out}/${name}-${size}${suffix}.png`,
        fullPage: !(options.fixed ?? false),
      });
      await context.close();
    }
  }
}

/** Controls below 44 px in either direction. A radio's or checkbox's label counts with it. */
function tooSmall() {
  return [...document.querySelectorAll("button, a, input, select")]
    .map((element) => element.closest("label") ?? element)
    .filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && (box.width < 43.5 || box.height < 43.5);
    })
    .map((element) => element.outerHTML.slice(0, 90));
}

const both = { locales: ["zh-CN", "en-US"] };
const call = { fixed: true, wait: 2500 };
const signIn = (who) => async (page) => {
  const field = page.getByTestId("signin-username");
  await field.or(page.getByTestId("user-name")).first().waitFor({ state: "attached" });
  if (!(await field.isVisible())) return;
  await field.fill(who);
  await page.getByTestId("signin-password").fill("demo");
  await page.getByTestId("signin-submit").click();
  await field.waitFor({ state: "hidden" });
};

await fetch(`${BASE}/api/v1/session`, { method: "DELETE" });
await shot("01-entry", "/", both);
await shot("02-welcome", "/v/invited");
const consents = (choices) => async (page) => {
  await page.getByTestId("welcome-continue").click();
  for (const choice of choices) await page.getByTestId(choice).click();
};
await shot("03-consents", "/v/invited", { ...both, act: consents([]) });
await shot("03-consents-declined", "/v/invited", {
  act: consents(["consent-recording-decline", "consent-face-decline"]),
});
await shot("04-media-check", "/v/preparing", both);
const failing = (error) => `navigator.mediaDevices.getUserMedia = () => Promise.reject(${error})`;
await shot("04-denied", "/v/preparing", {
  init: failing(`new DOMException("", "NotAllowedError")`),
});
await shot("04-in-use", "/v/preparing", {
  init: failing(`new DOMException("", "NotReadableError")`),
});
await shot("04-no-webrtc", "/v/preparing", { init: "delete globalThis.RTCPeerConnection" });
for (const state of [
  ...["start", "blink", "left", "right", "mouth", "nod", "smile", "failed", "exhausted"],
]) {
  await shot(`05-check-${state}`, `/v/check-${state}`, both);
}
for (const advice of [
  ...["no_face", "several_faces", "come_closer", "move_back", "center_face", "more_light"],
  ...["softer_light", "hold_still", "uncover_face", "look_straight", "good"],
]) {
  await shot(`05-advice-${advice}`, `/v/check-advice-${advice}`, both);
}
for (const index of [0, 1, 2, 3, 6]) {
  await shot(`05-flash-${index}`, `/v/check-flash-${index}`, { ...both, fixed: true, wait: 600 });
}
await shot("05-check-limit", "/v/check-limit", {
  ...both,
  act: async (page) => {
    await page.getByTestId("liveness-start").click();
    await page.getByTestId("problem").waitFor();
  },
});
await shot("06-waiting-3", "/v/waiting-3", both);
await shot("06-waiting-0", "/v/waiting-0");
for (const step of [
  ...["start", "identity", "disclosure", "question", "document"],
  ...["many", "screen", "slow"],
]) {
  await shot(`07-call-${step}`, `/v/call-${step}`, call);
}
await shot("07-call-disclosure-en", "/v/call-disclosure", { ...call, locales: ["en-US"] });
await shot("07-call-face", "/v/call-face", {
  ...call,
  ...both,
  act: (page) => page.getByTestId("face-consent").click(),
});
const sign = async (page) => {
  const pad = page.getByTestId("signature-pad");
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox();
  await page.mouse.move(box.x + 40, box.y + 90);
  await page.mouse.down();
  for (let at = 0; at < 40; at += 1) {
    await page.mouse.move(box.x + 40 + at * 5, box.y + 80 + 40 * Math.sin(at / 3));
  }
  await page.mouse.up();
};
await shot("07-call-signature", "/v/call-signature", { ...call, act: sign });
const unplug = async (page) => {
  await page.getByTestId("media-status").waitFor({ state: "attached" });
  await page.waitForTimeout(1500);
  await page.getByTestId("hang-up").click();
};
await shot("07-call-hang-up", "/v/call-start", { ...call, act: unplug });
for (const outcome of ["completed", "declined", "interrupted"]) {
  await shot(`08-closed-${outcome}`, `/v/closed-${outcome}`);
}
await shot("09-unknown-link", "/v/nothing");
await shot("09-expired-link", "/v/expired");
await shot("09-not-found", "/nowhere");
await shot("10-staff-sign-in", "/staff");
await shot("10-staff-wrong", "/staff", {
  act: async (page) => {
    await page.getByTestId("signin-username").fill("nobody");
    await page.getByTestId("signin-password").fill("x");
    await page.getByTestId("signin-submit").click();
  },
});
await shot("11-queue", "/staff", { ...both, act: signIn("staff") });
await shot("11-new-link", "/staff", {
  act: async (page) => {
    await signIn("staff")(page);
    await page.getByTestId("new-link").click();
    await page.getByTestId("link-create").click();
    await page.getByTestId("link-url").waitFor();
  },
});
const accept = async (page) => {
  await signIn("staff")(page);
  await page.getByTestId("queue-accept").first().click();
  await page.getByTestId("workspace").waitFor();
};
await shot("12-workspace", "/staff", { ...both, wait: 2500, act: accept });
const faceCheck = (nth) => async (page) => {
  await signIn("staff")(page);
  await page.getByTestId("queue-accept").nth(nth).click();
  await page.getByTestId("face-check-open").click();
  await page.getByTestId("liveness-verdict").waitFor();
  // The drawer itself, not the page behind it, is what is to be seen whole.
  await page.addStyleTag({
    content: ".ant-drawer { position: absolute !important; height: 2400px !important }",
  });
};
for (const [nth, name] of ["pass", "fail", "refer", "declined", "gone"].entries()) {
  if (name === "declined") continue;
  await shot(`12-check-${name}`, "/staff", { ...both, wait: 1200, act: faceCheck(nth) });
}
await shot("12-check-top", "/staff", {
  wait: 1200,
  fixed: true,
  act: async (page) => {
    await accept(page);
    await page.getByTestId("face-check-open").click();
    await page.getByTestId("liveness-verdict").waitFor();
  },
});
await shot("12-check-declined", "/staff", {
  wait: 1200,
  act: async (page) => {
    await signIn("staff")(page);
    await page.getByTestId("queue-accept").nth(3).click();
    await page.getByTestId("face-check-panel").waitFor();
  },
});
await shot("12-close", "/staff", {
  wait: 1500,
  fixed: true,
  act: async (page) => {
    await accept(page);
    await page.getByTestId("close-visit").click();
  },
});
await shot("12-document", "/staff", {
  wait: 1500,
  fixed: true,
  act: async (page) => {
    await signIn("staff")(page);
    await page.getByTestId("queue-accept").nth(2).click();
    await page.waitForTimeout(3000);
    await page.getByTestId("document-capture").click();
    await page.getByTestId("document-preview").waitFor();
  },
});
await shot("12-closed", "/staff", {
  act: async (page) => {
    await accept(page);
    await page.getByTestId("close-visit").click();
    await page.getByTestId("close-outcome-declined").click();
  },
});
await fetch(`${BASE}/api/v1/session`, { method: "DELETE" });
await shot("16-supervisor-sign-in", "/supervisor");
await shot("16-calls", "/supervisor", { ...both, act: signIn("supervisor") });
for (const mode of ["silent", "whispering", "barged_in"]) {
  await shot(`16-attend-${mode}`, "/supervisor", {
    ...(mode === "silent" ? both : {}),
    wait: 2500,
    act: async (page) => {
      await signIn("supervisor")(page);
      await page.getByTestId("attend").first().click();
      await page.getByTestId(`mode-${mode}`).click();
    },
  });
}
await fetch(`${BASE}/api/v1/session`, { method: "DELETE" });
await shot("13-audit-sign-in", "/audit");
await shot("14-recordings", "/audit", { ...both, act: signIn("auditor") });
await shot("14-log", "/audit", {
  act: async (page) => {
    await signIn("auditor")(page);
    await page.getByTestId("tab-log").click();
  },
});
const openReplay = async (page) => {
  await signIn("auditor")(page);
  await page.getByTestId("replay-open").nth(1).click();
  await page.getByTestId("replay-reason").fill("客户投诉核查 2026-118");
};
await shot("14-films", "/audit", {
  ...both,
  act: async (page) => {
    await signIn("auditor")(page);
    await page.getByTestId("tab-films").click();
    await page.getByTestId("film-row").first().waitFor();
  },
});
await shot("14-film-reason", "/audit", {
  ...both,
  fixed: true,
  act: async (page) => {
    await signIn("auditor")(page);
    await page.getByTestId("film-open").first().click();
    await page.getByTestId("film-reason").fill("客户投诉核查 2026-118");
  },
});
await shot("15-reason", "/audit", { fixed: true, act: openReplay });
await shot("15-replay", "/audit", {
  ...both,
  wait: 1500,
  act: async (page) => {
    await openReplay(page);
    await page.getByTestId("replay-submit").click();
    await page.getByTestId("timeline-event").nth(9).click();
  },
});

await browser.close();
for (const problem of new Set(problems)) console.log(problem);
