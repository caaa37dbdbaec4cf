/**
 * Attaching to a sockmap or sockhash: the program then judges what the sockets in the map send (sk_msg) or receive (sk_skb).
 *
 * Links for sockmaps came with Linux 6.10; before, BPF_PROG_ATTACH binds program and map until somebody detaches.
 */
import { ATTACH_TYPES } from "../../lib/kernel/index.ts";
import { kernelError, loaderError } from "../errors.ts";
import type { BpfMap } from "../map.ts";
import type { Program } from "../program.ts";
import { bpf, mustBpf } from "../sys/calls.ts";
import { failedWith } from "../sys/errno.ts";
import { Link, requireType } from "./link.ts";
import type { Attachment } from "./link.ts";

/** Attaches to a map, which must stay open while attached. */
export function attachSockmap(program: Program, map: BpfMap<never, never>): Attachment {
  requireType(program, "sk_msg", "sk_skb");
  if (map.shape.type !== "sockmap" && map.shape.type !== "sockhash") {
    throw loaderError("L004", `${map.what} holds no sockets`, {
      expected: "sockmap or sockhash",
      found: map.shape.type,
    });
  }
  const hook = program.attach ?? (program.type === "sk_msg" ? "sk_msg_verdict" : "sk_skb_verdict");
  const where = `${hook} on ${map.what}`;
  const target = { prog_fd: program.fd, target: map.fd, attach_type: ATTACH_TYPES[hook] };
  const result = bpf("link_create", target);
  if (result >= 0) return new Link(result, where);
  if (failedWith(result, "EINVAL", "EOPNOTSUPP", "ENOTSUPP"))
    return new Binding(program, map, ATTACH_TYPES[hook], where);
  throw kernelError(`attach ${program.what} as ${where}`, result);
}

/** An attachment without a link: exists until detached, so closing detaches. */
class Binding implements Attachment {
  readonly where: string;
  private readonly map: BpfMap<never, never>;
  private readonly type: number;
  private program: Program | null = null;

  constructor(program: Program, map: BpfMap<never, never>, type: number, where: string) {
    this.where = where;
    this.map = map;
    this.type = type;
    this.update(program);
  }

  update(program: Program): void {
    const attr = { target_fd: this.map.fd, attach_bpf_fd: program.fd, attach_type: this.type };
    mustBpf(`attach ${program.what} as ${this.where}`, "prog_attach", attr);
    this.program = program;
  }

  detach(): void {
    const program = this.program;
    this.program = null;
    if (program === null || this.map.closed || program.closed) return; // the kernel detached it with the map
    const attr = { target_fd: this.map.fd, attach_bpf_fd: program.fd, attach_type: this.type };
    mustBpf(`detach ${this.where}`, "prog_detach", attr);
  }

  close(): void {
    this.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
