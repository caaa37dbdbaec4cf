/**
 * Works around a fault of AssemblyScript 0.28.20: `<u8>(x << 31)` is not narrowed. Its rule for what may need narrowing
 * takes a shift to the left by a constant of 24 or more (16 for 16-bit types) for done, as if the shift back followed
 * (Flow#canOverflow), so the high bits stay. A shift whose amount is no constant is narrowed rightly; so every amount
 * that may be one is written as ~~amount, which our own optimiser folds again.
 */
import { Node } from "assemblyscript";

// NodeKind and Token of asc 0.28, in the part that is read here.
const BINARY = 9;
const SHIFT_LEFT = 89;
const SHIFT_LEFT_ASSIGN = 108;
const TILDE = 96;

interface AstNode {
  kind: number;
  range: unknown;
}
interface AstBinary extends AstNode {
  operator: number;
  right: AstNode;
}

/** Hides the constant amounts of all left shifts in a source, in place. */
export function hideShiftAmounts(source: object): void {
  const seen = new Set<object>();
  const work: object[] = [source];
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    // An operation is no constant to asc, even of constants.
    if (isLeftShift(at) && at.right.kind !== BINARY) at.right = twiceInverted(at.right);
    // Statements and expressions hang in fields and lists; ranges lead to other sources.
    for (const [name, value] of Object.entries(at)) {
      if (name !== "range" && name !== "source" && typeof value === "object" && value !== null)
        work.push(value as object);
    }
  }
}

function isLeftShift(node: object): node is AstBinary {
  const { kind, operator } = node as Partial<AstBinary>;
  return kind === BINARY && (operator === SHIFT_LEFT || operator === SHIFT_LEFT_ASSIGN);
}

function twiceInverted(amount: AstNode): AstNode {
  const invert = (operand: AstNode): AstNode =>
    Node.createUnaryPrefixExpression(TILDE, operand as never, amount.range as never) as unknown as AstNode;
  return invert(invert(amount));
}
