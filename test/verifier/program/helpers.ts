/** Requests made of assembly text, for tests that need no kernel. */
import { encode, parse } from "../../../lib/asm/index.ts";
import type { LoadRequest } from "../../../lib/verifier/request.ts";

export function requestOfText(text: string, more: Partial<LoadRequest> = {}): LoadRequest {
  return {
    name: "test",
    type: "socket_filter",
    attach: null,
    flags: 0,
    license: "GPL",
    code: encode(parse(text)),
    maps: [],
    mapReferences: new Map(),
    btf: null,
    functions: [],
    lines: [],
    kernel: null,
    target: null,
    ...more,
  };
}
