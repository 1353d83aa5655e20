/** The requests of docs/protocol.md, by who may make them. */
import { http } from "./http.js";
/** What needs no sign-in, and signing in itself. */
export class PublicApi {
    http;
    constructor(where = {}) {
        this.http = http(where);
    }
    info = () => this.http.get("/info");
    demoVisit = (product) => this.http.post("/demo/visits", { product });
    signIn = (username, password) => this.http.post("/session", { username, password });
    currentUser = () => this.http.get("/session");
    signOut = () => this.http.delete("/session");
}
/** One customer's visit, by the token of the link. */
export class CustomerApi {
    token;
    http;
    constructor(token, where = {}) {
        this.token = token;
        this.http = http({ ...where, token });
    }
    visit = () => this.http.get("/customer/visit");
    consent = (given) => this.http.post("/customer/visit/consents", given);
    startLiveness = () => this.http.post("/customer/visit/liveness");
    skipLiveness = () => this.http.post("/customer/visit/liveness/skip");
    completeStep = (step, input) => this.http.post(`/customer/visit/steps/${encodeURIComponent(step)}`, input);
    leave = () => this.http.post("/customer/visit/leave");
    negotiate = async (sdp) => (await this.http.post("/customer/visit/media", { sdp })).sdp;
}
/** What staff may ask, by the session cookie. */
export class StaffApi {
    http;
    constructor(where = {}) {
        this.http = http(where);
    }
    visits = async () => (await this.http.get("/visits")).visits;
    createVisit = (product, expiresInS) => this.http.post("/visits", {
        product,
        ...(expiresInS === undefined ? {} : { expires_in_s: expiresInS }),
    });
    visit = (visit) => this.http.get(at(visit));
    accept = (visit) => this.http.post(`${at(visit)}/accept`);
    openStep = (visit, step) => this.http.post(`${at(visit)}/steps/${encodeURIComponent(step)}/open`);
    completeStep = (visit, step, input) => this.http.post(`${at(visit)}/steps/${encodeURIComponent(step)}/complete`, input);
    close = (visit, outcome) => this.http.post(`${at(visit)}/close`, { outcome });
    negotiate = (visit) => async (sdp) => (await this.http.post(`${at(visit)}/media`, { sdp })).sdp;
}
/** What an auditor may ask, by the session cookie. */
export class AuditApi {
    http;
    base;
    constructor(where = {}) {
        this.http = http(where);
        this.base = where.baseUrl ?? "";
    }
    recordings = async () => (await this.http.get("/recordings")).recordings;
    replay = (recording, reason) => this.http.post(`/recordings/${encodeURIComponent(recording)}/replays`, { reason });
    log = async () => (await this.http.get("/audit-log")).entries;
    /** The HLS playlist of one participant. */
    playlist = (replay, participant) => `${this.base}/api/v1/replays/${encodeURIComponent(replay)}/${encodeURIComponent(participant)}/index.m3u8`;
}
function at(visit) {
    return `/visits/${encodeURIComponent(visit)}`;
}
//# sourceMappingURL=api.js.map