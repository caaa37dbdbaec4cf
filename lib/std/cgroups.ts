// Cgroups and tasks of the kernel, by its functions (kfuncs): what they give must be released on every path.
import {
  bpf_cgroup_ancestor, bpf_cgroup_from_id, bpf_cgroup_release, bpf_task_from_pid, bpf_task_release, bpf_task_under_cgroup,
  get_current_task_btf,
} from "./bpf";

/** A cgroup of the unified hierarchy. */
@final @unmanaged
export class Cgroup {
  /** The ancestor at a level, 0 being the root, or null; release it too. */
  ancestor(level: i32): Cgroup | null { return changetype<Cgroup | null>(bpf_cgroup_ancestor(changetype<usize>(this), level)); }
  /** Whether the current task is in the cgroup or below it. */
  hasCurrentTask(): bool { return bpf_task_under_cgroup(get_current_task_btf(), changetype<usize>(this)) != 0; }
  /** Gives the reference back. */
  release(): void { bpf_cgroup_release(changetype<usize>(this)); }
}

/** The cgroup with an id (`currentCgroupId`, `skb.cgroupId`), or null. */
export function cgroupOf(id: u64): Cgroup | null {
  return changetype<Cgroup | null>(bpf_cgroup_from_id(id));
}

/** A task: a thread of a process. */
@final @unmanaged
export class Task {
  /** Whether it is in the cgroup or below it. */
  isIn(cgroup: Cgroup): bool { return bpf_task_under_cgroup(changetype<usize>(this), changetype<usize>(cgroup)) != 0; }
  release(): void { bpf_task_release(changetype<usize>(this)); }
}

/** The task with a pid of the initial namespace, or null. */
export function taskOf(pid: i32): Task | null {
  return changetype<Task | null>(bpf_task_from_pid(pid));
}
