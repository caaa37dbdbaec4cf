/** What kernels of which release have: facts from their documentation, picked by hand. */
import { describe, expect, test } from "vitest";
import type { Btf } from "../../../lib/btf/index.ts";
import { HELPER_NAMES, KERNEL_FUNCTIONS, TABLED_TYPES, mayCall, mayCallKernel } from "../../../lib/kernel/index.ts";
import type { AnyHelperName } from "../../../lib/kernel/index.ts";
import {
  OVERRIDES,
  RELEASES,
  RULES,
  makeProfile,
  profileOf,
  runningProfile,
  versionOf,
} from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";

function profile(name: string): KernelProfile {
  const found = profileOf(name);
  if (found === null) throw new Error(`no profile ${name}`);
  return found;
}

/** The first release of those with a profile for which something holds. */
function first(holds: (kernel: KernelProfile) => boolean): string | null {
  return RELEASES.find((release) => holds(profile(release))) ?? null;
}

// prettier-ignore
const FIRST: readonly (readonly [what: string, release: string | null, holds: (kernel: KernelProfile) => boolean])[] = [
  ["ringbuf_output", "5.10", (k) => k.mayCall("ringbuf_output", "xdp", null)],
  ["timers", "5.15", (k) => k.mayCall("timer_init", "xdp", null)],
  ["bpf_loop", "6.1", (k) => k.mayCall("loop", "xdp", null)],
  ["cgroup storage", "6.6", (k) => k.mayCall("cgrp_storage_get", "cgroup_skb", null)],
  ["a helper that a type never has", null, (k) => k.mayCall("skb_store_bytes", "xdp", null)],
  ["the command's name in tracing", "5.10", (k) => k.mayCall("get_current_comm", "tracepoint", null)],
  ["the command's name in xdp", "6.18", (k) => k.mayCall("get_current_comm", "xdp", null)],
  ["the cgroup's id in tc", "6.6", (k) => k.mayCall("get_current_cgroup_id", "sched_cls", null)],
  ["setsockopt when bound", "5.15", (k) => k.mayCall("setsockopt", "cgroup_sock_addr", "cgroup_inet4_bind")],
  ["setsockopt when connecting", "5.10", (k) => k.mayCall("setsockopt", "cgroup_sock_addr", "cgroup_inet4_connect")],
  ["dynptr slices", "6.6", (k) => k.mayCallKernel("bpf_dynptr_slice", "xdp")],
  ["tasks in tracepoints", "6.12", (k) => k.mayCallKernel("bpf_task_from_pid", "tracepoint")],
  ["tasks in tc", "6.6", (k) => k.mayCallKernel("bpf_task_from_pid", "sched_cls")],
  ["bloom filters", "6.1", (k) => k.hasMapType("bloom_filter")],
  ["arenas", "6.12", (k) => k.hasMapType("arena")],
  ["netfilter programs", "6.6", (k) => k.hasProgramType("netfilter", "netfilter")],
  ["syscall programs", "5.15", (k) => k.hasProgramType("syscall", null)],
  ["tcx programs load where tc's do", "5.10", (k) => k.hasProgramType("sched_cls", "tcx_ingress")],
  ["instruction set v4", "6.6", (k) => k.has("isa_v4")],
  ["atomics", "5.15", (k) => k.has("atomics")],
  ["load acquire", "6.18", (k) => k.has("load_acquire")],
  ["the current command in cgroup sysctl programs", "6.1", (k) => k.mayCall("get_current_comm", "cgroup_sysctl", "cgroup_sysctl")],
  ["programs that select a reuseport socket", "5.10", (k) => k.hasProgramType("sk_reuseport", "sk_reuseport_select")],
  ["unix socket addresses", "6.12", (k) => k.hasProgramType("cgroup_sock_addr", "cgroup_unix_connect")],
  ["stores to the stack at variable offsets, brought back", "5.10", (k) => k.has("variable_stack")],
  ["loops closed by falling through", "6.12", (k) => k.has("fall_through_loops")],
];

