/** A set of HTTP rules as the judge of requests: the policy's matcher on heads as the parser leaves them. */
import { compileHttpRules } from "../policy/http-match.ts";
import type { HeaderEdit } from "../policy/http-match.ts";
import type { HttpRequestHead, HttpRuleSet } from "../policy/types.ts";
import type { RequestHead } from "./http1/head.ts";
import { mayEdit } from "./http1/rewrite.ts";
import type { HeadEdit, Judgement, RequestJudge } from "./types.ts";

const DENIED: Judgement = { allow: false, rule: 0, edits: [] };
const NO_EDITS: readonly HeadEdit[] = [];

/** Compiles a set once. Throws an `Error` for a pattern that is not RE2. */
export function makeJudge(set: Pick<HttpRuleSet, "rules">): RequestJudge {
  const matcher = compileHttpRules(set);
  const view = new HeadView();
  return {
    judge(head) {
      const match = matcher.match(view.of(head));
      if (match === null) return DENIED;
      const edits = match.edits.length === 0 ? NO_EDITS : match.edits.flatMap(toEdits);
      return edits.every(mayEdit) ? { allow: true, rule: match.rule, edits } : DENIED;
    },
  };
}

function toEdits({ action, name, value }: HeaderEdit): HeadEdit[] {
  const remove: HeadEdit = { kind: "remove", name };
  const add: HeadEdit = { kind: "add", name, value: value ?? "" };
  switch (action) {
    case "LOG":
      return [];
    case "ADD":
      return [add];
    case "DELETE":
      return [remove];
    case "REPLACE":
      return [remove, add];
  }
}

/** A parsed head as the matcher reads it; text is made when it is asked for, and once. */
class HeadView implements HttpRequestHead {
  private head: RequestHead | null = null;
  private knownMethod: string | null = null;
  private knownPath: string | null = null;
  private knownHost: string | null = null;

  of(head: RequestHead): this {
    this.head = head;
    this.knownMethod = this.knownPath = this.knownHost = null;
    return this;
  }

  get method(): string {
    return (this.knownMethod ??= this.parsed.method);
  }

  get path(): string {
    return (this.knownPath ??= this.parsed.path);
  }

  get host(): string {
    return (this.knownHost ??= this.parsed.host);
  }

  get headers(): readonly (readonly [string, string])[] {
    const { parsed } = this;
    return Array.from({ length: parsed.fieldCount }, (_, i) => [parsed.fieldName(i), parsed.fieldValue(i)] as const);
  }

  private get parsed(): RequestHead {
    if (this.head === null) throw new Error("no head");
    return this.head;
  }
}
