/** Licenses under which a program may use what the kernel keeps for GPL code. Source: include/linux/license.h. */
// prettier-ignore
const COMPATIBLE: ReadonlySet<string> = new Set([
  "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL",
]);

export function isGplCompatible(license: string): boolean {
  return COMPATIBLE.has(license);
}
