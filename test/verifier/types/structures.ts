/** Structures in a short notation for tests: `lock: bpf_spin_lock; head: bpf_list_head contains:item:list; p: kptr task_struct`. */
import type { BtfType, Member, TypeId } from "../../../lib/btf/index.ts";

/** Sizes and alignments of the kernel's own structures. */
// prettier-ignore
const KERNEL: Readonly<Record<string, readonly [size: number, align: number]>> = {
  bpf_spin_lock: [4, 4], bpf_res_spin_lock: [4, 4], bpf_timer: [16, 8], bpf_wq: [16, 8], bpf_task_work: [8, 8],
  bpf_refcount: [4, 4], bpf_list_head: [16, 8], bpf_list_node: [24, 8], bpf_rb_root: [16, 8], bpf_rb_node: [32, 8],
};
const TAGS = ["kptr", "kptr_untrusted", "percpu_kptr", "uptr", "user", "rcu"];

/** A BTF with the structures, by name, in order: a structure may be made of those before. */
export function structures(text: Readonly<Record<string, string>>): { types: BtfType[]; ids: Map<string, TypeId> } {
  const types: BtfType[] = [{ kind: "void" }];
  const ids = new Map<string, TypeId>();
  const add = (type: BtfType): TypeId => types.push(type) - 1;
  const int = add({ kind: "int", name: "int", size: 4, encoding: "signed" });
  const word = add({ kind: "int", name: "u64", size: 8, encoding: "unsigned" });
  const sizes = new Map<TypeId, readonly [size: number, align: number]>([
    [int, [4, 4]],
    [word, [8, 8]],
  ]);
  const named = (name: string): TypeId => {
    const known = name === "int" ? int : name === "u64" ? word : ids.get(name);
    if (known !== undefined) return known;
    const [size, align] = KERNEL[name] ?? [0, 1];
    const type = size >= 8 ? word : int;
    const id = add({ kind: "struct", name, size, members: size === 0 ? [] : [{ name: "x", type, bitOffset: 0 }] });
    ids.set(name, id);
    sizes.set(id, [size, align]);
    return id;
  };
  const tags: BtfType[] = [];
  for (const [name, body] of Object.entries(text)) {
    const members: Member[] = [];
    const contains: [tag: string, index: number][] = [];
    let off = 0;
    for (const part of body.split(";")) {
      const [label = "", spelled = ""] = part.split(":", 1).concat(part.slice(part.indexOf(":") + 1).trim());
      const words = spelled.split(" ");
      const last = words.find((word_) => word_.startsWith("contains:"));
      const [first = ""] = words;
      const count = Number(/\[(\d+)\]$/.exec(spelled)?.[1] ?? 1);
      let type = TAGS.includes(first)
        ? add({
            kind: "ptr",
            type: add({ kind: "type_tag", name: first, type: named((words[1] ?? "").replace(/\[.*/, "")) }),
          })
        : named(first.replace(/\[.*/, ""));
      const [size, align] = TAGS.includes(first) ? [8, 8] : (sizes.get(type) ?? [0, 1]);
      if (spelled.endsWith("]")) type = add({ kind: "array", element: type, index: int, count });
      off = Math.ceil(off / align) * align;
      if (last !== undefined) contains.push([last, members.length]);
      members.push({ name: label.trim(), type, bitOffset: off * 8 });
      off += size * count;
    }
    const size = Math.ceil(off / 8) * 8;
    const id = add({ kind: "struct", name, size, members });
    ids.set(name, id);
    sizes.set(id, [size, 8]);
    for (const [tag, component] of contains) tags.push({ kind: "decl_tag", name: tag, type: id, component });
  }
  types.push(...tags);
  return { types, ids };
}
