/** Failures, each with a stable `code` by which a page chooses its words. */
export class Problem extends Error {
    code;
    status;
    detail;
    name = "Problem";
    constructor(
    /** A code of docs/protocol.md, or one of the SDK's own: `network`, `bad_answer`, media codes. */
    code, 
    /** HTTP status; 0 where no answer came or none was asked for. */
    status, 
    /** English, for developers. */
    detail) {
        super(`${code}: ${detail}`);
        this.code = code;
        this.status = status;
        this.detail = detail;
    }
    /** True where the same request may well succeed a little later. */
    get transient() {
        return (this.status >= 500 || this.status === 429 || this.status === 408 || this.code === "network");
    }
}
const CODE = /^[a-z0-9_]{1,64}$/;
/** Reads an `application/problem+json` answer; anything else still becomes a usable problem. */
export async function problemFrom(response) {
    const body = await readJson(response);
    const code = field(body, "code");
    if (code !== null && CODE.test(code)) {
        return new Problem(code, response.status, field(body, "detail") ?? field(body, "title") ?? "");
    }
    return new Problem(codeForStatus(response.status), response.status, response.statusText);
}
/** Whatever was thrown, as a problem. */
export function asProblem(thrown) {
    if (thrown instanceof Problem)
        return thrown;
    if (thrown instanceof TypeError)
        return new Problem("network", 0, thrown.message);
    return new Problem("internal", 0, thrown instanceof Error ? thrown.message : "unknown");
}
function codeForStatus(status) {
    if (status === 401)
        return "not_signed_in";
    if (status === 403)
        return "forbidden";
    if (status === 404)
        return "not_found";
    if (status === 413)
        return "too_large";
    if (status === 429)
        return "too_many_requests";
    return status >= 500 ? "unavailable" : "bad_request";
}
async function readJson(response) {
    try {
        return await response.json();
    }
    catch {
        return null;
    }
}
function field(body, name) {
    if (typeof body !== "object" || body === null)
        return null;
    const value = body[name];
    return typeof value === "string" ? value : null;
}
//# sourceMappingURL=problem.js.map