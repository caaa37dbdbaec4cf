/**
 * Attaching to a network interface: XDP and TCX (`tc` programs, Linux 6.6).
 *
 * An interface is named by its name or index; with `netns` it is looked up in that network namespace.
 */
import { ATTACH_TYPES } from "../../lib/kernel/index.ts";
import { check, kernelError, loaderError } from "../errors.ts";
import type { Program } from "../program.ts";
import { buildAttr, readField } from "../sys/attr.ts";
import { bpf, interfaceIndex, runAttr } from "../sys/calls.ts";
import { failedWith } from "../sys/errno.ts";
import { withNetns } from "../sys/netns.ts";
import { Link, POSITION_FLAGS, requireType } from "./link.ts";
import type { Position } from "./link.ts";

export interface InterfaceTarget {
  /** Name, or index in the namespace. */
  readonly interface: string | number;
  /** File of a network namespace (`/run/netns/NAME`, `/proc/PID/ns/net`); default: this process's. */
  readonly netns?: string;
}

/** The interface's index in its namespace. Throws a KernelError (ENODEV) when there is none of the name. */
export function indexOfInterface(target: InterfaceTarget): number {
  return withNetns(target.netns, () => indexHere(target.interface));
}

function indexHere(name: string | number): number {
  return typeof name === "number" ? name : interfaceIndex(name);
}

/** XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE, include/uapi/linux/if_link.h. `auto`: native, else generic. */
const XDP_MODES = { auto: 0, generic: 1 << 1, native: 1 << 2 } as const;
export type XdpMode = keyof typeof XDP_MODES;

export interface XdpTarget extends InterfaceTarget {
  readonly mode?: XdpMode;
}

/** Attaches an XDP program. One link per interface: EBUSY when there is one already. */
export function attachXdp(program: Program, target: XdpTarget): Link {
  requireType(program, "xdp");
  if (program.attach === "xdp_devmap" || program.attach === "xdp_cpumap") {
    throw loaderError("L004", `${program.what} runs behind a ${program.attach.slice(4)}, not at an interface`, {
      remedy: "put its descriptor into an entry of the map: { ..., program: program.fd }",
    });
  }
  const mode = target.mode ?? "auto";
  return attachToInterface(program, target, ATTACH_TYPES.xdp, `xdp on ${target.interface}`, (create) => {
    const result = create(XDP_MODES[mode]);
    // The driver has XDP but cannot use it as things are (an MTU too large, too few queues): generic can.
    const unable = mode === "auto" && failedWith(result, "EINVAL", "EOPNOTSUPP", "ERANGE", "ENOMEM");
    return unable ? create(XDP_MODES.generic) : result;
  });
}

export interface TcxTarget extends InterfaceTarget {
  /** Default: what the program's section says. */
  readonly direction?: "ingress" | "egress";
  readonly position?: Position;
}

/** Attaches a sched_cls program to the interface's TCX chain. */
export function attachTcx(program: Program, target: TcxTarget): Link {
  requireType(program, "sched_cls");
  const direction = target.direction ?? directionOf(program);
  const where = `tcx ${direction} on ${target.interface}`;
  return attachToInterface(program, target, ATTACH_TYPES[`tcx_${direction}`], where, (create) =>
    create(POSITION_FLAGS[target.position ?? "last"]),
  );
}

function directionOf(program: Program): "ingress" | "egress" {
  if (program.attach === "tcx_ingress") return "ingress";
  if (program.attach === "tcx_egress") return "egress";
  throw loaderError("L004", `${program.what} does not say whether it is for ingress or egress`, {
    remedy: 'give `direction: "ingress"` or `"egress"`',
  });
}

type Create = (flags: number) => number;

function attachToInterface(
  program: Program,
  target: InterfaceTarget,
  attachType: number,
  where: string,
  attempt: (create: Create) => number,
): Link {
  const result = withNetns(target.netns, () => {
    const index = indexHere(target.interface);
    return attempt((flags) =>
      bpf("link_create", { prog_fd: program.fd, target: index, attach_type: attachType, flags }),
    );
  });
  if (result < 0) {
    const taken = failedWith(result, "EBUSY", "EEXIST");
    const remedy = taken ? { remedy: "another program is attached there: detach it, or replace it with update()" } : {};
    throw kernelError(`attach ${program.what} as ${where}`, result, remedy);
  }
  return new Link(result, where);
}

/** Room for as many programs as a TCX chain can have (BPF_MPROG_MAX, include/linux/bpf_mprog.h). */
const MAX_CHAIN = 64;

/** Ids of the programs of an interface's TCX chain, in the order in which they run, whoever attached them. */
export function listTcx(target: InterfaceTarget, direction: "ingress" | "egress"): readonly number[] {
  return withNetns(target.netns, () => {
    const index = indexHere(target.interface);
    const ids = new Uint8Array(MAX_CHAIN * 4);
    const attach_type = ATTACH_TYPES[`tcx_${direction}`];
    const attr = buildAttr("prog_query", { target: index, attach_type, prog_ids: ids, prog_cnt: MAX_CHAIN });
    check(runAttr(attr), `list the programs of tcx ${direction} on ${target.interface}`);
    const view = new DataView(ids.buffer);
    return Array.from({ length: readField("prog_query", attr, "prog_cnt") }, (_, i) => view.getUint32(i * 4, true));
  });
}
