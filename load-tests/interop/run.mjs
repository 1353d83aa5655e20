// Runs every pair of clients through the media plane and says which could see and hear each other.
//
//   node run.mjs [--only TEXT] [--list] [--json FILE]
//
// Expects what scripts/interop.sh installs; a client that is not there is skipped, saying why.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startBranch } from "./lib/branch.mjs";

const HERE = import.meta.dirname;
const ENGINE = join(process.env.CARGO_TARGET_DIR ?? join(HERE, "../../target"), "debug");
const HOST = join(ENGINE, "examples/interop");
const VENV = process.env.INTEROP_VENV ?? "";

// Pictures each side must decode, and how long it may take, start of a browser included.
const FRAMES = 30;
const PATIENCE_S = 25;

const client = (name) => join(HERE, "clients", name);
const PYTHON = "/usr/bin/python3";
const module = (name) => join(HERE, "node_modules", name);
const browser = (name, file) => ({
  run: [process.execPath, client("browser.mjs"), "--browser", name],
  needs: [file, module("puppeteer-core")],
});
const CLIENTS = {
  bot: { run: [HOST, "bot"] },
  aiortc: { run: [join(VENV, "bin/python"), client("aiortc_client.py")] },
  wrtc: { run: [process.execPath, client("wrtc.mjs")], needs: [module("@roamhq/wrtc")] },
  chromium: browser("chromium", "/usr/bin/chromium"),
  firefox: browser("firefox", "/usr/bin/firefox-esr"),
  gstreamer: {
    run: [PYTHON, client("gstreamer_client.py")],
    check: [PYTHON, "-c", "import gi; gi.require_version('GstWebRTC', '1.0')"],
  },
};

// Both sides of a call publish and receive. A codec is named where the client has a choice.
const CALLS = [
  ["bot h264", "bot h264"],
  ["aiortc h264", "bot h264"],
  ["aiortc vp8", "aiortc vp8"],
  ["wrtc vp8", "aiortc vp8"],
  ["chromium h264", "bot h264"],
  ["chromium h264", "chromium h264"],
  ["chromium vp8", "wrtc vp8"],
  ["chromium h264 simulcast", "aiortc h264"],
  ["chromium vp8 simulcast", "aiortc vp8"],
  ["firefox vp8", "chromium vp8"],
  ["firefox vp8", "aiortc vp8"],
  ["gstreamer h264", "bot h264"],
  ["gstreamer vp8", "wrtc vp8"],
];

// On the real server: the customer, then guests who publish by WHIP or watch by WHEP. The staff
// member has accepted and sends nothing, so that what the customer sees is the guest.
const VISITS = [
  ["bot h264", "aiortc h264 publish"],
  ["bot h264", "gstreamer h264 publish"],
  ["bot h264 publish", "gstreamer h264 watch"],
  ["bot h264 publish", "aiortc h264 watch"],
  ["bot h264 publish", "chromium h264 watch"],
  ["bot h264", "gstreamer h264 publish", "gstreamer h264 watch"],
];

const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, list: { type: "boolean" }, json: { type: "string" } },
});

const parse = (text) => {
  const [name, codec, ...rest] = text.split(" ");
  const simulcast = rest.includes("simulcast");
  const mode = rest.find((word) => word !== "simulcast") ?? "both";
  return { text, name, codec, mode, simulcast };
};

// Why a client cannot run here; nothing if it can.
const missing = (name) => {
  const { run, needs = [], check } = CLIENTS[name];
  const file = [run[0], ...needs].find((path) => !existsSync(path));
  if (file) return `${name} cannot run without ${file}`;
  if (check && spawnSync(check[0], check.slice(1), { stdio: "ignore" }).status !== 0) {
    return `${name} is not installed`;
  }
  return undefined;
};

// One client's process: its report, then its end.
class Participant {
  constructor(spec, url, token) {
    const [program, ...first] = CLIENTS[spec.name].run;
    const args = [...first, "--join", url, "--codec", spec.codec, "--frames", FRAMES, "--patience", PATIENCE_S];
    if (spec.mode !== "both") args.push("--mode", spec.mode);
    if (spec.simulcast) args.push("--simulcast");
    // In one word: a token may begin with a dash.
    if (token) args.push(`--token=${token}`);
    this.child = spawn(program, args.map(String), { stdio: ["pipe", "pipe", "pipe"] });
    // A client may end before it is told to; and none may outlive this program.
    this.child.stdin.on("error", () => {});
    process.once("exit", () => this.child.kill("SIGKILL"));
    this.spec = spec;
    this.errors = "";
    let out = "";
    this.child.stderr.on("data", (data) => (this.errors = (this.errors + data).slice(-4000)));
    this.ended = new Promise((resolve) => this.child.once("close", resolve).once("error", resolve));
    // The first line is the report; without one the end of the process is the answer.
    this.reported = new Promise((resolve) => {
      this.child.stdout.on("data", (data) => {
        out += data;
        const end = out.indexOf("\n");
        if (end >= 0) resolve(readReport(out.slice(0, end)));
      });
      this.ended.then(() => resolve({ ok: false }));
    });
  }

