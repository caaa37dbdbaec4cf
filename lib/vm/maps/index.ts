/** Makes a map from its definition: which class serves which type, and what the kernel demands of a definition. */
import { MAP_FLAGS } from "../../kernel/index.ts";
import type { MapType } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { vmError } from "../diagnostics.ts";
import { ArrayMap } from "./array.ts";
import { HashMap, LruHashMap } from "./hash.ts";
import { LpmTrie } from "./lpm.ts";
import type { MapHost, VmMap } from "./map.ts";
import { ProgArray } from "./prog-array.ts";
import { RingbufMap } from "./ringbuf.ts";
import { SocketMap } from "./sockets.ts";

interface Row {
  readonly make: new (spec: MapSpec, host: MapHost) => VmMap;
  /** What is wrong with a definition that the kernel refuses with -EINVAL, or null. */
  readonly check: (spec: MapSpec) => string | null;
}

const MAX_KEY = 512; // MAX_BPF_STACK
const PAGE = 4096;
const LPM_DATA_MAX = 256;

function arrayLike(spec: MapSpec): string | null {
  if (spec.keySize !== 4) return "its key must have 4 bytes";
  return spec.valueSize > 0 ? null : "its value has no bytes";
}
function hashLike(spec: MapSpec): string | null {
  if (spec.keySize < 1 || spec.keySize > MAX_KEY) return `its key must have 1 to ${MAX_KEY} bytes`;
  return spec.valueSize > 0 ? null : "its value has no bytes";
}
function lpm(spec: MapSpec): string | null {
  if ((spec.flags & MAP_FLAGS.no_prealloc) === 0) return "an LPM trie needs the flag BPF_F_NO_PREALLOC";
  const data = spec.keySize - 4;
  if (data < 1 || data > LPM_DATA_MAX)
    return `its key must have 4 bytes of prefix length and 1 to ${LPM_DATA_MAX} of data`;
  return spec.valueSize > 0 ? null : "its value has no bytes";
}
function ring({ keySize, valueSize, maxEntries }: MapSpec): string | null {
  if (keySize !== 0 || valueSize !== 0) return "a ring buffer has neither key nor value";
  const powerOfTwo = (maxEntries & (maxEntries - 1)) === 0;
  return powerOfTwo && maxEntries >= PAGE ? null : `its size must be a power of two of at least ${PAGE} bytes`;
}
function sockets(spec: MapSpec): string | null {
  if (spec.type === "sockmap" && spec.keySize !== 4) return "its key must have 4 bytes";
  return spec.valueSize === 4 || spec.valueSize === 8 ? null : "its value must have 4 or 8 bytes";
}

const TYPES: Readonly<Partial<Record<MapType, Row>>> = {
  array: { make: ArrayMap, check: arrayLike },
  percpu_array: { make: ArrayMap, check: arrayLike },
  hash: { make: HashMap, check: hashLike },
  lru_hash: { make: LruHashMap, check: hashLike },
  percpu_hash: { make: HashMap, check: hashLike },
  lru_percpu_hash: { make: LruHashMap, check: hashLike },
  lpm_trie: { make: LpmTrie, check: lpm },
  ringbuf: { make: RingbufMap, check: ring },
  prog_array: {
    make: ProgArray,
    check: (spec) => (spec.keySize === 4 && spec.valueSize === 4 ? null : "key and value must have 4 bytes"),
  },
  sockmap: { make: SocketMap, check: sockets },
  sockhash: { make: SocketMap, check: sockets },
};

/** Throws V001 for a type that is not simulated, V002 for a definition that the kernel refuses, V010 when memory is used up. */
export function createMap(spec: MapSpec, host: MapHost): VmMap {
  const row = TYPES[spec.type];
  // prettier-ignore
  if (row === undefined) {
    throw vmError("V001", `map ${spec.name} has the type ${spec.type}, which is not simulated`, { expected: Object.keys(TYPES).join(", "), found: spec.type });
  }
  const wrong = spec.maxEntries < 1 ? "it must have room for at least one entry" : row.check(spec);
  if (wrong !== null) throw vmError("V002", `map ${spec.name} (${spec.type}): ${wrong}`);
  const map = new row.make(spec, host);
  if (spec.frozen) map.freeze();
  return map;
}

export { ArrayMap, HashMap, LpmTrie, LruHashMap, ProgArray, RingbufMap, SocketMap };
export { MapError, VmMap } from "./map.ts";
export type { Batch, MapHost, SetMode } from "./map.ts";
export type { SpecialField, SpecialKind } from "./value.ts";
export { hash } from "./table.ts";
export type { TableShape } from "./table.ts";
