/** BTF values to the bytes of a `.BTF` section (and of BPF_BTF_LOAD). Equal values give equal bytes. */
import { Writer } from "../bytes/index.ts";
import { badValue } from "./diagnostics.ts";
import { HEADER_SIZE, INT_ENCODINGS, KIND_NUMBERS, LINKAGES, MAGIC, MAX_TYPES, MAX_VLEN, VERSION } from "./format.ts";
import type { Linkage } from "./format.ts";
import { referencesOf } from "./references.ts";
import { BtfStrings } from "./strings.ts";
import type { Btf, BtfType, Enumerator, Member } from "./types.ts";

/**
 * Encodes all types, little-endian. `strings` is shared with what else refers to the string table (`encodeBtfExt`,
 * `encodeLineInfo`): call those first, this last, since it writes the table out.
 * Throws DiagnosticError: B004 a type id out of range, B005 a bad string, B006 a value that does not fit.
 */
export function encodeBtf(btf: Btf, strings: BtfStrings = new BtfStrings()): Uint8Array {
  if (btf.types[0]?.kind !== "void") throw badValue("B003", "the first type is not void", "types[0]");
  if (btf.types.length > MAX_TYPES) throw tooBig("types", btf.types.length, MAX_TYPES);
  const body = new Writer();
  btf.types.forEach((type, id) => {
    if (id === 0) return;
    checkReferences(type, id, btf.types.length);
    encodeType(type, `types[${id}]`, body, strings);
  });
  const types = body.finish();
  const table = strings.finish();
  const out = new Writer().u16(MAGIC).u8(VERSION).u8(0).u32(HEADER_SIZE);
  out.u32(0).u32(types.length).u32(types.length).u32(table.length);
  return out.put(types).put(table).finish();
}

function encodeType(type: BtfType, path: string, out: Writer, strings: BtfStrings): void {
  const head = (name: string, vlen: number, flag: boolean, sizeOrType: number): void => {
    if (vlen > MAX_VLEN) throw tooBig(path, vlen, MAX_VLEN);
    const info = ((flag ? 1 : 0) << 31) | (KIND_NUMBERS[type.kind] << 24) | vlen;
    out
      .u32(strings.add(name))
      .u32(info >>> 0)
      .u32(fit(sizeOrType, 32, path));
  };
  switch (type.kind) {
    case "void":
      throw badValue("B003", "void is type 0 and no other", path);
    case "int": {
      head(type.name, 0, false, type.size);
      const bits = fit(type.bits ?? type.size * 8, 8, `${path}.bits`);
      out.u32((INT_ENCODINGS[type.encoding] << 24) | (fit(type.bitOffset ?? 0, 8, `${path}.bitOffset`) << 16) | bits);
      return;
    }
    case "ptr":
    case "volatile":
    case "const":
    case "restrict":
      return head("", 0, false, type.type);
    case "array":
      head("", 0, false, 0);
      out
        .u32(type.element)
        .u32(type.index)
        .u32(fit(type.count, 32, `${path}.count`));
      return;
    case "struct":
    case "union": {
      const flag = type.members.some((m) => (m.bitfieldSize ?? 0) > 0);
      head(type.name, type.members.length, flag, type.size);
      type.members.forEach((m, i) => encodeMember(m, flag, `${path}.members[${i}]`, out, strings));
      return;
    }
    case "enum":
      head(type.name, type.values.length, type.signed, type.size);
      type.values.forEach((v, i) => {
        out.u32(strings.add(v.name)).u32(Number(wrapEnumerator(v, 32, type.signed, `${path}.values[${i}]`)));
      });
      return;
    case "enum64":
      head(type.name, type.values.length, type.signed, type.size);
      type.values.forEach((v, i) => {
        out.u32(strings.add(v.name)).u64(wrapEnumerator(v, 64, type.signed, `${path}.values[${i}]`));
      });
      return;
    case "fwd":
      return head(type.name, 0, type.union, 0);
    case "typedef":
      return head(type.name, 0, false, type.type);
    case "type_tag":
      return head(type.name, 0, type.attribute === true, type.type);
    case "func":
      return head(type.name, linkageNumber(type.linkage), false, type.type);
    case "func_proto":
      head("", type.params.length, false, type.result);
      for (const p of type.params) out.u32(strings.add(p.name)).u32(p.type);
      return;
    case "var":
      head(type.name, 0, false, type.type);
      out.u32(linkageNumber(type.linkage));
      return;
    case "datasec":
      head(type.name, type.variables.length, false, type.size);
      type.variables.forEach((v, i) => {
        const at = `${path}.variables[${i}]`;
        out
          .u32(v.type)
          .u32(fit(v.offset, 32, at))
          .u32(fit(v.size, 32, at));
      });
      return;
    case "float":
      return head(type.name, 0, false, type.size);
    case "decl_tag":
      head(type.name, 0, type.attribute === true, type.type);
      out.u32(type.component >>> 0);
      return;
  }
}

/** With the kind flag a member's word is bitfield size (8 bits) and offset (24 bits), without it is the offset. */
function encodeMember(member: Member, flag: boolean, path: string, out: Writer, strings: BtfStrings): void {
  out.u32(strings.add(member.name)).u32(member.type);
  const offset = fit(member.bitOffset, flag ? 24 : 32, `${path}.bitOffset`);
  const size = fit(member.bitfieldSize ?? 0, 8, `${path}.bitfieldSize`);
  out.u32(flag ? ((size << 24) | offset) >>> 0 : offset);
}

/** The value in two's complement of `bits` bits, as an unsigned number. */
function wrapEnumerator(enumerator: Enumerator, bits: 32 | 64, signed: boolean, path: string): bigint {
  const stored = BigInt.asUintN(bits, enumerator.value);
  if ((signed ? BigInt.asIntN(bits, stored) : stored) !== enumerator.value) {
    throw badValue("B006", `the enumerator ${enumerator.name} does not fit`, path, {
      expected: `a ${signed ? "signed" : "unsigned"} ${bits}-bit number`,
      found: String(enumerator.value),
    });
  }
  return stored;
}

function linkageNumber(linkage: Linkage): number {
  return LINKAGES.indexOf(linkage);
}

function fit(value: number, bits: number, path: string): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) throw tooBig(path, value, 2 ** bits - 1);
  return value;
}

function tooBig(path: string, value: number, most: number): Error {
  return badValue("B006", "a number does not fit", path, {
    expected: `an integer from 0 to ${most}`,
    found: String(value),
  });
}

function checkReferences(type: BtfType, id: number, count: number): void {
  for (const to of referencesOf(type)) {
    if (Number.isInteger(to) && to >= 0 && to < count) continue;
    throw badValue("B004", "a type refers to one that is not there", `types[${id}]`, {
      expected: `a type id below ${count}`,
      found: String(to),
    });
  }
}
