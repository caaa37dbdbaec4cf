/**
 * How a walk ends before its time. Inside of lib/verifier these are thrown; `verify` makes values of them.
 */
import type { ReasonCode } from "./reasons/index.ts";

/** What a reason's sentence is filled with: names, numbers and register states in words. */
export type Facts = Readonly<Record<string, string | number | bigint>>;

/** The program breaks a rule. `slot` null: a rule about the whole program; else the instruction that breaks it. */
export class Rejection extends Error {
  readonly code: ReasonCode;
  readonly slot: number | null;
  readonly facts: Facts;
  constructor(code: ReasonCode, slot: number | null, facts: Facts) {
    super(code);
    this.code = code;
    this.slot = slot;
    this.facts = facts;
  }
}

/** The program uses something that the model does not know. Never answered with "accept". */
export class Unsupported extends Error {
  /** A short noun: `arena`, `helper snprintf_btf`. */
  readonly feature: string;
  constructor(feature: string) {
    super(`unsupported: ${feature}`);
    this.feature = feature;
  }
}
