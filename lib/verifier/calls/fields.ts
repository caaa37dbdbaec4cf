/** Arguments that are special fields of a map's value or of an object of the program: timers, and places for kernel pointers. */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { smallConstant } from "../scalar/index.ts";
import type { Reg } from "../state/index.ts";
import type { Field, FieldKind, Record } from "../types/index.ts";
import { FIELD_STRUCTS, NO_FIELDS, fieldAt, isKptr, recordOf } from "../types/index.ts";

/** The special fields of what a register points to. */
export function recordOfReg(env: Env, reg: Reg): Record {
  if (reg.kind === "map_value") return reg.map?.record ?? NO_FIELDS;
  if (reg.kind === "object" && reg.btf !== null) return recordOf(reg.btf, reg.type, env.request.kernel);
  return NO_FIELDS;
}

/** A field of a kind that a map's value has one of, where the register points exactly to it. */
export function checkMapField(env: Env, reg: Reg, register: number, kind: FieldKind): Field {
  const refuse = (what: string): never =>
    reject(env, "special_argument", {
      register,
      field: FIELD_STRUCTS[kind] ?? kind,
      what,
      map: reg.map?.map.spec.name ?? "",
    });
  const variable = smallConstant(reg.num);
  if (variable === null) return refuse("its offset is no constant");
  if (reg.map === null || reg.map.map.btf === null) return refuse("the map was made without types");
  const field = reg.map.record.fields.find((one) => one.kind === kind);
  if (field === undefined) return refuse("the value has none");
  const offset = reg.off + variable;
  return field.offset === offset ? field : refuse(`it is at ${field.offset}, not ${offset}`);
}

export function checkTimer(env: Env, reg: Reg, register: number): void {
  checkMapField(env, reg, register, "timer");
}

/** The field for an owned kernel pointer that the register points to. */
export function kptrField(env: Env, reg: Reg, register: number): Field {
  const refuse = (what: string): never => reject(env, "kptr_exchange", { register, what });
  if (reg.kind === "map_value" && reg.map?.map.btf === null) return refuse("the map was made without types");
  const variable = smallConstant(reg.num);
  if (variable === null) return refuse("its offset is no constant");
  const record = recordOfReg(env, reg);
  if (!record.fields.some(isKptr)) return refuse("there is no such field");
  const offset = reg.off + variable;
  const field = fieldAt(record, offset);
  if (field === null || !isKptr(field)) return refuse(`no such field at offset ${offset}`);
  if (field.kind !== "kptr_ref" && field.kind !== "kptr_percpu") return refuse(`the field at ${offset} does not own`);
  return field;
}
