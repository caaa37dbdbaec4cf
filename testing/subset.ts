/**
 * Does a value have what is expected of it? Objects need the expected members and may have others; lists need as many
 * elements. Numbers and bigints of the same amount are the same. Asymmetric matchers (`expect.any(Number)`) judge for
 * themselves.
 */

interface Asymmetric {
  asymmetricMatch(value: unknown): boolean;
  /** `Any<Number>` and the like. */
  toAsymmetricMatcher?(): string;
}

export function hasParts(actual: unknown, expected: unknown): boolean {
  if (isAsymmetric(expected)) return expected.asymmetricMatch(actual);
  if (isAmount(expected) && isAmount(actual)) return BigInt(expected) === BigInt(actual);
  if (typeof expected !== "object" || expected === null) return Object.is(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  if (Array.isArray(expected) || ArrayBuffer.isView(expected)) return sameList(actual, expected);
  return Object.entries(expected).every(([name, value]) => hasParts((actual as Record<string, unknown>)[name], value));
}

function sameList(actual: object, expected: object): boolean {
  const [a, e] = [actual as ArrayLike<unknown>, expected as ArrayLike<unknown>];
  return a.length === e.length && Array.from(e).every((value, i) => hasParts(a[i], value));
}

function isAmount(value: unknown): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
}

function isAsymmetric(value: unknown): value is Asymmetric {
  return (
    typeof value === "object" && value !== null && typeof (value as Partial<Asymmetric>).asymmetricMatch === "function"
  );
}

/** The value as messages show it: bytes in hexadecimal, bigints with their n. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array)
    return `0x${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined) return "nothing";
  if (isAsymmetric(value)) return value.toAsymmetricMatcher?.() ?? "a matcher";
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, member]) => `${name}: ${show(member)}`)
    .join(", ")} }`;
}
