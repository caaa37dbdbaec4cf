/** From byte offsets in the wasm module to places in the TypeScript sources. */
import { TraceMap, originalPositionFor, type EncodedSourceMap } from "@jridgewell/trace-mapping";
import type { SourcePlace } from "../ir/ir.ts";

export type PlaceAt = (wasmOffset: number) => SourcePlace | null;

/** asc's map has one generated line; its columns are byte offsets of the module. Columns become 1-based. */
export function readSourceMap(json: string): PlaceAt {
  // asc sets sourceRoot to where the output would go; the sources are as imported.
  const map = new TraceMap({ ...(JSON.parse(json) as EncodedSourceMap), sourceRoot: "" });
  const cache = new Map<number, SourcePlace | null>();
  return (offset) => {
    const known = cache.get(offset);
    if (known !== undefined) return known;
    const found = originalPositionFor(map, { line: 1, column: offset });
    const place = found.source === null ? null : { file: found.source, line: found.line, column: found.column + 1 };
    cache.set(offset, place);
    return place;
  };
}
