// Adds up what the test runners reported into the folder given: "passed failed skipped", and below
// it the name of each test that failed.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const logs = process.argv[2];
const sum = { passed: 0, failed: 0, skipped: 0 };
const failed = [];

const text = (name) => {
  const path = join(logs, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};

// `cargo test` ends every test binary with such a line.
const cargo = text("unit.log") + text("evidence.log");
for (const [, passed, failures, ignored] of cargo.matchAll(
  /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/gm,
)) {
  sum.passed += Number(passed);
  sum.failed += Number(failures);
  sum.skipped += Number(ignored);
}
failed.push(...[...cargo.matchAll(/^test (\S+) \.\.\. FAILED$/gm)].map(([, name]) => name));

const vitest = text("vitest.json");
if (vitest) {
  const report = JSON.parse(vitest);
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests;
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  failed.push(...tests.filter(({ status }) => status === "failed").map((test) => test.fullName));
}

const playwright = text("playwright.json");
if (playwright) {
  const { stats, suites } = JSON.parse(playwright);
  sum.passed += stats.expected + stats.flaky;
  sum.failed += stats.unexpected;
  sum.skipped += stats.skipped;
  const specs = (suite) => [...(suite.specs ?? []), ...(suite.suites ?? []).flatMap(specs)];
  const bad = suites.flatMap(specs).filter(({ ok }) => !ok);
  failed.push(...bad.map((spec) => `${spec.file}:${spec.line} ${spec.title}: ${why(spec)}`));
}

/** The first lines of what a browser test stumbled over. */
function why({ tests }) {
  const errors = tests.flatMap(({ results }) => results.flatMap((result) => result.errors));
  const plain = (errors[0]?.message ?? "").replaceAll(/\u001b\[[0-9;]*m/g, "");
  const lines = plain.split("\n").map((line) => line.trim());
  const place = errors[0]?.location ? ` (line ${errors[0].location.line})` : "";
  return lines.filter(Boolean).slice(0, 4).join(" | ") + place;
}

const interop = text("interop.json");
if (interop) {
  const pairs = JSON.parse(interop);
  const count = (word) => pairs.filter(({ result }) => result === word).length;
  sum.passed += count("ok");
  sum.failed += count("FAILED");
  sum.skipped += count("skipped");
  const bad = pairs.filter(({ result }) => result === "FAILED");
  failed.push(...bad.map(({ title }) => `interop: ${title}`));
}

console.log(sum.passed, sum.failed, sum.skipped);
for (const name of failed) console.log(name);
