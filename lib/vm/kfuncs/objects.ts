/**
 * Kernel functions on tasks and cgroups, which programs hold by opaque addresses (Host.objectAddress), and on other things
 * of the kernel. What is acquired must be released. Of tasks there is the current one, of cgroups those it is in and the one
 * that the program is attached to. Source: docs.kernel.org/bpf/kfuncs.html.
 */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import { isUnder, pathOf } from "../helpers/cgroups.ts";
import { s32, u32 } from "../helpers/helper.ts";
import type { Implementation } from "../helpers/helper.ts";
import type { Host } from "../host.ts";
import type { Cgroup } from "../world.ts";
import { int } from "./table.ts";
import type { KernelFunctions } from "./table.ts";

const TASK = "struct task_struct";
const CGROUP = "struct cgroup";

export const OBJECT_FUNCTIONS = {
  bpf_task_acquire: acquire(TASK),
  bpf_task_release: release("bpf_task_release"),
  bpf_task_from_pid: (host, r1) => taskOf(host, s32(r1)),
  bpf_task_from_vpid: (host, r1) => taskOf(host, s32(r1)),
  bpf_task_under_cgroup: (host, r1, r2) => {
    const task = host.object(r1);
    if (task !== host.world.task()) throw new Trap("argument", "bpf_task_under_cgroup of what is no task");
    return BigInt(isUnder(host.world.task().cgroup, host.object(r2)));
  },
  bpf_cgroup_acquire: acquire(CGROUP),
  bpf_cgroup_release: release("bpf_cgroup_release"),
  bpf_cgroup_from_id: (host, r1) => held(host, known(host).find(({ id }) => id === r1) ?? null, CGROUP),
  bpf_cgroup_ancestor: (host, r1, r2) => {
    const cgroup = known(host).find((one) => one === host.object(r1));
    return held(host, cgroup === undefined ? null : (pathOf(cgroup)[s32(r2)] ?? null), CGROUP);
  },
  /** Memory as another type, which changes nothing here. */
  bpf_rdonly_cast: (_host, r1) => r1,
  /** The kernel's own context, whose layout is nothing that is simulated. */
  bpf_cast_to_kern_ctx: (host) => {
    const { context } = host.run;
    return BigInt(host.objectAddress(context, `the kernel's structure behind ${context.kind}`));
  },
  bpf_map_sum_elem_count: (host, r1) => BigInt(host.map(r1).keys().length),
  bpf_xdp_pull_data: (host, _ctx, r2) => {
    const packet = host.packet("bpf_xdp_pull_data");
    if (!packet.pull(u32(r2))) return int(-ERRNO.EINVAL);
    host.run.context.point(packet);
    return 0n;
  },
} satisfies KernelFunctions;

function acquire(name: string): Implementation {
  return (host, r1) => (r1 === 0n ? 0n : held(host, host.object(r1), name));
}

function release(name: string): Implementation {
  return (host, r1) => {
    host.object(r1);
    host.run.references.release(Number(r1), name);
    return 0n;
  };
}

function held(host: Host, object: object | null, name: string): bigint {
  if (object === null) return 0n;
  const address = host.objectAddress(object, name);
  host.run.references.acquire(address, `a reference to a ${name}`);
  return BigInt(address);
}

function taskOf(host: Host, pid: number): bigint {
  const task = host.world.task();
  return held(host, task.pid === pid ? task : null, TASK);
}

function known(host: Host): readonly Cgroup[] {
  return [...pathOf(host.world.task().cgroup), ...pathOf(host.run.cgroup())];
}
