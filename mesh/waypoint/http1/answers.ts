/** Answers that the waypoint gives itself: a denial, a refusal, a server that is not there. */

// prettier-ignore
const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request", 403: "Forbidden", 408: "Request Timeout", 414: "URI Too Long", 431: "Request Header Fields Too Large",
  501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
};

/** What a client of Cilium's proxy sees as well. */
const BODIES: Readonly<Record<number, string>> = { 403: "Access denied\r\n" };

const made = new Map<string, Buffer>();

/** A whole response. `headOnly`: to a HEAD request, which gets no body but the same fields. */
export function answer(status: number, closes: boolean, headOnly: boolean): Buffer {
  const key = `${status} ${closes} ${headOnly}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const reason = REASONS[status] ?? "";
  const body = BODIES[status] ?? `${reason}\r\n`;
  const fields = [`content-length: ${body.length}`, "content-type: text/plain", "server: ebpf-ts-waypoint"];
  if (closes) fields.push("connection: close");
  const bytes = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${fields.join("\r\n")}\r\n\r\n${headOnly ? "" : body}`);
  made.set(key, bytes);
  return bytes;
}
