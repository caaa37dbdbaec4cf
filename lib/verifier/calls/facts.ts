/** What checking the arguments of a call has found, for the checks after it and for the result. */
import type { VerifierMap } from "../program/maps.ts";
import type { Reg } from "../state/index.ts";
import { NONE } from "../state/index.ts";
import type { Field } from "../types/record.ts";
import type { Prototype } from "./prototypes.ts";

export interface CallFacts {
  readonly prototype: Prototype;
  /** The map, of a map argument or a field in its value; and which inner map. */
  map: VerifierMap | null;
  mapUid: number;
  /** The key, a constant within 63 bits; -1 when it is not known or does not matter. */
  key: number;
  /** Number of the register that is given back, 0: none. */
  release: number;
  /** The reference that some argument belongs to. */
  ref: number;
  /** Most bytes that a `size` argument may ask for. */
  sizeLimit: bigint;
  /** Bytes asked for by an `alloc_size`. */
  bytes: number;
  /** The function given as a callback. */
  subprogram: number;
  /** The field that a kptr argument points to. */
  field: Field | null;
  /** The argument that a per-CPU result is made of. */
  percpu: Reg;
  /** The dynptr given. */
  dynptr: Reg;
}

export function newFacts(prototype: Prototype): CallFacts {
  return {
    prototype,
    map: null,
    mapUid: 0,
    key: -1,
    release: 0,
    ref: 0,
    sizeLimit: 0n,
    bytes: 0,
    subprogram: -1,
    field: null,
    percpu: NONE,
    dynptr: NONE,
  };
}
