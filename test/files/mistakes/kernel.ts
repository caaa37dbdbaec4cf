// Objects of the kernel that are acquired by kernel functions.
import { CgroupStorage, Cell, TcxAction, XdpAction, cgroupOf, random, taskOf, tcxIngress, xdp } from "ebpf-ts/std";

export const budgets = new CgroupStorage<Cell<u64>>();

export const parent = xdp((ctx) => {
  const group = cgroupOf(7);
  if (!group) return XdpAction.Pass;
  const above = group.ancestor(1);
  if (!above) {
    group.release();
    return XdpAction.Drop;
  }
  above.release();
  group.release();
  return XdpAction.Pass;
});

export const member = tcxIngress((skb) => {
  const task = taskOf(1);
  if (!task) return TcxAction.Pass;
  const group = cgroupOf(9);
  if (!group) {
    task.release();
    return TcxAction.Pass;
  }
  const inside = task.isIn(group);
  group.release();
  task.release();
  return inside ? TcxAction.Drop : TcxAction.Pass;
});

export const budget = xdp((ctx) => {
  const group = cgroupOf(3);
  if (!group) return XdpAction.Pass;
  const budget = budgets.getOrCreate(group);
  if (budget) budget.value += 1;
  group.release();
  return XdpAction.Pass;
});
