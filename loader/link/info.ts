/** What the kernel tells of an attachment: which program, and at what. */
import type { Link } from "./link.ts";
import { getInfo } from "../sys/calls.ts";

/** `target` is 0 where it has gone: an interface that was deleted, a namespace or cgroup that ended. */
export interface LinkInfo {
  readonly id: number;
  /** `Program.id` of what is attached. */
  readonly program: number;
  readonly kind: "cgroup" | "netns" | "xdp" | "tcx" | "sockmap" | "other";
  /** Index of the interface, inode of the namespace, id of the cgroup (its folder's inode), or id of the map. */
  readonly target: number;
}

/** enum bpf_link_type, include/uapi/linux/bpf.h. */
const KINDS: Readonly<Record<number, LinkInfo["kind"]>> = {
  3: "cgroup",
  5: "netns",
  6: "xdp",
  11: "tcx",
  14: "sockmap",
};

/** struct bpf_link_info, include/uapi/linux/bpf.h. */
export function linkInfo(link: Link): LinkInfo {
  const info = getInfo(link.fd, 32);
  const kind = KINDS[info.getUint32(0, true)] ?? "other";
  const target = kind === "cgroup" ? Number(info.getBigUint64(16, true)) : info.getUint32(16, true);
  return { id: info.getUint32(4, true), program: info.getUint32(8, true), kind, target: kind === "other" ? 0 : target };
}
