/** Objects of clang, where it is installed: compiled into a directory of the caller. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Why nothing can be compiled that does without libbpf's headers (`PRELUDE`), or null. */
export function whyNoCompiler(): string | null {
  return spawnSync("clang", ["--version"]).status === 0 ? null : "clang is not installed";
}

/** Why nothing can be compiled, or null. */
export function whyNoClang(): string | null {
  return whyNoCompiler() ?? whyNoHeaders();
}

function whyNoHeaders(): string | null {
  return existsSync("/usr/include/bpf/bpf_helpers.h") ? null : "libbpf's headers (libbpf-dev) are not installed";
}

/** What programs take from libbpf's headers, as far as tests need it. */
export const PRELUDE = `
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, type) __typeof__(type) *name
#define __array(name, type) __typeof__(type) *name[]
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_tail_call)(void *ctx, void *map, __u32 index) = (void *)12;
struct __sk_buff { __u32 len, pkt_type, mark; };
struct xdp_md { __u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index; };
`;

/** Maps of several kinds, static and global subprograms, a program that shares a section, all sorts of global data. */
export const CLANG_SOURCE = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key { __u32 saddr; __u16 port; __u16 pad; };
struct stats { __u64 packets; __u64 bytes; };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct key);
	__type(value, struct stats);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
} slots SEC(".maps");

const volatile __u32 most = 7;
static const char format[] = "seen %d";
__u64 total = 5;
static __u64 seen;

static __attribute__((noinline)) int classify(__u64 packets) { seen++; return packets > most ? XDP_DROP : XDP_PASS; }
static __attribute__((noinline)) int other(int x) { total += x; return classify(total) + 1; }
__attribute__((noinline)) int shared(int x) { return x * 3; }

SEC("xdp")
int count(struct xdp_md *ctx)
{
	struct key key = { .saddr = ctx->ingress_ifindex };
	struct stats *stats = bpf_map_lookup_elem(&flows, &key);
	__u32 zero = 0;
	__u64 *slot = bpf_map_lookup_elem(&slots, &zero);
	if (slot) *slot += shared(ctx->rx_queue_index);
	if (!stats) { bpf_trace_printk(format, sizeof(format), key.saddr); return XDP_PASS; }
	return classify(stats->packets) ? other(3) : XDP_ABORTED;
}

SEC("xdp")
int pass(struct xdp_md *ctx) { return shared(ctx->ingress_ifindex) ? XDP_PASS : XDP_DROP; }

SEC("tc")
int tc_pass(struct __sk_buff *skb) { return classify(skb->len); }

char _license[] SEC("license") = "GPL";
`;

/** Compiles and gives the path of the object. */
export function compileWithClang(source: string, directory: string, flags: readonly string[] = ["-g"]): string {
  const input = join(directory, "source.c");
  const output = join(directory, "clang.o");
  writeFileSync(input, source);
  const multiarch = spawnSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).stdout?.trim() ?? "";
  const includes = ["/usr/include/x86_64-linux-gnu", `/usr/include/${multiarch}`].filter((path) => existsSync(path));
  const args = ["-target", "bpf", "-O2", ...flags, ...includes.map((path) => `-I${path}`), "-c", input, "-o", output];
  execFileSync("clang", args, { stdio: "pipe" });
  return output;
}
