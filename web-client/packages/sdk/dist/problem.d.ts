/** Failures, each with a stable `code` by which a page chooses its words. */
export declare class Problem extends Error {
    /** A code of docs/protocol.md, or one of the SDK's own: `network`, `bad_answer`, media codes. */
    readonly code: string;
    /** HTTP status; 0 where no answer came or none was asked for. */
    readonly status: number;
    /** English, for developers. */
    readonly detail: string;
    readonly name = "Problem";
    constructor(
    /** A code of docs/protocol.md, or one of the SDK's own: `network`, `bad_answer`, media codes. */
    code: string, 
    /** HTTP status; 0 where no answer came or none was asked for. */
    status: number, 
    /** English, for developers. */
    detail: string);
    /** True where the same request may well succeed a little later. */
    get transient(): boolean;
}
/** Reads an `application/problem+json` answer; anything else still becomes a usable problem. */
export declare function problemFrom(response: Response): Promise<Problem>;
/** Whatever was thrown, as a problem. */
export declare function asProblem(thrown: unknown): Problem;
