/** Whose source a place is in, and how it is seen from a caller. */
import type { SourcePlace } from "./ir.ts";

/** AssemblyScript's and our own standard library. */
export function isLibrary(file: string): boolean {
  return file.startsWith("~lib/");
}

/**
 * The place of a value inlined from a call. Library code, and code without a place (constructors that asc makes), counts
 * as being where it is called: the reader knows the line that calls `map.get`, not the inside of it.
 */
export function seenFrom(place: SourcePlace | null, call: SourcePlace | null): SourcePlace | null {
  if (place === null) return call;
  return isLibrary(place.file) && call !== null ? call : place;
}
