/** Objects made of cases: their text assembled, references to `MAPS` made relocations. */
import { parse } from "../../../lib/asm/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import type { ObjectSpec, Relocation } from "../../../lib/object/index.ts";
import { T, TYPES, object } from "../../kernel/specs.ts";
import { MAPS } from "./cases.ts";
import type { Case } from "./cases.ts";

export function objectOf({ name, code, type = "xdp", attach, flags = 0 }: Case): ObjectSpec {
  const insns = parse(code.replaceAll(";", "\n"), name);
  const main = {
    name: "probe",
    section: type,
    type,
    attach: attach ?? null,
    flags,
    btfId: 0,
    linkage: "global",
    lines: [],
    insns,
    relocations: referencesOf(insns),
  } as const;
  return object([main], MAPS, { types: [{ kind: "void" }] });
}

function referencesOf(insns: readonly Insn[]): Relocation[] {
  const relocations: Relocation[] = [];
  let slot = 0;
  for (const insn of insns) {
    if (insn.kind === "load_imm64" && insn.pseudo !== "none") {
      const map = (MAPS[Number(insn.imm & 0xffffffffn)] as (typeof MAPS)[number]).name;
      if (insn.pseudo === "map_fd") relocations.push({ kind: "map", slot, map });
      else relocations.push({ kind: "map_value", slot, map, offset: Number(insn.imm >> 32n) });
    }
    slot += slotsOf(insn);
  }
  return relocations;
}

/** A function that loads a byte of the packet and gives 7; its caller takes any other result for a pointer. */
export function packetLoadInFunction(): ObjectSpec {
  const nowhere = { relocations: [], lines: [] } as const;
  const leaf = {
    ...nowhere,
    name: "leaf",
    insns: parse("r6 = r1\nr0 = *(u8 *)skb[4]\nr0 = 7\nexit"),
    btfId: TYPES.types.length,
    linkage: "static",
  } as const;
  const main = {
    ...nowhere,
    name: "probe",
    section: "socket",
    type: "socket_filter",
    attach: null,
    flags: 0,
    btfId: T.func,
    linkage: "global",
    insns: parse("call pc+0\nif r0 == 7 goto +1\nr0 = *(u64 *)(r0 +0)\nr0 = 0\nexit"),
    relocations: [{ kind: "call", slot: 0, func: "leaf" }],
  } as const;
  const types = [...TYPES.types, { kind: "func", name: "leaf", type: PROTOTYPE, linkage: "static" } as const];
  return { ...object([main], [], { types }), subprograms: [leaf] };
}

/** int f(void *) in TYPES. */
const PROTOTYPE = 10;
