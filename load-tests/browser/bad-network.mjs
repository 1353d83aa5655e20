/**
 * Two Chromiums call each other through the media plane, one of them on a bad network:
 *   node load-tests/browser/bad-network.mjs [--bin DIR] [--only NAME,…] [--codec H264|VP8] [--out DIR] [--note TEXT]
 * Prints a table; with --out it is kept there, with a chart and the figures. Exit code 1 when a
 * target is missed, 2 for wrong usage.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { back, course, figures, missed } from "./measure.mjs";
import { Person, servePage } from "./person.mjs";
import { BadNetwork, MediaPlane } from "./processes.mjs";
import { chart, document, table } from "./report.mjs";
import { SCENARIOS, TROUBLE_S } from "./scenarios.mjs";

const ROOM = 1;
const SEED = 1;
const MEET_MS = 20_000;

const options = readOptions();
const runs = [];
for (const scenario of options.scenarios) {
  console.error(`${scenario.title} …`);
  runs.push(await run(scenario));
  console.error(JSON.stringify(runs.at(-1).people));
}
console.log(table(runs));
if (options.out !== undefined) keep(options.out);
for (const { title, missed } of runs) for (const what of missed) console.log(`${title}: ${what}`);
process.exit(runs.some((r) => r.missed.length > 0) ? 1 : 0);

async function run(scenario) {
  const page = await servePage();
  const plane = await MediaPlane.start(options.bin);
  const network = new BadNetwork(options.bin);
  const people = [];
  try {
    let relay;
    people.push(
      await Person.arrive(
        page.url,
        async (offer) => {
          const led = await network.lead(await plane.join(ROOM, offer), SEED);
          relay = led.relay;
          return led.answer;
        },
        options.codec,
      ),
      await Person.arrive(page.url, (offer) => plane.join(ROOM, offer), options.codec),
    );
    await Promise.all(people.map((person) => person.meet(MEET_MS)));
    await Promise.all(people.map((person) => person.watch()));
    const start = Date.now();
    const over = await trouble(scenario, network, relay, start);
    await until(start, scenario.measure[1] + 0.5);
    const [near, far] = await Promise.all(people.map((person) => person.samples()));
    const { totals } = await network.ask({ totals: { relay } });
    return result(scenario, start, over, { near, far }, totals);
  } catch (error) {
    return failure(scenario, error);
  } finally {
    await Promise.all(people.map((person) => person.leave()));
    network.stop();
    plane.stop();
    page.close();
  }
}

/** Makes the trouble; gives the time when it is over, where media has to come back after it. */
async function trouble(scenario, network, relay, start) {
  await until(start, TROUBLE_S);
  await network.ask({ change: { relay, network: scenario.network } });
  if (scenario.blackoutS !== undefined) {
    await network.ask({ black_out: { relay, ms: scenario.blackoutS * 1000 } });
    return Date.now() + scenario.blackoutS * 1000;
  }
  if (scenario.changeAddress) {
    await network.ask({ change_address: { relay } });
    return Date.now();
  }
  return undefined;
}

/** `near` is the person on the bad network, `far` the other one. */
function result(scenario, start, over, samples, totals) {
  const [from, to] = scenario.measure.map((s) => start + s * 1000);
  const people = Object.fromEntries(
    Object.entries(samples).map(([who, of]) => [
      who,
      { ...figures(of, from, to), ...(over === undefined ? {} : { back: back(of, over) }) },
    ]),
  );
  return {
    name: scenario.name,
    title: scenario.title,
    targets: scenario.targets ?? [],
    people,
    missed: missed(scenario.targets ?? [], people),
    relay: totals,
    course: { near: course(samples.near, start), far: course(samples.far, start) },
  };
}

function failure(scenario, error) {
  const { name, title, targets = [] } = scenario;
  return {
    name,
    title,
    targets,
    people: {},
    missed: [String(error)],
    course: { near: [], far: [] },
  };
}

async function until(start, seconds) {
  await new Promise((done) => setTimeout(done, start + seconds * 1000 - Date.now()));
}

function keep(folder) {
  mkdirSync(folder, { recursive: true });
  const command = "scripts/bench-bad-network.sh";
  writeFileSync(join(folder, "bad-network.json"), `${JSON.stringify(runs, null, 1)}\n`);
  writeFileSync(join(folder, "bad-network.svg"), chart(runs));
  writeFileSync(join(folder, "bad-network.md"), document(runs, command, options));
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        bin: { type: "string", default: "target/release" },
        only: { type: "string" },
        codec: { type: "string", default: "H264" },
        out: { type: "string" },
        note: { type: "string", default: "" },
      },
    });
    const names = values.only?.split(",");
    const unknown = names?.filter((name) => !SCENARIOS.some((s) => s.name === name)) ?? [];
    if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(", ")}`);
    if (!["H264", "VP8"].includes(values.codec)) throw new Error(`no codec ${values.codec}`);
    const scenarios = SCENARIOS.filter((s) => names?.includes(s.name) ?? true);
    return { ...values, scenarios };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
