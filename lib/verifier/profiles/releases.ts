/** Releases of Linux as numbers: major * 1000 + minor, so that they compare (5.10 is 5010, 6.2 is 6002). */

/** The releases that have a profile: the long-term ones from 5.10 on. */
export const RELEASES = ["5.10", "5.15", "6.1", "6.6", "6.12", "6.18"] as const;
export type Release = (typeof RELEASES)[number];

/** `6.12`, `6.12.4-arch1` or `5.14.0-427.el9` as a number; null for what is no release. */
export function versionOf(release: string): number | null {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match === null ? null : Number(match[1]) * 1000 + Number(match[2]);
}

/** The other way: `6.12`. */
export function nameOf(version: number): string {
  return `${Math.floor(version / 1000)}.${version % 1000}`;
}

/** From rows of names by release: the release of each name. */
export function byName<T extends string>(
  rows: readonly (readonly [since: number, ...names: T[]])[],
): ReadonlyMap<T, number> {
  return new Map(rows.flatMap(([since, ...names]) => names.map((name) => [name, since] as const)));
}
