/** Attaching to a network namespace: sk_lookup (which socket gets a connection) and flow dissectors. */
import { closeSync } from "node:fs";
import { ATTACH_TYPES } from "../../lib/kernel/index.ts";
import type { Program } from "../program.ts";
import { mustBpf } from "../sys/calls.ts";
import { openNetns } from "../sys/netns.ts";
import { Link, requireType } from "./link.ts";

/** Attaches to the namespace that the file names; default: this process's own. */
export function attachNetns(program: Program, path = "/proc/self/ns/net"): Link {
  requireType(program, "sk_lookup", "flow_dissector");
  const netns = openNetns(path);
  try {
    const type = program.type === "sk_lookup" ? ATTACH_TYPES.sk_lookup : ATTACH_TYPES.flow_dissector;
    const where = `${program.type} on ${path}`;
    const what = `attach ${program.what} as ${where}`;
    return new Link(mustBpf(what, "link_create", { prog_fd: program.fd, target: netns, attach_type: type }), where);
  } finally {
    closeSync(netns);
  }
}
