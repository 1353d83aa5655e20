import { defineConfig } from "@playwright/test";

// Every test starts its own server on ports and a data folder of its own, and a browser per
// person. Two browsers and a server fill two cores, so tests run one after another.
export default defineConfig({
  testDir: "tests",
  testMatch: "*.e2e.ts",
  outputDir: "test-results",
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env["CI"]),
  retries: 0,
  timeout: 300_000,
  expect: { timeout: 30_000 },
  reporter: "list",
});
