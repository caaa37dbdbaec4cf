/** The tables of helpers, kernel functions and program types against the running kernel: one tiny program for each pair. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assemble, call, callKfunc, encode, exit, mov64, r0 } from "../../lib/asm/index.ts";
import { findFunctions } from "../../lib/btf/index.ts";
import type { Call } from "../../lib/isa/index.ts";
import {
  ATTACH_TYPES,
  HELPER_NAMES,
  KERNEL_FUNCTIONS,
  PROGRAM_TYPES,
  TABLED_TYPES,
  mayCall,
  mayCallKernel,
} from "../../lib/kernel/index.ts";
import type { AnyHelperName, AttachType, ProgramType } from "../../lib/kernel/index.ts";
import { canLoad } from "../../loader/index.ts";
import { encodeText } from "../../loader/sys/attr.ts";
import { bpf, closeFd } from "../../loader/sys/calls.ts";
import { textOf } from "../../loader/program.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: helpers of program types: ${loadable.reason}\n`);

/** Attach types to try for each type; null where there is none. */
// prettier-ignore
const ATTACH: { readonly [type in ProgramType]?: readonly (AttachType | null)[] } = {
  xdp: ["xdp", "xdp_devmap", "xdp_cpumap"],
  cgroup_skb: ["cgroup_inet_ingress", "cgroup_inet_egress"],
  cgroup_sock: ["cgroup_inet_sock_create", "cgroup_inet4_post_bind", "cgroup_inet6_post_bind", "cgroup_inet_sock_release"],
  cgroup_sock_addr: (Object.keys(ATTACH_TYPES) as AttachType[]).filter((name) => /^cgroup_(inet[46]_(bind|connect|get)|udp|unix)/.test(name)),
  cgroup_sockopt: ["cgroup_getsockopt", "cgroup_setsockopt"],
  sock_ops: ["cgroup_sock_ops"],
  sk_msg: ["sk_msg_verdict"],
  sk_skb: ["sk_skb_stream_parser", "sk_skb_stream_verdict", "sk_skb_verdict"],
  sk_lookup: ["sk_lookup"],
  sk_reuseport: ["sk_reuseport_select", "sk_reuseport_select_or_migrate"],
  flow_dissector: ["flow_dissector"],
  netfilter: ["netfilter"],
  cgroup_device: ["cgroup_device"],
  cgroup_sysctl: ["cgroup_sysctl"],
};
const SLEEPABLE = 1 << 4;

/** Whether the verifier lets programs of that type make the call, whatever else it has against this one. */
function kernelLets(made: Call, type: ProgramType, attach: AttachType | null): boolean {
  const insns = encode(assemble([made, mov64(r0, 0), exit()]));
  const log = new Uint8Array(4096);
  const result = bpf("prog_load", {
    prog_type: PROGRAM_TYPES[type],
    expected_attach_type: attach === null ? 0 : ATTACH_TYPES[attach],
    // Programs of type syscall are always sleepable.
    prog_flags: type === "syscall" ? SLEEPABLE : 0,
    insns,
    insn_cnt: insns.length / 8,
    license: encodeText("GPL"),
    log_level: 1,
    log_size: log.length,
    log_buf: log,
  });
  if (result >= 0) closeFd(result);
  const text = textOf(log);
  if (result < 0 && text === "")
    throw new Error(`${type} ${attach}: call ${JSON.stringify(made.target)}: errno ${-result} without a reason`);
  return result >= 0 || !/cannot use helper|calling kernel function .* is not allowed/.test(text);
}

describe.skipIf(!loadable.ok)("who may call which kernel function", () => {
  const ids = loadable.ok
    ? findFunctions(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")), new Set<string>(KERNEL_FUNCTIONS))
    : new Map<string, number>();
  const names = KERNEL_FUNCTIONS.filter((name) => ids.has(name));
  test.each(TABLED_TYPES.map((type) => [type] as const))("%s", (type) => {
    const attach = ATTACH[type]?.[0] ?? null;
    const real = names.filter((name) => kernelLets(callKfunc(ids.get(name) ?? 0), type, attach));
    expect(names.filter((name) => mayCallKernel(name, type))).toEqual(real);
  });
});

describe.skipIf(!loadable.ok)("who may call which helper", () => {
  test.each(TABLED_TYPES.map((type) => [type] as const))("%s", (type) => {
    for (const attach of ATTACH[type] ?? [null]) {
      const names = HELPER_NAMES.slice(1) as readonly AnyHelperName[];
      const real = names.filter((_, i) => kernelLets(call(i + 1), type, attach));
      expect({ attach, may: names.filter((name) => mayCall(name, type, attach)) }).toEqual({ attach, may: real });
    }
  });
});
