// Who loads the programs: root, one without CAP_PERFMON, or anybody. What may be loaded, and what the verifier guards against,
// hangs on it. A process cannot give capabilities away from JavaScript: the script starts itself again by `setpriv` (util-linux).
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** By name of the option: what the model is told, which capabilities go, and which hooks anybody may load (null: all). */
export const LOADERS = {
  root: { privileges: { bpf: true, perfmon: true }, drops: [], hooks: null },
  "no-perfmon": { privileges: { bpf: true, perfmon: false }, drops: ["perfmon", "sys_admin"], hooks: null },
  unprivileged: {
    privileges: { bpf: false, perfmon: false },
    drops: ["bpf", "perfmon", "sys_admin", "net_admin"],
    hooks: ["socket_filter", "cgroup_skb_ingress", "cgroup_skb_egress"],
  },
};

/** Set in the process that was started again: its descriptors from 3 on are what it may not make itself. */
const MARK = "EBPF_TS_FUZZ_LOADER";
export const FIRST_DESCRIPTOR = 3;
const SWITCH = "/proc/sys/kernel/unprivileged_bpf_disabled";

export function isRestarted() {
  return process.env[MARK] !== undefined;
}

/** Null, or why programs cannot be loaded as this one. */
export function missingFor(name) {
  if (name !== "unprivileged" || readFileSync(SWITCH, "utf8").trim() === "0") return null;
  return "anybody may load only with: sysctl kernel.unprivileged_bpf_disabled=0 (put it back afterwards)";
}

/** Runs this script again without the capabilities, with these open descriptors; its exit code. */
export function restart(name, descriptors) {
  const dropped = LOADERS[name].drops.map((capability) => `-${capability}`).join(",");
  const command = [`--bounding-set=${dropped}`, `--inh-caps=${dropped}`, process.execPath, ...process.argv.slice(1)];
  const { status, error } = spawnSync("setpriv", command, {
    stdio: ["inherit", "inherit", "inherit", ...descriptors],
    env: { ...process.env, [MARK]: name },
  });
  if (error === undefined) return status ?? 1;
  console.error(`setpriv (util-linux) is needed: ${error.message}`);
  return 3;
}
