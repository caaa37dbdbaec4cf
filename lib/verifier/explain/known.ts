/** What is known of a value at some point of a path, in words: of a register of our walk, or of a kernel's notation for one. */
import type { Reg, RegKind } from "../state/index.ts";
import { FLAG, KIND_WORDS } from "../state/index.ts";

export interface Known {
  readonly kind: RegKind;
  readonly maybeNull: boolean;
  /** `a number, 0 to 255`, `a value of map flows, or null`. */
  readonly text: string;
}

interface Facts {
  readonly kind: RegKind;
  readonly maybeNull: boolean;
  readonly map: string | null;
  /** Bytes, of memory. */
  readonly size: number | null;
  /** Name of a structure, of an object. */
  readonly struct: string | null;
  readonly ringbuf: boolean;
  /** Bytes from the start of the pointer's base that are proven to be in the packet. */
  readonly proven: number | null;
  readonly numbers: Numbers | null;
}

/** A number's bounds, or a pointer's variable offset. */
interface Numbers {
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
}

const UMAX = (1n << 64n) - 1n;
const SMAX = (1n << 63n) - 1n;
const SMIN = -(1n << 63n);

function describe(facts: Facts): Known {
  const { kind, maybeNull, map, size, struct, ringbuf, proven, numbers } = facts;
  let text = KIND_WORDS[kind];
  if (kind === "map" && map !== null) text = `the map ${map}`;
  if ((kind === "map_value" || kind === "map_key") && map !== null)
    text = `a ${kind === "map_value" ? "value" : "key"} of ${map}`;
  if (kind === "mem" && size !== null) text = `${size} bytes of memory`;
  if (ringbuf) text = "a ring buffer record";
  if (kind === "object" && struct !== null) text = `a kernel object (${struct})`;
  if (kind === "scalar" && numbers !== null) text = describeNumber(numbers);
  if (kind === "packet" && proven !== null) text += `, ${proven === 0 ? "no" : proven} bytes proven`;
  if (kind !== "scalar" && numbers !== null && numbers.umax !== 0n) text += `, moved by ${describeRange(numbers)}`;
  return { kind, maybeNull, text: maybeNull ? `${text}, or null` : text };
}

function describeNumber(numbers: Numbers): string {
  const { umin, umax } = numbers;
  if (umin === umax) return `the number ${numbers.smin < 0n ? numbers.smin : umin}`;
  const range = describeRange(numbers);
  return range === ANY ? "any number" : `a number, ${range}`;
}

const ANY = "any amount";

function describeRange({ umin, umax, smin, smax }: Numbers): string {
  if (umax <= SMAX && (umin > 0n || umax < UMAX)) return umin === umax ? `${umin}` : `${umin} to ${umax}`;
  if (umin > 0n && smin < 0n && smax === SMAX) return `${umin} or more`;
  if (smin > SMIN || smax < SMAX) return `${smin} to ${smax}`;
  return ANY;
}

/** A register of our walk. */
export function knownOfReg(reg: Reg): Known {
  const { kind, flags, map, size, btf, type, num, range } = reg;
  const object = kind === "object" && btf !== null ? btf.types[type] : undefined;
  return describe({
    kind,
    maybeNull: (flags & FLAG.maybe_null) !== 0,
    map: map === null ? null : map.map.spec.name,
    size: kind === "mem" ? size : null,
    struct: object !== undefined && "name" in object && object.name !== "" ? object.name : null,
    ringbuf: (flags & FLAG.ringbuf) !== 0,
    proven: kind === "packet" ? range : null,
    numbers: { umin: num.umin, umax: num.umax, smin: num.smin, smax: num.smax },
  });
}

// ---- the kernels' notation

