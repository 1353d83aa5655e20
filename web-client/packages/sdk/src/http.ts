/** One request, JSON or a picture. Every failure leaves as a `Problem`. */
import { Problem, asProblem, problemFrom } from "./problem.js";

export type HttpOptions = {
  /** Where the server is; empty for the page's own origin. */
  baseUrl?: string;
  /** A customer's link token; without one the session cookie counts. */
  token?: string;
  fetch?: typeof fetch;
};

export type Http = {
  get<T>(path: string): Promise<T>;
  /** Something that is not JSON, such as a picture. */
  getBlob(path: string): Promise<Blob>;
  putBlob(path: string, blob: Blob): Promise<void>;
  post<T>(path: string, body?: unknown): Promise<T>;
  delete(path: string): Promise<void>;
};

/** An answer that has not come by then is a failure a person should hear of. */
const TIMEOUT_MS = 15_000;

export function http(options: HttpOptions = {}): Http {
  const send = async (
    method: string,
    path: string,
    body?: unknown,
    accept = "application/json",
  ): Promise<Response> => {
    const doFetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    const headers: Record<string, string> = { Accept: `${accept}, application/problem+json` };
    if (options.token !== undefined) headers.Authorization = `Bearer ${options.token}`;
    const blob = body instanceof Blob ? body : null;
    if (method !== "GET") headers["Content-Type"] = blob?.type ?? "application/json";
    let response: Response;
    try {
      response = await doFetch(`${options.baseUrl ?? ""}/api/v1${path}`, {
        method,
        headers,
        credentials: options.token === undefined ? "same-origin" : "omit",
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(method === "GET" ? {} : { body: blob ?? JSON.stringify(body ?? {}) }),
      });
    } catch (thrown) {
      throw new Problem("network", 0, asProblem(thrown).detail);
    }
    if (!response.ok) throw await problemFrom(response);
    return response;
  };
  return {
    get: async <T>(path: string) => json<T>(await send("GET", path)),
    getBlob: async (path) => blobOf(await send("GET", path, undefined, "image/*")),
    putBlob: async (path, blob) => {
      await send("PUT", path, blob);
    },
    post: async <T>(path: string, body?: unknown) => json<T>(await send("POST", path, body)),
    delete: async (path) => {
      await send("DELETE", path);
    },
  };
}

async function blobOf(response: Response): Promise<Blob> {
  try {
    return await response.blob();
  } catch (thrown) {
    throw new Problem("network", 0, asProblem(thrown).detail);
  }
}

async function json<T>(response: Response): Promise<T> {
  // There is nothing to say.
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    throw new Problem("bad_answer", response.status, "the answer is not JSON");
  }
}
