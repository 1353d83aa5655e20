/** The five pages. Links between them are plain anchors: each role's page starts afresh. */

export type Route =
  | { page: "entry" }
  | { page: "visit"; token: string }
  | { page: "staff" }
  | { page: "supervisor" }
  | { page: "audit" }
  | { page: "unknown" };

const TOKEN = /^\/v\/([A-Za-z0-9_-]{1,128})\/?$/;

export function routeOf(path: string): Route {
  if (path === "/") return { page: "entry" };
  if (/^\/staff\/?$/.test(path)) return { page: "staff" };
  if (/^\/supervisor\/?$/.test(path)) return { page: "supervisor" };
  if (/^\/audit\/?$/.test(path)) return { page: "audit" };
  const token = TOKEN.exec(path)?.[1];
  return token === undefined ? { page: "unknown" } : { page: "visit", token };
}
