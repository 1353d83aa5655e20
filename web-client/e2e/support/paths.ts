import { join, resolve } from "node:path";

export const ROOT = resolve(__dirname, "../../..");
export const BINARY = process.env["VBRANCH_BINARY"] ?? join(ROOT, "target/debug/vbranch");
export const CHROMIUM = process.env["VBRANCH_CHROMIUM"] ?? "/usr/bin/chromium";
/** Where test faces lie, if there are any on this machine; never a part of the repository. */
export const SHARED = process.env["VBRANCH_SHARED"] ?? resolve(ROOT, "../shared");
/** Films and sounds that the tests make, kept from run to run. */
export const FILMS = join(ROOT, "target/e2e-films");
export const SCREENSHOTS = resolve(__dirname, "../screenshots");

export function modelsFolder(): string {
  return process.env["VBRANCH_KYC_MODELS_DIR"] ?? join(ROOT, "data/models");
}
