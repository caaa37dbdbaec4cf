// Ids of kernel types differ from kernel to kernel: a record names what its ids mean, so that they can be those of another.

const SLOT_SIZE = 8;
const IMMEDIATE = 4;

/** Makes records refer to `types`. What this kernel does not have gets id 0, which no kernel takes. */
export function rebase({ types }) {
  const ids = new Map();
  for (const [id, type] of types.entries()) {
    const key = `${type.kind} ${type.name ?? ""}`;
    if (!ids.has(key)) ids.set(key, id);
  }
  const idOf = (kind, name) => ids.get(`${kind} ${name}`) ?? 0;
  return (record) => {
    const code = Buffer.from(record.insns, "hex");
    for (const { insn, name, kind = "func" } of [...(record.kfuncs ?? []), ...(record.ksyms ?? [])]) {
      if (name) code.writeInt32LE(idOf(kind, name), insn * SLOT_SIZE + IMMEDIATE);
    }
    const insns = code.toString("hex");
    return record.attach === undefined ? { ...record, insns } : { ...record, insns, attach: attachOf(record.attach) };
  };

  function attachOf({ kind, name, member }) {
    const target = { btf_id: idOf(kind, name), kind, name };
    if (member === undefined) return target;
    const index = types[target.btf_id]?.members?.findIndex((row) => row.name === member) ?? -1;
    return { ...target, member, member_index: index };
  }
}
