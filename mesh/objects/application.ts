/** Rules of application protocols: HTTP requests and DNS questions. A pattern that is not RE2, or too large, is found here. */
import { checkPattern } from "../policy/pattern.ts";
import type { DnsRule, HeaderMatch, HttpRule } from "./types.ts";
import type { FieldTable, Value } from "./value.ts";

const HTTP_RULE: FieldTable = { read: ["method", "path", "host", "headers", "headerMatches"], others: "refused" };
const HEADER_MATCH: FieldTable = {
  read: ["name", "value", "mismatch"],
  refused: { secret: "the mesh does not read Kubernetes secrets" },
  others: "refused",
};
const NAME_RULE: FieldTable = { read: ["matchName", "matchPattern"], others: "refused" };
const MISMATCH = ["LOG", "ADD", "DELETE", "REPLACE"] as const;

/** A field name of HTTP (RFC 9110 §5.6.2, token). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const DOMAIN_NAME = /^(?=.{1,255}$)[-\w]+(\.[-\w]+)*\.?$/;
const DOMAIN_PATTERN = /^(?=.{1,255}$)[-\w.*]+$/;

export function readHttpRules(value: Value): readonly HttpRule[] {
  return value.list().map((item) => {
    const fields = item.fields(HTTP_RULE);
    const headers = (fields["headers"]?.list() ?? []).map(readHeader);
    const matches = (fields["headerMatches"]?.list() ?? []).map(readHeaderMatch);
    return {
      method: readPattern(fields["method"]),
      path: readPattern(fields["path"]),
      host: readPattern(fields["host"]),
      headers: [...headers, ...matches],
    };
  });
}

export function readDnsRules(value: Value): readonly DnsRule[] {
  return value.list().map(readDnsRule);
}

/** A name or a pattern of names; in lower case, without the dot at the end. */
export function readDnsRule(value: Value): DnsRule {
  const fields = value.fields(NAME_RULE);
  const { matchName, matchPattern } = fields;
  if (matchName === undefined && matchPattern === undefined) {
    value.report("Y005", "no name is given", { expected: "matchName or matchPattern" });
  } else if (matchName !== undefined && matchPattern !== undefined) {
    matchPattern.report("Y008", "a rule has a name or a pattern", { expected: "one of them", found: "both" });
  }
  return { name: readDomain(matchName, DOMAIN_NAME), pattern: readDomain(matchPattern, DOMAIN_PATTERN) };
}

function readDomain(value: Value | undefined, form: RegExp): string | null {
  if (value === undefined) return null;
  const text = value.string();
  if (!form.test(text)) value.report("Y018", `${JSON.stringify(text)} is no name`, { found: text });
  return text.toLowerCase().replace(/\.$/, "");
}

/** Null: missing or empty, which matches everything. */
function readPattern(value: Value | undefined): string | null {
  const pattern = value?.string() ?? "";
  if (pattern === "") return null;
  const reason = checkPattern(pattern);
  if (reason !== null) value?.report("Y016", `bad pattern ${JSON.stringify(pattern)}: ${reason}`, { found: pattern });
  return pattern;
}

/** `Name: value` asks for just that value, `Name` for presence. */
function readHeader(value: Value): HeaderMatch {
  const text = value.string();
  const colon = text.indexOf(":");
  const name = colon === -1 ? text : text.slice(0, colon);
  const wanted = colon === -1 ? null : text.slice(colon + 1);
  const content = wanted?.trim() ?? null;
  // Cilium cuts at the space: without one, all of it would be a name.
  if (!TOKEN.test(name) || (wanted !== null && (!wanted.startsWith(" ") || content === "")) || hasControl(text)) {
    value.report("Y017", `${JSON.stringify(text)} is no requirement on a header`, { found: text });
  }
  return { name: name.toLowerCase(), value: content, mismatch: null };
}

function readHeaderMatch(value: Value): HeaderMatch {
  const fields = value.fields(HEADER_MATCH);
  const at = value.required(fields, "name");
  const name = at.string();
  if (!TOKEN.test(name)) at.report("Y017", `${JSON.stringify(name)} is no name of a header`, { found: name });
  const wanted = fields["value"]?.string() ?? "";
  if (hasControl(wanted)) {
    fields["value"]?.report("Y017", "a header's value has no control characters", { found: JSON.stringify(wanted) });
  }
  return { name: name.toLowerCase(), value: wanted === "" ? null : wanted, mismatch: readMismatch(fields["mismatch"]) };
}

function readMismatch(value: Value | undefined): HeaderMatch["mismatch"] {
  const text = value?.string() ?? "";
  if (text === "") return null;
  const action = MISMATCH.find((m) => m === text) ?? null;
  if (action === null) {
    value?.report("Y006", `unknown action ${JSON.stringify(text)}`, { expected: MISMATCH.join(", "), found: text });
  }
  return action;
}

/** Control characters cannot be in a request that the waypoint lets through. */
function hasControl(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(text);
}
