/** Requests from assembly text, for tests of the walk. */
import { encode, parse } from "../../lib/asm/index.ts";
import type { LoadRequest } from "../../lib/verifier/index.ts";

/** A program without maps and types; a socket filter unless `more` says otherwise. */
export function requestOf(assembly: string, more: Partial<LoadRequest> = {}): LoadRequest {
  return {
    name: "test",
    type: "socket_filter",
    attach: null,
    flags: 0,
    license: "GPL",
    code: encode(parse(assembly)),
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