/** Kernels' words for kinds, longest first where one starts another. */
// prettier-ignore
const KINDS: readonly (readonly [word: RegExp, kind: RegKind])[] = [
  [/^(scalar|inv|P|-?\d|0x)/, "scalar"], [/^ctx/, "ctx"], [/^(map_ptr|const_ptr_to_map)/, "map"], [/^map_value/, "map_value"],
  [/^map_key/, "map_key"], [/^fp/, "stack"], [/^pkt_meta/, "packet_meta"], [/^pkt_end/, "packet_end"], [/^pkt/, "packet"],
  [/^flow_keys/, "flow_keys"], [/^sock_common/, "sock_common"], [/^sock/, "socket"], [/^tcp_sock/, "tcp_sock"],
  [/^xdp_sock/, "xdp_sock"], [/^tp_buffer/, "tp_buffer"], [/ptr_/, "object"], [/dynptr/, "dynptr"], [/^func/, "func"],
  [/^arena/, "arena"], [/mem/, "mem"], [/buf/, "buf"],
];

/** `map_value_or_null(id=1,map=flows,ks=4,vs=8)`, `inv(id=0,umax_value=255,var_off=(0x0; 0xff))`, `fp-8`, `5`. */
export function knownOfWords(words: string): Known {
  const [, word = "", inside = ""] = /^([^(]*)\(?(.*?)\)?$/.exec(words) ?? [];
  const kind = word === "" ? "none" : (KINDS.find(([pattern]) => pattern.test(word))?.[1] ?? "none");
  const attributes = readAttributes(inside);
  const number = (name: string): number | null => (attributes.has(name) ? Number(attributes.get(name)) : null);
  const struct = /ptr_(?:or_null_)?(\w+)$/.exec(word)?.[1];
  return describe({
    kind,
    maybeNull: word.includes("or_null"),
    map: attributes.get("map") ?? null,
    size: kind === "mem" ? (number("sz") ?? number("mem_size")) : null,
    struct: kind === "object" && struct !== undefined && struct !== "or_null_" ? struct : null,
    ringbuf: word.startsWith("ringbuf_mem") || (word.startsWith("alloc_mem") && attributes.has("ref_obj_id")),
    proven: kind === "packet" ? (number("r") ?? 0) : null,
    numbers: kind === "scalar" || attributes.size > 0 ? readNumbers(kind, word, attributes) : null,
  });
}

/** `smin=smin32=0,umax=255,var_off=(0x0; 0xff),fixed`: by name; several names may share a value. */
function readAttributes(inside: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [part] of inside.matchAll(/(?:[^,(]|\([^)]*\))+/g)) {
    const names = part.split("=");
    const value = names.pop() ?? "";
    for (const name of names) attributes.set(name.replace(/_value$/, ""), value);
  }
  return attributes;
}

function readNumbers(kind: RegKind, word: string, attributes: ReadonlyMap<string, string>): Numbers | null {
  const constant = /^(?:inv|scalar|P)?(-?(?:0x[0-9a-f]+|\d+))$/i.exec(word.replace(/^invP/, ""))?.[1];
  const value = constant === undefined ? null : readInteger(constant);
  if (value !== null) {
    return {
      umin: BigInt.asUintN(64, value),
      umax: BigInt.asUintN(64, value),
      smin: BigInt.asIntN(64, value),
      smax: BigInt.asIntN(64, value),
    };
  }
  const bound = (name: string, otherwise: bigint): bigint => readInteger(attributes.get(name) ?? "") ?? otherwise;
  const isBounded = ["umin", "umax", "smin", "smax"].some((name) => attributes.has(name));
  if (kind !== "scalar" && !isBounded) return null;
  const umax = bound("umax", UMAX);
  const smin = bound("smin", umax <= SMAX ? 0n : SMIN);
  const smax = bound("smax", umax <= SMAX ? umax : SMAX);
  return { umin: bound("umin", 0n), umax, smin, smax };
}

/** Null for what is not an integer. */
function readInteger(text: string): bigint | null {
  const match = /^(-?)(0x[0-9a-f]+|\d+)$/i.exec(text);
  if (match === null) return null;
  const size = BigInt(match[2] as string);
  return match[1] === "-" ? -size : size;
}
