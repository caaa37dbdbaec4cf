/** What programs of the pages name in the kernel's types: functions, structures, variables, what they attach to. */
import type { Btf, BtfType, TypeId } from "../../../lib/btf/index.ts";

export interface KernelNames {
  /** Null where the kernel's types are not to be had. */
  readonly btf: Btf | null;
  /** 0 where there is no such type. */
  readonly idOf: (kind: BtfType["kind"], name: string) => TypeId;
  /** Of the functions whose name starts so, one by its place from 0; 0 where there are not as many. */
  readonly nthFunction: (start: string, index: number) => TypeId;
  /** Bytes before a member of a structure; members of its nameless members are its own. Throws where there is none. */
  readonly offsetOf: (struct: string, member: string) => number;
}

export function namesIn(btf: Btf | null): KernelNames {
  const ids = new Map<string, TypeId>();
  const byStart = new Map<string, TypeId[]>();
  for (const [id, type] of (btf?.types ?? []).entries()) {
    const key = "name" in type ? `${type.kind} ${type.name}` : "";
    if (key !== "" && !ids.has(key)) ids.set(key, id);
  }
  const idOf: KernelNames["idOf"] = (kind, name) => ids.get(`${kind} ${name}`) ?? 0;
  return {
    btf,
    idOf,
    nthFunction: (start, index) => {
      let functions = byStart.get(start);
      if (functions === undefined) {
        functions = [...ids].flatMap(([key, id]) => (key.startsWith(`func ${start}`) ? [id] : []));
        byStart.set(start, functions);
      }
      return functions[index] ?? 0;
    },
    offsetOf: (struct, member) => {
      const bits = btf === null ? null : bitOffset(btf, idOf("struct", struct), member);
      if (bits === null) throw new Error(`the kernel has no ${struct}.${member}`);
      return bits / 8;
    },
  };
}

function bitOffset(btf: Btf, struct: TypeId, wanted: string): number | null {
  const type = btf.types[struct];
  if (type?.kind !== "struct" && type?.kind !== "union") return null;
  for (const { name, type: of, bitOffset: at } of type.members) {
    if (name === wanted) return at;
    const inside = name === "" ? bitOffset(btf, of, wanted) : null;
    if (inside !== null) return at + inside;
  }
  return null;
}
