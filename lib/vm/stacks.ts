/**
 * The stacks of frames: a region for each, so that no frame reaches into another by running over its end. A run within a
 * run (`level` 1 and up) has its own: the outer run goes on afterwards.
 */
import { LIMITS } from "../kernel/index.ts";
import { STACK_BYTES } from "./engine.ts";
import type { Memory, Region } from "./memory.ts";

export class Stacks {
  private readonly memory: Memory;
  private readonly levels: (readonly Region[])[] = [];

  constructor(memory: Memory) {
    this.memory = memory;
    this.level(0);
  }

  /** The stacks of a level by depth of the frame, as many as a chain of calls may have. */
  level(level: number): readonly Region[] {
    const known = this.levels[level];
    if (known !== undefined) return known;
    const stacks = Array.from({ length: LIMITS.callFrames }, (_, depth) =>
      this.memory.map(depth === 0 ? "the stack" : `the stack of frame ${depth}`, STACK_BYTES),
    );
    this.levels[level] = stacks;
    return stacks;
  }
}
