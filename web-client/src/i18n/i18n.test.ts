import { readFileSync, readdirSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { en } from "./en";
import { initialLanguage } from "./language";
import { zh } from "./zh";

type Tree = { [key: string]: string | Tree };

/** Keys without plural endings: the languages differ in those. */
function keys(tree: Tree, path = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string"
      ? [`${path}${key.replace(/_(one|other)$/, "")}`]
      : keys(value, `${path}${key}.`),
  );
}

const inEnglish = new Set(keys(en));
const inChinese = new Set(keys(zh));

describe("words", () => {
  it("exist in both languages", () => {
    expect([...inEnglish].filter((key) => !inChinese.has(key))).toEqual([]);
    expect([...inChinese].filter((key) => !inEnglish.has(key))).toEqual([]);
  });

  it("exist for every key that a page names", () => {
    const source = readdirSync("src", { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test."))
      .map((name) => readFileSync(`src/${name}`, "utf8"))
      .join("\n");
    const named = [...source.matchAll(/\bt\(\s*"([\w.]+)"/g)].map((match) => match[1] ?? "");
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter((key) => !inEnglish.has(key))).toEqual([]);
  });

  it("exist for every problem code of the protocol", () => {
    const protocol = readFileSync("../docs/protocol.md", "utf8");
    const codes = [...protocol.matchAll(/4\d\d `([a-z_]+)`/g)].map((match) => match[1] ?? "");
    expect(codes.length).toBeGreaterThan(8);
    expect(codes.filter((code) => !inEnglish.has(`error.${code}`))).toEqual([]);
  });
});

describe("the language", () => {
  it("is the person's own choice before the browser's", () => {
    expect(initialLanguage("en", ["zh-CN"])).toBe("en");
    expect(initialLanguage(null, ["zh-TW", "en"])).toBe("zh-CN");
    expect(initialLanguage(null, ["fr", "en-GB"])).toBe("en");
  });

  it("is Chinese where nothing fits", () => {
    expect(initialLanguage(null, ["fr"])).toBe("zh-CN");
    expect(initialLanguage("xx", [])).toBe("zh-CN");
  });
});
