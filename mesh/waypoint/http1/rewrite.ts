/**
 * A head with changes. Heads are forwarded as the bytes they came as, except where a rule adds or removes fields, the target is
 * absolute (the server gets the path that was matched), or an upgrade to HTTP/2 is offered (it would leave the rules' reach).
 */
import type { HeadEdit } from "../types.ts";
import { CLASSES, TOKEN, VALUE } from "./characters.ts";
import type { Head, RequestHead } from "./head.ts";

/** What no rule may change: it frames the message, or is about the connection. */
const UNTOUCHABLE = new Set(["content-length", "transfer-encoding", "connection", "host", "upgrade", "te", "trailer"]);

const WITHOUT_H2C: readonly HeadEdit[] = [
  { kind: "remove", name: "upgrade" },
  { kind: "remove", name: "http2-settings" },
];
const CLOSING: readonly HeadEdit[] = [
  { kind: "remove", name: "connection" },
  { kind: "remove", name: "keep-alive" },
  { kind: "add", name: "connection", value: "close" },
];

/** Whether a rule may make this change: a field of its own, with bytes that fields have. */
export function mayEdit(edit: HeadEdit): boolean {
  if (UNTOUCHABLE.has(edit.name) || !isMadeOf(edit.name, TOKEN) || edit.name === "") return false;
  return edit.kind === "remove" || isMadeOf(edit.value, VALUE);
}

/** The bytes to forward instead of the original ones; null: the original ones. */
export function rewriteRequest(head: RequestHead, edits: readonly HeadEdit[]): Buffer | null {
  const all = head.h2c ? [...edits, ...WITHOUT_H2C] : edits;
  if (all.length === 0 && !head.absolute) return null;
  const line = head.absolute
    ? `${head.method} ${head.path}${head.text(head.targetEnd, head.fieldsStart)}`
    : head.text(head.start, head.fieldsStart);
  return rewrite(head, line, all);
}

/** A response's head that tells the client that the connection ends. */
export function rewriteClosing(head: Head): Buffer {
  return rewrite(head, head.text(head.start, head.fieldsStart), CLOSING);
}

function rewrite(head: Head, line: string, edits: readonly HeadEdit[]): Buffer {
  const removed = new Set(edits.flatMap((edit) => (edit.kind === "remove" ? [edit.name] : [])));
  const lines = [line];
  for (let i = 0; i < head.fieldCount; i++) {
    if (removed.has(head.fieldName(i))) continue;
    lines.push(head.text(head.fields[4 * i] as number, head.fields[4 * i + 3] as number), "\r\n");
  }
  for (const edit of edits) if (edit.kind === "add") lines.push(`${edit.name}: ${edit.value}\r\n`);
  lines.push("\r\n");
  return Buffer.from(lines.join(""), "latin1");
}

function isMadeOf(text: string, bits: number): boolean {
  for (let i = 0; i < text.length; i++) if (!((CLASSES[text.charCodeAt(i)] ?? 0) & bits)) return false;
  return true;
}
