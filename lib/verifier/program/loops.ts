/**
 * Loops of a function: strongly connected components of its flow (Tarjan), numbered from 1 in the order in which they are
 * completed. A callback that is walked again and again from its call is none to Linux 6.18.
 */
import type { Flow } from "./program.ts";

/** The loop of each slot, 0 for none. Only slots of `postorder` lists are looked at. */
export function loopsOf(flow: Flow, slots: number): Int32Array {
  const loop = new Int32Array(slots);
  const number = new Int32Array(slots);
  const low = new Int32Array(slots);
  const waiting: number[] = [];
  const isWaiting = new Uint8Array(slots);
  let lastNumber = 0;
  let lastLoop = 0;

  for (const order of flow.postorder) visit(order.at(-1) as number);
  return loop;

  function visit(root: number): void {
    const stack = [root];
    const followed = [0];
    enter(root);
    while (stack.length > 0) {
      const slot = stack.at(-1) as number;
      const edge = followed[followed.length - 1] as number;
      if (edge < 2) {
        followed[followed.length - 1] = edge + 1;
        const to = (edge === 0 ? flow.next : flow.target)[slot] as number;
        if (to < 0) continue;
        if (number[to] === 0) {
          enter(to);
          stack.push(to);
          followed.push(0);
        } else if (isWaiting[to] === 1) lower(slot, number[to] as number);
        continue;
      }
      stack.pop();
      followed.pop();
      const caller = stack.at(-1);
      if (caller !== undefined) lower(caller, low[slot] as number);
      if (low[slot] === number[slot]) complete(slot);
    }
  }

  function enter(slot: number): void {
    lastNumber += 1;
    number[slot] = lastNumber;
    low[slot] = lastNumber;
    isWaiting[slot] = 1;
    waiting.push(slot);
  }

  function lower(slot: number, to: number): void {
    if (to < (low[slot] as number)) low[slot] = to;
  }

  /** `root` and what waits above it is a component. */
  function complete(root: number): void {
    const alone = waiting.at(-1) === root;
    const isLoop = !alone || flow.next[root] === root || flow.target[root] === root;
    if (isLoop) lastLoop += 1;
    let slot: number;
    do {
      slot = waiting.pop() as number;
      isWaiting[slot] = 0;
      if (isLoop) loop[slot] = lastLoop;
    } while (slot !== root);
  }
}
