/**
 * Values of the kernel's configuration, which programs declare as `extern … __kconfig`: options of the file that the kernel was
 * built with (`CONFIG_HZ`), and facts that libbpf finds out itself (`LINUX_KERNEL_VERSION`).
 *
 * The type of the variable says what a value may be: `y`, `m` and `n` go into a bool, a char or the enumeration
 * libbpf_tristate, numbers into integers, quoted text into arrays of characters. Source: docs.kernel.org/bpf/libbpf and the macro
 * __kconfig of libbpf's bpf_helpers.h.
 */
import { resolveType, sizeOf } from "../btf/index.ts";
import type { Btf, TypeId } from "../btf/index.ts";

export interface KernelConfig {
  /** Version, patch level and sublevel in a byte each: 6.12.3 is 0x060c03. */
  readonly version: number;
  /** Options by name as the file spells them (`y`, `250`, `"text"`); null where nobody knows them. */
  readonly options: ReadonlyMap<string, string> | null;
}

/** `6.12.3-generic` as a number; 0 for text that does not begin with a release. A sublevel beyond 255 counts as 255. */
export function kernelVersion(release: string): number {
  const [, version = "0", patch = "0", sublevel = "0"] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release) ?? [];
  return Number(version) * 0x10000 + Number(patch) * 0x100 + Math.min(Number(sublevel), 0xff);
}

/** The options of a configuration file's text. What is not set is not in it. */
export function parseKernelConfig(text: string): Map<string, string> {
  const lines = text.matchAll(/^(CONFIG_\w+)=(.*)$/gm);
  return new Map(Array.from(lines, ([, name = "", value = ""]) => [name, value.trimEnd()]));
}

/** What libbpf finds out by trying: the first release that has it, and the option that a kernel with it is built with. */
const FACTS: ReadonlyMap<string, readonly [since: number, option: string]> = new Map([
  ["LINUX_HAS_BPF_COOKIE", [0x050f00, "CONFIG_BPF_EVENTS"]],
  // The machine has its say, too: x86-64 and arm64 have it, and libbpf asks by tracing such a wrapper.
  ["LINUX_HAS_SYSCALL_WRAPPER", [0x041100, "CONFIG_KPROBES"]],
]);

/** The value as the file would spell it; undefined where there is none. */
export function configValue(name: string, { version, options }: KernelConfig): string | undefined {
  if (name === "LINUX_KERNEL_VERSION") return String(version);
  const fact = FACTS.get(name);
  if (fact === undefined) return options?.get(name);
  const [since, option] = fact;
  return version >= since && (options === null || options.has(option)) ? "y" : "n";
}

/** May the value be asked of a kernel whose options nobody knows? */
export function isFact(name: string): boolean {
  return name === "LINUX_KERNEL_VERSION" || FACTS.has(name);
}

/** The value as the bytes of a variable of the type, little-endian; null where it does not fit. Throws B004, B008 for bad types. */
export function encodeConfig(value: string, btf: Btf, id: TypeId): Uint8Array | null {
  const { type } = resolveType(btf, id);
  const size = sizeOf(btf, id);
  if (value.startsWith('"')) return encodeText(value, type.kind === "array" ? size : 0);
  if (value === "y" || value === "m" || value === "n") {
    if (type.kind === "int" && type.encoding === "bool")
      return value === "m" ? null : number(value === "y" ? 1n : 0n, 1);
    if (type.kind === "int" && size === 1) return number(BigInt(value.charCodeAt(0)), 1);
    if ((type.kind === "enum" || type.kind === "enum64") && type.name === "libbpf_tristate")
      return number({ n: 0n, y: 1n, m: 2n }[value], size);
  }
  if (type.kind !== "int" || type.encoding === "bool" || size > 8) return null;
  const parsed = parseNumber(value);
  if (parsed === null) return null;
  const fits = type.encoding === "signed" ? BigInt.asIntN(size * 8, parsed) : BigInt.asUintN(size * 8, parsed);
  return fits === parsed ? number(parsed, size) : null;
}

/** Decimal, hexadecimal (`0x`) or octal (`0`), with a sign. */
function parseNumber(text: string): bigint | null {
  const [, sign = "", digits = ""] = /^([-+]?)(0x[0-9a-fA-F]+|\d+)$/.exec(text) ?? [];
  const octal = /^0[0-7]+$/.test(digits);
  if (digits === "" || (!octal && /^0\d/.test(digits))) return null;
  const value = BigInt(octal ? `0o${digits}` : digits);
  return sign === "-" ? -value : value;
}

function number(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes.slice(0, size);
}

/** Zero-terminated, cut where the array ends. */
function encodeText(value: string, size: number): Uint8Array | null {
  if (size === 0 || value.length < 2 || !value.endsWith('"')) return null;
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(value.slice(1, -1)).subarray(0, size - 1));
  return bytes;
}
