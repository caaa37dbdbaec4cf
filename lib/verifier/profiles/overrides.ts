/**
 * Kernels of distributions that are not what their release number says: they carry the verifier of a newer one, or lack
 * something. Source beside each; not tested on their kernels.
 */

/** What a kernel has or lacks, by kind and name: `helper loop`, `kfunc bpf_throw`, `map arena`, `program netfilter`, `rule may_goto`. */
export type Feature = `${"helper" | "kfunc" | "map" | "program" | "attach" | "rule"} ${string}`;

export interface Override {
  /** `5.14+rhel9.6`: the release that it calls itself, and whose. */
  readonly name: string;
  /** The release whose verifier it has. */
  readonly version: number;
  /** What it has beyond that. */
  readonly has: readonly Feature[];
  /** What it lacks of that. */
  readonly lacks: readonly Feature[];
}

export const OVERRIDES: readonly Override[] = [
  // RHEL 9 rebases the whole of eBPF with its minor releases (release notes of 9.4, 9.5, 9.6: "eBPF facility").
  { name: "5.14+rhel9.4", version: 6006, has: [], lacks: [] },
  { name: "5.14+rhel9.5", version: 6008, has: [], lacks: [] },
  { name: "5.14+rhel9.6", version: 6012, has: [], lacks: [] },
];
