// Adds up what the test runners reported into the folder given: "passed failed skipped".
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const logs = process.argv[2];
const sum = { passed: 0, failed: 0, skipped: 0 };

const text = (name) => {
  const path = join(logs, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};

// `cargo test` ends every test binary with such a line.
for (const [, passed, failed, ignored] of (text("unit.log") + text("evidence.log")).matchAll(
  /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/gm,
)) {
  sum.passed += Number(passed);
  sum.failed += Number(failed);
  sum.skipped += Number(ignored);
}

const vitest = text("vitest.json");
if (vitest) {
  const report = JSON.parse(vitest);
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests;
}

const playwright = text("playwright.json");
if (playwright) {
  const { stats } = JSON.parse(playwright);
  sum.passed += stats.expected + stats.flaky;
  sum.failed += stats.unexpected;
  sum.skipped += stats.skipped;
}

const interop = text("interop.json");
if (interop) {
  const count = (word) => JSON.parse(interop).filter(({ result }) => result === word).length;
  sum.passed += count("ok");
  sum.failed += count("FAILED");
  sum.skipped += count("skipped");
}

console.log(sum.passed, sum.failed, sum.skipped);
