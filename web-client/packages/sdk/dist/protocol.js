/** The shapes of docs/protocol.md, one to one. Nothing here is derived or renamed. */
/** 1 MiB of body for a request with a picture; base64 adds a third, JSON a little. */
export const MAX_PICTURE_BYTES = 760 * 1024;
//# sourceMappingURL=protocol.js.map