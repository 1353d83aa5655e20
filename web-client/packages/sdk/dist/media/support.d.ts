/** Throws `no_webrtc`, `insecure_page` or `no_h264`. */
export declare function requireSupport(): void;
