/** What the arguments of one call told, for its effects and its result. */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { VerifierMap } from "../program/maps.ts";
import type { Reg } from "../state/index.ts";
import type { Field } from "../types/index.ts";
import type { Prototype } from "./prototype.ts";

export interface CallFacts {
  readonly prototype: Prototype;
  /** The reference that an argument belongs to, and the register of the one that is given back; 0: none. */
  ref: number;
  release: number;
  /** The argument that has to be known. */
  constant: bigint | null;
  /** Bytes of the memory that comes back, where an argument says; 0: none does. */
  resultBytes: number;
  resultReadOnly: boolean;
  /** Index of the function of the program that is passed. */
  subprogram: number;
  /** The map that a workqueue or task work lies in, then the one that is passed beside it. */
  map: VerifierMap | null;
  mapUid: number;
  /** Type of the object of the program that is passed; whether the reference to it is the program's own. */
  object: { readonly btf: Btf; readonly type: TypeId } | null;
  owning: boolean;
  /** The list or tree. */
  root: Field | null;
  /** The dynptr that is used. */
  dynptr: Reg | null;
  /** Frame and first slot of the iterator that is used. */
  iterator: { readonly frame: number; readonly slot: number } | null;
}

export function newFacts(prototype: Prototype): CallFacts {
  return {
    prototype,
    ref: 0,
    release: 0,
    constant: null,
    resultBytes: 0,
    resultReadOnly: false,
    subprogram: -1,
    map: null,
    mapUid: 0,
    object: null,
    owning: false,
    root: null,
    dynptr: null,
    iterator: null,
  };
}
