import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

import { fixture } from "./dev/fixture.ts";

const server = process.env.VBRANCH_DEV_SERVER ?? "http://localhost:8080";

// `--mode fixture` answers the API from dev/ instead of a server; a build never contains it.
export default defineConfig(({ command, mode }) => ({
  plugins: [react(), ...(command === "serve" && mode === "fixture" ? [fixture()] : [])],
  resolve: {
    alias: {
      "@vbranch/sdk": fileURLToPath(new URL("./packages/sdk/src/index.ts", import.meta.url)),
    },
  },
  server: {
    proxy: mode === "fixture" ? {} : { "/api": { target: server, ws: true } },
  },
  build: {
    target: "es2022",
    // The pages run under a strict Content-Security-Policy: nothing may be inlined as a data: script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
  },
  test: {
    include: ["src/**/*.test.{ts,tsx}", "packages/**/*.test.ts"],
    exclude: ["node_modules/**"],
  },
}));
