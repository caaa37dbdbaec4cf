import type { Btf } from "../../lib/btf/index.ts";
import type { LoadRequest, Privileges } from "../../lib/verifier/index.ts";

export interface Fixture {
  /** How it was found: seed and index of `npm run fuzz:verifier`. */
  readonly found: { readonly seed: number; readonly index: number };
  readonly privileges: Privileges;
  /** What Linux 6.18 said. */
  readonly kernel: {
    readonly verdict: "accept" | "reject";
    readonly message: string | null;
    readonly processed: number;
  };
  readonly request: { readonly kernelCalls: readonly { readonly slot: number; readonly name: string }[] };
}

export function fromFixture(fixture: Fixture, kernel: Btf | null): LoadRequest;
