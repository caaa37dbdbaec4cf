/**
 * The running kernel asked by one without CAP_PERFMON (and without CAP_SYS_ADMIN, which stands for it): in a process of its own,
 * whose capabilities end with it. It runs the built package, as scripts/kernel-verifier does.
 */
import { spawnSync } from "node:child_process";
import { serialize } from "node:v8";
import type { LoadRequest } from "../../../lib/verifier/index.ts";
import type { KernelAnswer } from "../../../scripts/kernel-verifier/kernel.mjs";

const KERNEL = new URL("../../../scripts/kernel-verifier/kernel.mjs", import.meta.url).href;
const WITHOUT = "-perfmon,-sys_admin";
const SCRIPT = `
  import { readFileSync } from "node:fs";
  import { deserialize } from "node:v8";
  import { KernelVerifier } from ${JSON.stringify(KERNEL)};
  const verifier = new KernelVerifier();
  const { requests, level } = deserialize(readFileSync(0));
  process.stdout.write(JSON.stringify(requests.map((request) => verifier.load(request, level))));
`;

/** Whether the tool is there that starts a process with fewer capabilities (util-linux). */
export const canLimit: boolean = spawnSync("setpriv", ["--version"]).status === 0;

/** The answers, in order; `level` as for `KernelVerifier.load`. */
export function askLimited(requests: readonly LoadRequest[], level: number): KernelAnswer[] {
  const limits = [`--bounding-set=${WITHOUT}`, `--inh-caps=${WITHOUT}`];
  const input = serialize({ requests: requests.map((request) => ({ ...request, kernel: null })), level });
  const script = [process.execPath, "--input-type=module", "-e", SCRIPT];
  const { stdout, stderr } = spawnSync("setpriv", [...limits, "--", ...script], { input, maxBuffer: 1 << 26 });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString()) as KernelAnswer[];
}
