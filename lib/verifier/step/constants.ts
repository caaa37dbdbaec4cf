/** 64-bit immediates: numbers, maps, addresses in maps, kernel variables, functions. */
import type { LoadImm64 } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject, unsupported } from "../env.ts";
import { constant } from "../scalar/index.ts";
import type { Reg } from "../state/index.ts";
import { pointer, scalar } from "../state/index.ts";
import { variableAt } from "../types/index.ts";
import { needWritable } from "./operands.ts";

/** Two slots. */
export function stepLoadImm64(env: Env, insn: LoadImm64): number {
  needWritable(env, insn.dst);
  let value = env.immediates[env.slot];
  if (value === undefined) {
    value = valueOf(env, insn);
    env.immediates[env.slot] = value;
  }
  frameOf(env).regs[insn.dst] = value;
  return env.slot + 2;
}

function valueOf(env: Env, insn: LoadImm64): Reg {
  switch (insn.pseudo) {
    case "none":
      return scalar(constant(insn.imm), !env.privileges.bpf);
    case "func":
      return functionOf(env, insn);
    case "btf_id":
      return variableAt(env, insn, env.slot);
    default:
      return mapReference(env);
  }
}

function mapReference(env: Env): Reg {
  const reference = env.request.mapReferences.get(env.slot);
  const map = reference === undefined ? undefined : env.program.maps[reference.map];
  if (reference === undefined || map === undefined) return unsupported("a map that the request does not name");
  if (map.map.spec.type === "arena") return unsupported("arena");
  return reference.kind === "map"
    ? pointer("map", 0, { map })
    : pointer("map_value", 0, { map, off: reference.offset });
}

/** A static function, to be called back. */
function functionOf(env: Env, insn: LoadImm64): Reg {
  const target = env.slot + 1 + Number(BigInt.asIntN(32, insn.imm));
  const index = env.program.subprogramOf[target];
  const subprogram = index === undefined ? undefined : env.program.subprograms[index];
  if (subprogram === undefined || subprogram.start !== target) return reject(env, "bad_call_target", { target });
  if (env.request.functions.length === 0) reject(env, "callback_function", { name: subprogram.name });
  if (subprogram.global) reject(env, "callback_function", { name: subprogram.name });
  if (subprogram.index === 0) reject(env, "callback_function", { name: subprogram.name });
  return pointer("func", 0, { size: subprogram.index });
}
