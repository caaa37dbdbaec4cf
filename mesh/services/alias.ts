/**
 * Alias tables (Walker's, built Vose's way): a weighted random choice among n in constant time. Every column has the same
 * probability and is shared by at most two entries.
 */

/** A column: `backend` with a probability of (`threshold` + 1) / 2^32, else `other`. */
export interface Slot {
  readonly backend: number;
  readonly other: number;
  readonly threshold: number;
}

export interface Weighted {
  readonly number: number;
  /** Above zero. */
  readonly weight: number;
}

const WHOLE = 2 ** 32;

/** One column for each entry. Equal weights give columns of one entry each. */
export function aliasTable(entries: readonly Weighted[]): Slot[] {
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  // How much of a column each entry still has to fill, in columns.
  const shares = entries.map(({ number, weight }) => ({ number, share: (weight * entries.length) / total }));
  const small = shares.filter(({ share }) => share < 1);
  const large = shares.filter(({ share }) => share >= 1);
  const slots: Slot[] = [];
  for (let low = small.pop(); low !== undefined; low = small.pop()) {
    const high = large.at(-1);
    if (high === undefined) {
      slots.push(whole(low.number)); // what is missing to one is rounding
      continue;
    }
    slots.push({
      backend: low.number,
      other: high.number,
      threshold: Math.max(Math.round(low.share * WHOLE) - 1, 0),
    });
    high.share -= 1 - low.share;
    if (high.share < 1) small.push(...large.splice(-1));
  }
  for (const { number } of large) slots.push(whole(number));
  return slots;
}

function whole(number: number): Slot {
  return { backend: number, other: number, threshold: WHOLE - 1 };
}
