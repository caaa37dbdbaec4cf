/**
 * Which HTTP rule of a set admits a request. The waypoint asks it for every request, `explain` for one.
 *
 * Fields of one rule are ANDed, rules are ORed, and the first that matches is the one that is told. Method, path and host are
 * RE2 patterns of the whole string: the path as sent with its query, the host with its port. A header that came several
 * times is one value, joined by commas, as Envoy reads it. The work of one request is bounded for all rules together
 * (`pattern.ts`): what runs out of it is not admitted.
 */
import type { HeaderMatch, HttpRule } from "../objects/types.ts";
import { Pattern, PATTERN_BUDGET } from "./pattern.ts";
import type { Budget } from "./pattern.ts";
import type { HttpRequestHead, HttpRuleSet, RuleNumber } from "./types.ts";

/** What a header match with a mismatch action asks for: the request passes, changed or logged. */
export interface HeaderEdit {
  readonly action: "LOG" | "ADD" | "DELETE" | "REPLACE";
  /** Lower case. */
  readonly name: string;
  /** Null for DELETE. */
  readonly value: string | null;
}

export interface HttpMatch {
  readonly rule: RuleNumber;
  readonly edits: readonly HeaderEdit[];
}

export interface HttpMatcher {
  /** Null: no rule admits the request, which is a 403. */
  match(head: HttpRequestHead): HttpMatch | null;
  /** Requests that ran out of their budget. */
  readonly gaveUp: number;
}

/** Compiles a set once. Throws an `Error` for a pattern that is not RE2: validation has refused those. */
export function compileHttpRules(set: Pick<HttpRuleSet, "rules">): HttpMatcher {
  const patterns = new Map<string, Pattern>();
  const rules = set.rules.map(({ rule, http }) => ({ rule, ...compileRule(http, patterns) }));
  return {
    gaveUp: 0,
    match(this: { gaveUp: number }, head) {
      const budget: Budget = { left: PATTERN_BUDGET };
      const headers = new Headers(head);
      for (const { rule, fields, headers: asked } of rules) {
        if (
          fields.every(({ name, pattern }) => pattern.matches(head[name], budget)) &&
          asked.every((one) => passes(one, headers))
        ) {
          return { rule, edits: asked.flatMap((one) => editFor(one, headers)) };
        }
      }
      if (budget.left <= 0) this.gaveUp++;
      return null;
    },
  };
}

interface CompiledRule {
  readonly fields: readonly { readonly name: "method" | "path" | "host"; readonly pattern: Pattern }[];
  readonly headers: readonly HeaderMatch[];
}

function compileRule(http: HttpRule, patterns: Map<string, Pattern>): CompiledRule {
  const fields = (["method", "path", "host"] as const).flatMap((name) => {
    const text = http[name];
    return text === null ? [] : [{ name, pattern: share(text, patterns) }];
  });
  return { fields, headers: http.headers };
}

function share(text: string, patterns: Map<string, Pattern>): Pattern {
  const known = patterns.get(text) ?? new Pattern(text);
  patterns.set(text, known);
  return known;
}

/** Values by lower-case name; made only when a rule asks. */
class Headers {
  readonly #head: HttpRequestHead;
  #values: Map<string, string> | null = null;

  constructor(head: HttpRequestHead) {
    this.#head = head;
  }

  get(name: string): string | undefined {
    return (this.#values ??= joinHeaders(this.#head.headers)).get(name);
  }
}

function joinHeaders(list: HttpRequestHead["headers"]): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of list) {
    const key = name.toLowerCase();
    const before = values.get(key);
    values.set(key, before === undefined ? value : `${before},${value}`);
  }
  return values;
}

function matchesHeader({ name, value }: HeaderMatch, headers: Headers): boolean {
  const found = headers.get(name);
  return value === null ? found !== undefined : found === value;
}

function passes(asked: HeaderMatch, headers: Headers): boolean {
  return asked.mismatch !== null || matchesHeader(asked, headers);
}

function editFor(asked: HeaderMatch, headers: Headers): HeaderEdit[] {
  const { mismatch, name, value } = asked;
  if (mismatch === null || matchesHeader(asked, headers)) return [];
  return [{ action: mismatch, name, value: mismatch === "DELETE" ? null : value }];
}
