import type { Plugin } from "vite";
export function fixture(): Plugin {
  return { name: "vbranch-fixture" };
}
