import type { Btf } from "../../lib/btf/index.ts";
import type { LoadRequest } from "../../lib/verifier/index.ts";

export function requestOfRecord(
  record: unknown,
  btfs: { readonly get: (id: string) => Btf | undefined },
  kernel: Btf | null,
): { readonly request: LoadRequest; readonly unsupported?: undefined } | { readonly unsupported: string };
