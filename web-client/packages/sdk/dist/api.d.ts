/** The requests of docs/protocol.md, by who may make them. */
import { type HttpOptions } from "./http.js";
import type { AuditEntry, ClosingOutcome, CustomerView, Info, NewVisit, QueueEntry, RecordingRow, Replay, StaffView, StepInput, User } from "./protocol.js";
/** Posts an SDP offer and resolves to the server's answer. */
export type Negotiate = (offer: string) => Promise<string>;
type Where = Pick<HttpOptions, "baseUrl" | "fetch">;
/** What needs no sign-in, and signing in itself. */
export declare class PublicApi {
    private readonly http;
    constructor(where?: Where);
    info: () => Promise<Info>;
    demoVisit: (product: string) => Promise<{
        token: string;
        url: string;
    }>;
    signIn: (username: string, password: string) => Promise<User>;
    currentUser: () => Promise<User>;
    signOut: () => Promise<void>;
}
/** One customer's visit, by the token of the link. */
export declare class CustomerApi {
    readonly token: string;
    private readonly http;
    constructor(token: string, where?: Where);
    visit: () => Promise<CustomerView>;
    consent: (given: {
        recording: boolean;
        face: boolean;
        text_version: string;
    }) => Promise<CustomerView>;
    startLiveness: () => Promise<CustomerView>;
    skipLiveness: () => Promise<CustomerView>;
    completeStep: (step: string, input: StepInput) => Promise<CustomerView>;
    leave: () => Promise<CustomerView>;
    negotiate: Negotiate;
}
/** What staff may ask, by the session cookie. */
export declare class StaffApi {
    private readonly http;
    constructor(where?: Where);
    visits: () => Promise<QueueEntry[]>;
    createVisit: (product: string, expiresInS?: number) => Promise<NewVisit>;
    visit: (visit: string) => Promise<StaffView>;
    accept: (visit: string) => Promise<StaffView>;
    openStep: (visit: string, step: string) => Promise<StaffView>;
    completeStep: (visit: string, step: string, input: StepInput) => Promise<StaffView>;
    close: (visit: string, outcome: ClosingOutcome) => Promise<StaffView>;
    negotiate: (visit: string) => Negotiate;
}
/** What an auditor may ask, by the session cookie. */
export declare class AuditApi {
    private readonly http;
    private readonly base;
    constructor(where?: Where);
    recordings: () => Promise<RecordingRow[]>;
    replay: (recording: string, reason: string) => Promise<Replay>;
    log: () => Promise<AuditEntry[]>;
    /** The HLS playlist of one participant. */
    playlist: (replay: string, participant: string) => string;
}
export {};
