// Chromium or Firefox, headless, driven by puppeteer-core (DevTools protocol, WebDriver BiDi).
import puppeteer from "puppeteer-core";
import { FLAGS } from "../../chromium.mjs";
import { readWishes, report, satisfied, untilStdinEnds, watchUntilSatisfied } from "../lib/wishes.mjs";
import { connect, look } from "./page.mjs";

const BROWSERS = {
  chromium: {
    browser: "chrome",
    executablePath: "/usr/bin/chromium",
    args: ["--headless", ...FLAGS],
  },
  firefox: {
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      // A fake device is no reason for Firefox to give more than its default address; a permission
      // is. It pairs a loopback address with none of another kind.
      "permissions.default.camera": 1,
      "permissions.default.microphone": 1,
      "media.peerconnection.ice.loopback": true,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
      "media.autoplay.default": 0,
    },
  },
};

const wishes = readWishes();
const browser = await puppeteer.launch({ headless: true, ...BROWSERS[wishes.browser] });
let seen;
try {
  const version = (await browser.version()).replace(/^.*\//, "");
  const page = await browser.newPage();
  await page.goto(new URL("/", wishes.join).href);
  await page.evaluate(connect, wishes);
  seen = await watchUntilSatisfied(wishes, async () => ({
    client: wishes.browser,
    version,
    ...(await page.evaluate(look)),
  }));
  report(wishes, seen);
  if (satisfied(wishes, seen)) await untilStdinEnds();
} finally {
  await browser.close();
}
process.exit(satisfied(wishes, seen) ? 0 : 1);
