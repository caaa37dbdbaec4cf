/** Clang's objects in the running kernel: CO-RE, the configuration, symbols that need not be there, maps that hold something. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeBtf } from "../../lib/btf/index.ts";
import { readElf } from "../../lib/elf/index.ts";
import { canLoad, load, runningConfig } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { PRELUDE, compileWithClang, whyNoCompiler } from "../elf/clang.ts";

const SOURCE = `${PRELUDE}
#define offset_of(type, member) __builtin_preserve_field_info(((type *)0)->member, 0)
struct task_struct___mine { int other; char comm[16]; } __attribute__((preserve_access_index));
struct task_struct___none { int no_such_member; } __attribute__((preserve_access_index));
extern int CONFIG_HZ __kconfig;
extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_NO_SUCH_OPTION __kconfig __weak;
void bpf_rcu_read_lock(void) __ksym __weak;
void bpf_rcu_read_unlock(void) __ksym __weak;
void bpf_no_such_function(void) __ksym __weak;

struct inner { __uint(type, 2); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } held SEC(".maps");
struct {
	__uint(type, 12); __uint(max_entries, 4); __type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [2] = &held } };

int other(void *ctx);
struct {
	__uint(type, 3); __uint(max_entries, 4); __uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [3] = (void *)&other } };

SEC("tc") int offset(void *ctx) { return offset_of(struct task_struct___mine, comm); }
SEC("tc") int absent(void *ctx) { return __builtin_preserve_field_info(((struct task_struct___none *)0)->no_such_member, 2) ? 1 : 7; }
SEC("tc") int hertz(void *ctx) { return CONFIG_NO_SUCH_OPTION ? -1 : CONFIG_HZ; }
SEC("tc") int version(void *ctx) { return LINUX_KERNEL_VERSION; }
SEC("tc") int weak(void *ctx)
{
	if (bpf_no_such_function) { bpf_no_such_function(); return 1; }
	if (!bpf_rcu_read_lock) return 2;
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 3;
}
SEC("tc") int holds(void *ctx)
{
	__u32 key = 2;
	void *map = bpf_map_lookup_elem(&outer, &key);
	key = 0;
	return map && bpf_map_lookup_elem(map, &key) ? 5 : 0;
}
SEC("tc") int other(void *ctx) { return 11; }
SEC("tc") int jump(void *ctx) { bpf_tail_call(ctx, &jumps, 3); return 0; }
SEC("?tc") int refused(void *ctx) { return *(int *)0; }

char _license[] SEC("license") = "GPL";
`;

const loadable = canLoad();
const reason = whyNoCompiler() ?? (loadable.ok ? null : loadable.reason);
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

describe.skipIf(reason !== null)("loaded", () => {
  const directory = mkdtempSync(join(tmpdir(), "kernel-adapted-"));
  let loaded: LoadedObject;
  beforeAll(async () => {
    loaded = await load(readElf(readFileSync(compileWithClang(SOURCE, directory))));
  });
  afterAll(() => {
    loaded?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const run = (program: string): number => loaded.program(program).testRun({ data: new Uint8Array(64) }).returnValue;

  test("the kernel's types decide", () => {
    const { types } = decodeBtf(readFileSync("/sys/kernel/btf/vmlinux"));
    const task = types.find((type) => type.kind === "struct" && type.name === "task_struct");
    const comm = task?.kind === "struct" ? task.members.find(({ name }) => name === "comm") : undefined;
    expect(run("offset")).toBe((comm?.bitOffset ?? 0) / 8);
    expect(run("absent")).toBe(7);
  });

  test("its configuration, too", (context) => {
    const { version, options } = runningConfig();
    expect(run("version")).toBe(version);
    if (options === null) context.skip("the kernel's configuration cannot be read");
    expect(run("hertz")).toBe(Number(options?.get("CONFIG_HZ")));
  });

  test("what the kernel has and what it lacks", () => {
    expect(run("weak")).toBe(3);
  });

  test("maps hold maps and programs from the start; optional programs stay out", () => {
    expect(run("holds")).toBe(5);
    expect(run("jump")).toBe(11);
    expect(loaded.programs.has("refused")).toBe(false);
  });
});
