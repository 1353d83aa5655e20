export type HttpOptions = {
    /** Where the server is; empty for the page's own origin. */
    baseUrl?: string;
    /** A customer's link token; without one the session cookie counts. */
    token?: string;
    fetch?: typeof fetch;
};
export type Http = {
    get<T>(path: string): Promise<T>;
    post<T>(path: string, body?: unknown): Promise<T>;
    delete(path: string): Promise<void>;
};
export declare function http(options?: HttpOptions): Http;
