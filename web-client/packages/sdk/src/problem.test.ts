import { describe, expect, it } from "vitest";

import { CustomerApi, PublicApi } from "./api.js";
import { Problem, asProblem, problemFrom } from "./problem.js";

const answer = (status: number, body: string) => new Response(body, { status });

describe("a refused request", () => {
  it("carries the server's code and detail", async () => {
    const body = JSON.stringify({ status: 409, code: "step_locked", detail: "identity first" });
    const problem = await problemFrom(answer(409, body));
    expect(problem).toMatchObject({ code: "step_locked", status: 409, detail: "identity first" });
    expect(problem.transient).toBe(false);
  });

  it("still has a code where a proxy answered in its own words", async () => {
    expect((await problemFrom(answer(502, "<html>"))).code).toBe("unavailable");
    expect((await problemFrom(answer(413, ""))).code).toBe("too_large");
    expect((await problemFrom(answer(401, "null"))).code).toBe("not_signed_in");
  });

  it("does not take anything for a code", async () => {
    const body = JSON.stringify({ code: "<b>not a code</b>" });
    expect((await problemFrom(answer(500, body))).code).toBe("unavailable");
  });

  it("is worth another try only where trying helps", () => {
    expect(new Problem("unavailable", 503, "").transient).toBe(true);
    expect(new Problem("network", 0, "").transient).toBe(true);
    expect(new Problem("too_many_requests", 429, "").transient).toBe(true);
    expect(new Problem("link_expired", 410, "").transient).toBe(false);
    expect(asProblem("thrown text").transient).toBe(false);
  });
});

describe("requests", () => {
  it("show a customer's token and never a cookie", async () => {
    const seen: RequestInit[] = [];
    const fetch = (_: unknown, init?: RequestInit) => {
      seen.push(init ?? {});
      return Promise.resolve(answer(200, "{}"));
    };
    await new CustomerApi("tok", { fetch: fetch }).leave();
    expect(seen[0]).toMatchObject({ method: "POST", credentials: "omit", body: "{}" });
    expect(new Headers(seen[0]?.headers).get("Authorization")).toBe("Bearer tok");
    expect(new Headers(seen[0]?.headers).get("Content-Type")).toBe("application/json");
  });

  it("become a network problem where no answer comes", async () => {
    const fetch = () => Promise.reject(new TypeError("Failed to fetch"));
    await expect(new PublicApi({ fetch }).info()).rejects.toMatchObject({ code: "network" });
  });

  it("do not trust a success that is not JSON", async () => {
    const fetch = () => Promise.resolve(answer(200, "hello"));
    await expect(new PublicApi({ fetch }).info()).rejects.toMatchObject({ code: "bad_answer" });
  });
});
