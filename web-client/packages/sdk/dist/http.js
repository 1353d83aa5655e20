/** One JSON request. Every failure leaves as a `Problem`. */
import { Problem, asProblem, problemFrom } from "./problem.js";
/** An answer that has not come by then is a failure a person should hear of. */
const TIMEOUT_MS = 15_000;
export function http(options = {}) {
    const send = async (method, path, body) => {
        const doFetch = options.fetch ?? globalThis.fetch.bind(globalThis);
        const headers = {
            Accept: "application/json, application/problem+json",
        };
        if (options.token !== undefined)
            headers.Authorization = `Bearer ${options.token}`;
        if (method !== "GET")
            headers["Content-Type"] = "application/json";
        let response;
        try {
            response = await doFetch(`${options.baseUrl ?? ""}/api/v1${path}`, {
                method,
                headers,
                credentials: options.token === undefined ? "same-origin" : "omit",
                cache: "no-store",
                signal: AbortSignal.timeout(TIMEOUT_MS),
                ...(method === "GET" ? {} : { body: JSON.stringify(body ?? {}) }),
            });
        }
        catch (thrown) {
            throw new Problem("network", 0, asProblem(thrown).detail);
        }
        if (!response.ok)
            throw await problemFrom(response);
        return response;
    };
    return {
        get: async (path) => json(await send("GET", path)),
        post: async (path, body) => json(await send("POST", path, body)),
        delete: async (path) => {
            await send("DELETE", path);
        },
    };
}
async function json(response) {
    try {
        return (await response.json());
    }
    catch {
        throw new Problem("bad_answer", response.status, "the answer is not JSON");
    }
}
//# sourceMappingURL=http.js.map