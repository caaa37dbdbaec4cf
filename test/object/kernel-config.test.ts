/** Values of the kernel's configuration as variables of programs have them. */
import { describe, expect, test } from "vitest";
import { BtfBuilder } from "../../lib/btf/index.ts";
import { adaptObject, kernelVersion, needsOf, parseKernelConfig } from "../../lib/object/index.ts";
import type { KernelConfig, ObjectSpec } from "../../lib/object/index.ts";
import { dataSectionTraits } from "../../lib/object/index.ts";
import { codeOf } from "../btf/code-of.ts";

const TEXT = `# made by hand
CONFIG_HZ=250
CONFIG_MINUS=-3
CONFIG_OFFSET=0xffffffff80000000
CONFIG_BPF=y
CONFIG_MODULE=m
# CONFIG_NOTHING is not set
CONFIG_NAME="a long name"
CONFIG_BPF_EVENTS=y
`;

const CONFIG: KernelConfig = { version: kernelVersion("6.12.3-generic"), options: parseKernelConfig(TEXT) };

const b = new BtfBuilder();
const TYPES = {
  bool: b.int("bool", 1, "bool"),
  char: b.int("char", 1, "signed"),
  s32: b.int("int", 4, "signed"),
  u32: b.int("unsigned int", 4),
  u64: b.int("unsigned long", 8),
  tristate: b.enum("libbpf_tristate", [
    { name: "TRI_NO", value: 0n },
    { name: "TRI_YES", value: 1n },
    { name: "TRI_MODULE", value: 2n },
  ]),
  text: b.array(b.int("char", 1, "signed"), 6),
};
const btf = b.finish();

function objectWith(name: string, type: keyof typeof TYPES, weak = false): ObjectSpec {
  const config = [{ name, offset: 8, type: TYPES[type], weak }];
  // prettier-ignore
  const map = {
    name: ".rodata.kconfig", type: "array", keySize: 4, valueSize: 16, maxEntries: 1, keyType: 0, valueType: 0,
    initial: new Uint8Array(16), inner: null, ...dataSectionTraits(".rodata.kconfig"), config,
  } as const;
  return { license: "GPL", programs: [], subprograms: [], maps: [map], btf };
}

// prettier-ignore
const ROWS: readonly [name: string, type: keyof typeof TYPES, bytes: readonly number[] | "O010"][] = [
  ["CONFIG_HZ",              "s32",      [250, 0, 0, 0]],
  ["CONFIG_HZ",              "u64",      [250, 0, 0, 0, 0, 0, 0, 0]],
  ["CONFIG_HZ",              "char",     "O010"],
  ["CONFIG_HZ",              "bool",     "O010"],
  ["CONFIG_HZ",              "text",     "O010"],
  ["CONFIG_MINUS",           "s32",      [253, 255, 255, 255]],
  ["CONFIG_MINUS",           "u32",      "O010"],
  ["CONFIG_OFFSET",          "u64",      [0, 0, 0, 128, 255, 255, 255, 255]],
  ["CONFIG_OFFSET",          "u32",      "O010"],
  ["CONFIG_BPF",             "bool",     [1]],
  ["CONFIG_BPF",             "tristate", [1, 0, 0, 0]],
  ["CONFIG_BPF",             "char",     [121]],
  ["CONFIG_BPF",             "s32",      "O010"],
  ["CONFIG_MODULE",          "tristate", [2, 0, 0, 0]],
  ["CONFIG_MODULE",          "bool",     "O010"],
  ["CONFIG_NAME",            "text",     [97, 32, 108, 111, 110]],
  ["CONFIG_NAME",            "u64",      "O010"],
  ["CONFIG_NOTHING",         "bool",     "O010"],
  ["LINUX_KERNEL_VERSION",   "s32",      [3, 12, 6, 0]],
  ["LINUX_HAS_BPF_COOKIE",   "bool",     [1]],
  // Not among the options above: a kernel without kprobes has nobody who could tell.
  ["LINUX_HAS_SYSCALL_WRAPPER", "bool",  [0]],
];

describe("values", () => {
  test.each(ROWS)("%s as %s", (name, type, bytes) => {
    const object = objectWith(name, type);
    if (bytes === "O010") return expect(codeOf(() => adaptObject(object, { config: CONFIG }))).toBe("O010");
    const adapted = adaptObject(object, { config: CONFIG });
    const expected = new Uint8Array(16);
    expected.set(bytes, 8);
    expect(adapted.maps[0]?.initial).toEqual(expected);
    expect(needsOf(adapted).config).toBe(false);
    expect(object.maps[0]?.initial).toEqual(new Uint8Array(16));
  });

  test("weak ones are 0 where the configuration does not say, an error where nobody knows the configuration", () => {
    const object = objectWith("CONFIG_NOTHING", "u64", true);
    expect(adaptObject(object, { config: CONFIG }).maps[0]?.initial).toEqual(new Uint8Array(16));
    expect(codeOf(() => adaptObject(object, { config: { ...CONFIG, options: null } }))).toBe("O010");
    expect(adaptObject(object, {})).toBe(object);
  });

  test.each([
    ["6.18", 0x061200],
    ["5.4.300-generic", 0x0504ff],
    ["5.14+rhel9.6", 0x050e00],
    ["next", 0],
  ])("version %s", (release, number) => {
    expect(kernelVersion(release)).toBe(number);
  });
});
