/** Which layer a number announces, and which number announces a layer. */
import type { HeaderKind } from "./headers.ts";
import { NUMBERS } from "./numbers.ts";
import type { NumberSpace } from "./numbers.ts";

interface Announcements {
  readonly layers: Readonly<Record<number, HeaderKind>>;
  readonly payload: number;
}
const SPACES: Readonly<Record<NumberSpace, Announcements>> = NUMBERS;

/** The outer of two VLAN tags has a type of its own (802.1ad). */
const OUTER_TAG = 0x88a8;

/** The layer that a number announces; null: payload. */
export function layerOf(space: NumberSpace, number: number): HeaderKind | null {
  return SPACES[space].layers[number] ?? null;
}

/** The number that announces the first of `kinds`, the layers behind; null stands for payload or nothing. */
export function numberFor(space: NumberSpace, kinds: readonly (HeaderKind | null)[]): number {
  const { layers, payload } = SPACES[space];
  const [first, second] = kinds;
  if (space === "etherType" && first === "vlan" && second === "vlan") return OUTER_TAG;
  const found = Object.entries(layers).find(([, kind]) => kind === first);
  return found === undefined ? payload : Number(found[0]);
}