describe("profiles", () => {
  test.each(FIRST)("%s: from %s on", (_, release, holds) => {
    expect(first(holds)).toBe(release);
  });

  test("the newest has all that the kernel's tables have", () => {
    const newest = profile("6.18");
    for (const type of TABLED_TYPES) {
      for (const helper of HELPER_NAMES.filter((name): name is AnyHelperName => name !== "unspec"))
        expect(newest.mayCall(helper, type, null)).toBe(mayCall(helper, type, null));
      for (const name of KERNEL_FUNCTIONS) expect(newest.mayCallKernel(name, type)).toBe(mayCallKernel(name, type));
    }
  });

  test("what a kernel has, every newer one has", () => {
    for (const [, , holds] of FIRST) {
      const answers = RELEASES.map((release) => holds(profile(release)));
      expect(answers).toEqual(answers.toSorted((a, b) => Number(a) - Number(b)));
    }
    for (const since of Object.values(RULES)) expect(since).toBeLessThanOrEqual(6018);
  });

  test("names", () => {
    expect(profileOf("6.7")).toBeNull();
    expect(profileOf("nonsense")).toBeNull();
    expect(profileOf("5.14+nobody")).toBeNull();
    expect(versionOf("6.18.44")).toBe(6018);
    for (const { name, version } of OVERRIDES) expect(profileOf(name)).toMatchObject({ name, version });
  });

  test("overrides add and take away", () => {
    const kernel = makeProfile("mine", 5015, { has: ["helper loop", "rule may_goto"], lacks: ["map task_storage"] });
    expect(kernel.mayCall("loop", "xdp", null)).toBe(true);
    expect(kernel.mayCall("strncmp", "xdp", null)).toBe(false);
    expect(kernel.has("may_goto")).toBe(true);
    expect(kernel.hasMapType("task_storage")).toBe(false);
    expect(kernel.hasMapType("hash")).toBe(true);
  });
});

describe("the running kernel", () => {
  const helpers = HELPER_NAMES.map((name, value) => ({ name: `BPF_FUNC_${name}`, value: BigInt(value) }));
  const types = (names: number, functions: readonly string[]): Btf => ({
    types: [
      { kind: "void" },
      { kind: "enum", name: "bpf_func_id", size: 4, signed: false, values: helpers.slice(0, names) },
      ...functions.map((name) => ({ kind: "func", name, type: 0, linkage: "static" }) as const),
    ],
  });

  test("is what its release says", () => {
    const kernel = runningProfile(types(210, []), "6.1.55-generic");
    expect(kernel).toMatchObject({ name: "running (6.1.55-generic)", version: 6001 });
    expect(kernel.mayCall("user_ringbuf_drain", "xdp", null)).toBe(true);
    expect(kernel.mayCall("cgrp_storage_get", "xdp", null)).toBe(false);
  });

  test("lacks what it was built without", () => {
    const kernel = runningProfile(types(182, ["bpf_iter_num_new"]), "6.6.1");
    expect(kernel.mayCall("loop", "xdp", null)).toBe(true);
    expect(kernel.mayCall("strncmp", "xdp", null)).toBe(false);
    expect(kernel.mayCallKernel("bpf_iter_num_new", "xdp")).toBe(true);
    expect(kernel.mayCallKernel("bpf_dynptr_slice", "xdp")).toBe(false);
  });

  test("is newer than its release where a distribution brought the verifier of a newer one", () => {
    const kernel = runningProfile(types(212, ["bpf_throw", "bpf_iter_num_new"]), "5.14.0-503.el9");
    expect(kernel.version).toBe(6007);
    expect(kernel.has("isa_v4")).toBe(true);
    expect(kernel.mayCall("loop", "xdp", null)).toBe(true);
  });

  test("numbers CPUs up to the last that the machine may have", () => {
    const processors = (possible: string | null): number =>
      runningProfile(types(211, []), "6.18.44", possible).limits.processors;
    expect(["0\n", "0-1\n", "0-3,8\n", "0,2-5\n", "", null].map(processors)).toEqual([1, 2, 9, 6, 8192, 8192]);
  });

  test("has to have a release", () => {
    expect(() => runningProfile(types(1, []), "unknown")).toThrow(RangeError);
  });
});