  // Closes its input, which is how a client learns that it is done with.
  async leave() {
    const kill = setTimeout(() => this.child.kill("SIGKILL"), 8000);
    this.child.stdin.end();
    await this.ended;
    clearTimeout(kill);
  }
}

function readReport(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { ok: false, said: line };
  }
}

async function startHost() {
  const child = spawn(HOST, ["host"], { stdio: ["pipe", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    child.stdout.once("data", (data) => resolve(String(data).trim()));
    child.once("error", reject).once("exit", () => reject(new Error("the host did not start")));
  });
  return { url, stop: () => child.stdin.end() };
}

// Each participant listens for the exit.
process.setMaxListeners(100);

const results = [];

function say(title, seconds, reports, problem) {
  const word = problem === undefined ? "ok" : problem.startsWith("skipped") ? "skipped" : "FAILED";
  const figures = reports.map((r) => {
    const layers = r.layers?.length ? `, layers ${r.layers.map((l) => `${l.rid}:${l.frames}`).join(" ")}` : "";
    const media = r.packetsSent && !r.framesDecoded ? "publishing" : `${r.framesDecoded ?? 0} pictures`;
    return `${r.client ?? "?"} ${r.version ?? ""}: up in ${r.connectMs ?? "-"} ms, ${media}${layers}`;
  });
  const time = word === "skipped" ? "" : ` ${seconds.toFixed(1).padStart(5)} s`;
  // In capitals what a reader must not overlook; scripts/test.sh repeats these lines at its end.
  const shown = word === "skipped" ? "SKIPPED" : word;
  console.log(`${shown.padEnd(8)}${title.padEnd(52)}${time}  ${problem ?? figures.join("; ")}`);
  results.push({ title, result: word, seconds, reports, problem });
}

async function meet(title, began, participants) {
  const reports = await Promise.all(participants.map((p) => p.reported));
  await Promise.all(participants.map((p) => p.leave()));
  const seconds = (Date.now() - began) / 1000;
  const failed = participants.filter((_, i) => !reports[i].ok);
  if (failed.length === 0) return say(title, seconds, reports);
  const why = failed.map((p) => {
    const report = reports[participants.indexOf(p)];
    return `${p.spec.text}: ${JSON.stringify(report)} ${p.errors.trim().split("\n").slice(-4).join(" | ")}`;
  });
  return say(title, seconds, reports, why.join("\n        "));
}

// `begin` gives the participants; what it hands to `later` is done after them, whatever happens.
async function run(title, specs, begin) {
  if (!title.includes(options.only)) return;
  if (options.list) return void console.log(title);
  const absent = [...new Set(specs.map((spec) => missing(spec.name)).filter(Boolean))];
  if (absent.length > 0) return say(title, 0, [], `skipped: ${absent.join(", ")}`);
  const began = Date.now();
  const closing = [];
  try {
    await meet(title, began, await begin((close) => closing.push(close)));
    for (const close of closing) await close();
  } catch (error) {
    say(title, (Date.now() - began) / 1000, [], String(error));
    await Promise.allSettled(closing.map((close) => close()));
  }
}

const title = ([customer, ...guests]) => `customer ${customer} + ${guests.map(visiting).join(" + ")}`;
const visiting = (guest) => guest.replace("publish", "by WHIP").replace("watch", "by WHEP");

const host = options.list ? undefined : await startHost();
for (const [index, pair] of CALLS.entries()) {
  const specs = pair.map(parse);
  await run(pair.join(" <> "), specs, async () =>
    specs.map((spec, side) => new Participant(spec, `${host.url}/join/${index}/${side}`)),
  );
}
host?.stop();

const wantsBranch = !options.list && VISITS.some((visit) => title(visit).includes(options.only));
const branch = wantsBranch ? await startBranch(ENGINE).catch((error) => ({ error })) : undefined;
for (const visit of VISITS) {
  const specs = visit.map(parse);
  await run(title(visit), specs, async (later) => {
    if (branch.error) throw branch.error;
    const [customer, ...guests] = specs;
    const participants = [];
    const call = await branch.visit((url) => participants.push(new Participant(customer, url)));
    later(call.close);
    for (const guest of guests) {
      const { url, token } = await call.token(guest.mode);
      participants.push(new Participant(guest, url, token));
    }
    return participants;
  });
}
await branch?.stop?.();

const count = (word) => results.filter((r) => r.result === word).length;
if (!options.list) {
  console.log(`${count("ok")} passed, ${count("FAILED")} failed, ${count("skipped")} skipped`);
  if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 2));
}
process.exit(count("FAILED") > 0 ? 1 : 0);
