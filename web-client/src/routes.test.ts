import { expect, it } from "vitest";

import { clockTime } from "./format";
import { routeOf } from "./routes";

it("every address is a page", () => {
  expect(routeOf("/")).toEqual({ page: "entry" });
  expect(routeOf("/v/abc-_9")).toEqual({ page: "visit", token: "abc-_9" });
  expect(routeOf("/staff")).toEqual({ page: "staff" });
  expect(routeOf("/supervisor")).toEqual({ page: "supervisor" });
  expect(routeOf("/audit/")).toEqual({ page: "audit" });
  for (const path of ["/v/", "/v/a/b", "/v/<x>", "/nowhere", "/staff/x"]) {
    expect(routeOf(path)).toEqual({ page: "unknown" });
  }
});

it("times read as people say them", () => {
  expect(clockTime(0)).toBe("0:00");
  expect(clockTime(65_900)).toBe("1:05");
  expect(clockTime(3_661_000)).toBe("1:01:01");
  expect(clockTime(-5)).toBe("0:00");
});
