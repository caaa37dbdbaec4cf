// Functions of the kernel that programs call by name.
import {
  ArrayMap, Cell, CgroupAction, CgroupStorage, HashMap, XdpAction, cgroupOf, cgroupSkbEgress, currentPidTgid, taskOf, tc, TcAction,
  xdpFrags,
} from "ebpf-ts/std";

@unmanaged @final
class Words { a: u32; b: u32; }

export const flows = new HashMap<u32, Cell<u64>>(16);
export const traffic = new CgroupStorage<Cell<u64>>();
export const seen = new ArrayMap<Cell<u64>>(4);

/** Counts what a cgroup and its parent send, in the cgroups themselves. */
export const account = cgroupSkbEgress((skb) => {
  const cgroup = cgroupOf(skb.cgroupId);
  if (!cgroup) return CgroupAction.Pass;
  const bytes = traffic.getOrCreate(cgroup);
  if (bytes) bytes.add(skb.length);
  const parent = cgroup.ancestor(0);
  if (parent) {
    const all = traffic.getOrCreate(parent);
    if (all) all.add(skb.length);
    parent.release();
  }
  const inside = seen.get(0);
  if (inside) inside.value = cgroup.hasCurrentTask() ? 1 : 0;
  cgroup.release();
  return CgroupAction.Pass;
});
/** How many entries the map has. */
export const measure = xdpFrags((ctx) => {
  if (ctx.pullData(60) != 0) return XdpAction.Aborted;
  const words = ctx.at<Words>(0);
  if (!words) return XdpAction.Aborted;
  words.a = <u32>flows.size;
  return XdpAction.Pass;
});
/** Whether the current process is below the root cgroup. */
export const find = tc((skb) => {
  const task = taskOf(<i32>(currentPidTgid() >> 32));
  if (!task) return TcAction.Shot;
  const cgroup = cgroupOf(1);
  const found = cgroup ? task.isIn(cgroup) : false;
  if (cgroup) cgroup.release();
  task.release();
  return found ? TcAction.Ok : TcAction.Shot;
});
