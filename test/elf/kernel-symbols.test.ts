/** What clang's objects use of the kernel and hold from the start: symbols, configuration, entries of maps, tables of functions. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decode } from "../../lib/asm/index.ts";
import { BtfBuilder } from "../../lib/btf/index.ts";
import { inspectElf, readElf, writeElf } from "../../lib/elf/index.ts";
import { adaptObject, canonicalize, kernelVersion } from "../../lib/object/index.ts";
import type { MapSpec, ObjectSpec } from "../../lib/object/index.ts";
import { requestOf } from "../../lib/verifier/index.ts";
import { codeOf } from "../btf/code-of.ts";
import { PRELUDE, compileWithClang, whyNoCompiler } from "./clang.ts";

const SOURCE = `${PRELUDE}
struct task_struct___mine;
struct task_struct___mine *bpf_task_from_pid(int pid) __ksym;
void bpf_absent(void) __ksym __weak;
extern const int there __ksym;
extern const int gone __ksym __weak;
extern const void untyped __ksym;
extern const void untyped_gone __ksym __weak;
extern int CONFIG_HZ __kconfig;
extern _Bool CONFIG_GONE __kconfig __weak;
extern char CONFIG_NAME[5] __kconfig;
extern int LINUX_KERNEL_VERSION __kconfig;
__u64 zeros SEC(".bss.own");

struct inner { __uint(type, 2); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); };
struct inner first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, 12); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &first, [3] = &second } };

int target(void *ctx);
struct {
	__uint(type, 3); __uint(max_entries, 8); __uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [5] = (void *)&target } };

SEC("?tc") int target(void *ctx) { return 0; }

__attribute__((noinline)) __hidden int hidden(struct __sk_buff *skb) { return skb->len; }

SEC("tc") int uses(struct __sk_buff *skb)
{
	if (bpf_absent) bpf_absent();
	bpf_task_from_pid(1);
	bpf_tail_call(skb, &jumps, 5);
	zeros = (__u64)&there + (__u64)&gone + (__u64)&untyped + (__u64)&untyped_gone;
	return CONFIG_HZ + CONFIG_GONE + CONFIG_NAME[1] + LINUX_KERNEL_VERSION + hidden(skb) + (bpf_map_lookup_elem(&outer, &skb->len) != 0);
}

struct ops___mine { int number; int (*absent)(int); int (*run)(int); };
SEC("struct_ops/run") int run_it(__u64 *ctx) { return 0; }
SEC(".struct_ops.link") struct ops___mine table = { .number = 7, .run = (void *)run_it };

char _license[] SEC("license") = "GPL";
`;

const noClang = whyNoCompiler();

describe.skipIf(noClang !== null)(`clang's objects and the kernel${noClang === null ? "" : ` (${noClang})`}`, () => {
  let directory: string;
  let bytes: Uint8Array;
  let object: ObjectSpec;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "elf-kernel-"));
    bytes = Uint8Array.from(readFileSync(compileWithClang(SOURCE, directory)));
    object = readElf(bytes);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const mapOf = (name: string): MapSpec | undefined => object.maps.find((map) => map.name === name);
  const config = {
    version: kernelVersion("6.12"),
    options: new Map([
      ["CONFIG_HZ", "100"],
      ["CONFIG_NAME", '"abcdef"'],
    ]),
  };

  function kernelTypes() {
    const b = new BtfBuilder();
    const int = b.int("int", 4, "signed");
    const task = b.struct("task_struct", 8, []);
    const run = b.ptr(b.funcProto(int, []));
    return {
      kfunc: b.func("bpf_task_from_pid", b.funcProto(b.ptr(task), [{ name: "pid", type: int }]), "global"),
      there: b.var("there", b.const(int), "global"),
      ops: b.struct("ops", 24, [
        { name: "run", type: run, bitOffset: 0 },
        { name: "number", type: int, bitOffset: 64 },
      ]),
      btf: b.finish(),
    };
  }

  test("what is referred to, and what need not be there", () => {
    const uses = object.programs.find(({ name }) => name === "uses");
    const kernel = uses?.relocations.filter(({ kind }) => kind === "kfunc" || kind === "ksym");
    expect(kernel).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "ksym", ksym: "bpf_absent", weak: true }),
        expect.objectContaining({ kind: "kfunc", kfunc: "bpf_absent", weak: true }),
        expect.objectContaining({ kind: "kfunc", kfunc: "bpf_task_from_pid" }),
        expect.objectContaining({ kind: "ksym", ksym: "there" }),
        expect.objectContaining({ kind: "ksym", ksym: "gone", weak: true }),
        expect.objectContaining({ kind: "ksym", ksym: "untyped" }),
        expect.objectContaining({ kind: "ksym", ksym: "untyped_gone", weak: true }),
      ]),
    );
  });

  test("they become ids, addresses, zeros and calls that no kernel takes", () => {
    const { btf, kfunc, there } = kernelTypes();
    const request = requestOf(object, "uses", { kernel: btf, symbols: new Map([["untyped", 0xffffffff81000010n]]) });
    const insns = decode(request.code);
    const loads = insns.flatMap((insn) =>
      insn.kind === "load_imm64" && insn.pseudo !== "map_value" && insn.pseudo !== "map_fd" ? [insn] : [],
    );
    const values = loads.map(({ pseudo, imm }) => [pseudo, imm]);
    expect(values).toContainEqual(["btf_id", BigInt(there)]);
    expect(values).toContainEqual(["none", 0xffffffff81000010n]);
    expect(values.filter(([pseudo, imm]) => pseudo === "none" && imm === 0n)).toHaveLength(3);
    const calls = insns.flatMap((insn) => (insn.kind === "call" ? [insn.target] : []));
    expect(calls).toContainEqual({ kind: "kfunc", btfId: kfunc, off: 0 });
    expect(calls).toContainEqual({ kind: "helper", id: 2002000000 });
    expect(request.unknown).toBeUndefined();
    expect(requestOf(object, "uses", { kernel: btf }).unknown).toMatch(/^the address of untyped/);
    expect(requestOf(object, "uses").unknown).toMatch(/without the kernel's types$/);
  });

  test("the configuration becomes read-only data", () => {
    const data = mapOf(".rodata.kconfig");
    expect(data?.config?.map(({ name, offset, weak }) => [name, offset, weak])).toEqual([
      ["CONFIG_HZ", 0, false],
      ["LINUX_KERNEL_VERSION", 4, false],
      ["CONFIG_GONE", 8, true],
      ["CONFIG_NAME", 9, false],
    ]);
    const adapted = adaptObject(object, { config });
    const initial = adapted.maps.find(({ name }) => name === ".rodata.kconfig")?.initial;
    expect(Array.from(initial ?? [])).toEqual([100, 0, 0, 0, 0, 12, 6, 0, 0, 97, 98, 99, 100, 0]);
  });

  test("what maps hold from the start", () => {
    expect(mapOf("outer")?.entries).toEqual([
      { index: 1, name: "first" },
      { index: 3, name: "second" },
    ]);
    expect(mapOf("jumps")?.entries).toEqual([{ index: 5, name: "target" }]);
    expect(mapOf("table")).toMatchObject({
      type: "struct_ops",
      flags: 1 << 13,
      entries: [{ index: 2, name: "run_it" }],
    });
    expect(mapOf(".bss.own")).toMatchObject({ valueSize: 8, frozen: false });
  });

  test("a program that implements a member finds it by name", () => {
    const { btf, ops } = kernelTypes();
    expect(requestOf(object, "run_it", { kernel: btf }).target).toEqual({ type: ops, member: 0 });
  });

  test("optional programs, hidden functions", () => {
    const programs = object.programs.map(({ name, section, optional }) => [name, section, optional]);
    expect(programs).toContainEqual(["target", "tc", true]);
    expect(programs).toContainEqual(["uses", "tc", undefined]);
    const [hidden] = object.subprograms;
    expect(hidden?.linkage).toBe("static");
    expect(object.btf.types[hidden?.btfId ?? 0]).toMatchObject({ kind: "func", linkage: "static" });
  });

  test("it is written and read again, but for tables of functions and what the configuration has not filled in", () => {
    expect(codeOf(() => writeElf(object))).toBe("O011");
    const adapted = adaptObject(object, { config });
    const plain = { ...adapted, maps: adapted.maps.filter(({ type }) => type !== "struct_ops") };
    expect(readElf(writeElf(plain))).toEqual(canonicalize(plain));
  });

  test("cut off or with a bit flipped it is an object or a coded error", () => {
    const codes = new Set<string | null>();
    for (let i = 0; i < 200; i++) {
      const damaged = bytes.slice(0, i % 2 === 0 ? bytes.length : Math.floor((bytes.length * i) / 200));
      const at = (i * 7919) % Math.max(damaged.length, 1);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (i % 8));
      codes.add(codeOf(() => inspectElf(damaged)));
    }
    for (const code of codes) if (code !== null) expect(code).toMatch(/^([ABEO]\d{3})$/);
    expect(codes.size).toBeGreaterThan(3);
  });
});
