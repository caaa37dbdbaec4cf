import type { Btf } from "../../lib/btf/index.ts";
import type { LoadRequest, Privileges } from "../../lib/verifier/index.ts";

interface Said {
  readonly processed: number;
  /** Bytes for each function, where that matters. */
  readonly stackDepth?: readonly number[];
}

export interface Fixture {
  /** How it was found: seed and index of `npm run fuzz:verifier`; null: written by hand. */
  readonly found: { readonly seed: number; readonly index: number } | null;
  readonly privileges: Privileges;
  /** What Linux 6.18 said. */
  readonly kernel: Said & { readonly verdict: "accept" | "reject"; readonly message: string | null };
  /** What the model said when it was found. */
  readonly ours: Said & { readonly verdict: "accept" | "reject" | "unsupported" | "crash" };
  /** Why the two differ, where that is known and stays (docs/verifier.md, "Known differences"). */
  readonly known?: string;
  readonly request: { readonly kernelCalls: readonly { readonly slot: number; readonly name: string }[] };
}

export function fromFixture(fixture: Pick<Fixture, "request">, kernel: Btf | null): LoadRequest;
