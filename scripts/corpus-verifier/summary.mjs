// What the judged records say together: agreement with the kernel, counts of processed instructions, time.

/** A count of processed instructions within this share of the kernel's is right. */
const PROCESSED_TOLERANCE = 0.05;

/**
 * `judged`: [{ line, kernel, processed }] where `line` is what was printed, `kernel` the kernel's verdict (null: it has none),
 * `processed` the kernel's count or null. Only records with a verdict of the kernel count, but
 * for crashes.
 */
export function summarise(judged) {
  const scored = judged.filter(({ kernel }) => kernel !== null);
  const supported = scored.filter(({ line }) => line.verdict === "accept" || line.verdict === "reject");
  const wrong = supported.filter(({ line, kernel }) => line.verdict !== kernel);
  const counted = supported.filter(({ line, kernel, processed }) => line.verdict === kernel && processed !== null);
  const accepted = counted.filter(({ kernel }) => kernel === "accept");
  const times = scored.map(({ line }) => line.ms).toSorted((a, b) => a - b);
  const idsOf = (list) => list.map(({ line }) => line.id);
  return {
    records: judged.length,
    scored: scored.length,
    supported: supported.length,
    supportedShare: share(supported.length, scored.length),
    agreement: share(supported.length - wrong.length, supported.length),
    falseAccepts: idsOf(wrong.filter(({ line }) => line.verdict === "accept")),
    falseRejects: idsOf(wrong.filter(({ line }) => line.verdict === "reject")),
    processedWithin5Percent: {
      all: share(counted.filter(isCountRight).length, counted.length),
      accepted: share(accepted.filter(isCountRight).length, accepted.length),
    },
    ms: { p50: quantile(times, 0.5), p95: quantile(times, 0.95), max: times.at(-1) ?? 0 },
    usPerProcessed: round((1000 * sum(scored, "ms")) / Math.max(sum(scored, "processed"), 1)),
    unsupported: countBy(scored.filter(({ line }) => line.verdict === "unsupported").map(({ line }) => line.reason)),
    crashes: judged
      .filter(({ line }) => line.verdict === "crash")
      .map(({ line }) => ({ id: line.id, reason: line.reason })),
  };
}

/** Whether a record's count is within 5 % of the kernel's (one instruction off is, too). */
export function isCountRight({ line, processed }) {
  return Math.abs(line.processed - processed) <= Math.max(1, PROCESSED_TOLERANCE * processed);
}

function share(part, whole) {
  return whole === 0 ? null : Number((part / whole).toFixed(4));
}

function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function sum(judged, column) {
  return judged.reduce((total, { line }) => total + line[column], 0);
}

export function round(number) {
  return Number(number.toFixed(3));
}

/** How often each text occurs, most often first. */
function countBy(texts) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted((a, b) => b[1] - a[1]));
}
