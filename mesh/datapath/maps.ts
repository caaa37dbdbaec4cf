/** A map as the writers here see it: bytes in bulk. `BpfMap` of the loader is one; tests have one in memory. */
export interface RawMap {
  readonly name: string;
  readonly shape: { readonly maxEntries: number; readonly keySize: number };
  setAllRaw(keys: Uint8Array, values: Uint8Array): void;
  deleteAllRaw(keys: Uint8Array): void;
  entriesRaw(): Iterable<[Uint8Array, Uint8Array]>;
}

/** How full a map is. */
export interface Gauge {
  readonly map: string;
  readonly entries: number;
  readonly capacity: number;
}
