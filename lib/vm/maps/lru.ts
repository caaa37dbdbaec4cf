/**
 * Which entries an LRU map forgets, exactly as the kernel's lists decide it.
 *
 * Every node of the map is on one list at a time; the head of a list is its newest end.
 *
 *   global, or one set for each CPU (BPF_F_NO_COMMON_LRU):  active | inactive | free
 *   for each CPU, when the lists above are common:          local free | local pending
 *
 * A node that was looked up or replaced is "used"; the bit is looked at and cleared only when lists are rotated or shrunk.
 * With common lists a CPU takes nodes from its local free list. When that is empty, its pending nodes (those that it handed
 * out) go to active or inactive by their bit, the common lists are rotated, and up to `target` nodes are taken from
 * the free list, the missing ones by forgetting unused nodes from the inactive list's old end. When all of that gives
 * nothing, a node is taken from a CPU's local lists. So entries are forgotten in groups of `target` = n / CPUs / 2, at least 1
 * and at most 128, and before a map of n holds n when a CPU has free nodes that another one needs.
 *
 * Rotation: when active is longer than inactive, its oldest nodes move: used ones to active's head, others to inactive.
 * Then a pointer that goes round the inactive list, from old to new, moves used nodes to active. Both look at no more than
 * `scans` nodes. When shrinking finds only used nodes, one is forgotten all the same.
 *
 * Source: docs.kernel.org/bpf/map_hash.html and its lru diagram; compared entry for entry with Linux 6.18 by
 * test/vm/kernel-maps-lru.test.ts.
 */

/** What the lists need of the map. Nodes are numbers from 0. */
export interface LruOwner {
  isUsed(node: number): boolean;
  clearUsed(node: number): void;
  /** Takes the node's entry out of the map. False when it has none. */
  forget(node: number): boolean;
}

const FREE_TARGET = { common: 128, perCpu: 4 };
const SCANS = FREE_TARGET;

const LIST = { active: 0, inactive: 1, free: 2, localFree: 3, pending: 4 } as const;
type ListKind = (typeof LIST)[keyof typeof LIST];
const KINDS = 5;
const NONE = -1;

export class LruLists {
  private readonly owner: LruOwner;
  private readonly cpus: number;
  private readonly common: boolean;
  private readonly target: number;
  private readonly scans: number;
  private readonly size: number;
  /** Doubly linked rings. A ring's head is numbered after the nodes: `size + set * KINDS + kind`. */
  private readonly newer: Int32Array;
  private readonly older: Int32Array;
  /** Which kind of list a node is on, and the set (CPU) that it belongs to. */
  private readonly kind: Uint8Array;
  private readonly set: Uint16Array;
  private readonly counts: Int32Array;
  /** By set: where the walk round the inactive list goes on. */
  private readonly rotation: Int32Array;
  /** By CPU: whose local lists are robbed next. */
  private readonly robNext: Int32Array;

  constructor(size: number, cpus: number, common: boolean, owner: LruOwner) {
    this.owner = owner;
    this.cpus = cpus;
    this.common = common;
    this.size = size;
    this.scans = common ? SCANS.common : SCANS.perCpu;
    this.target = common
      ? Math.min(Math.max(Math.floor(Math.floor(size / cpus) / 2), 1), FREE_TARGET.common)
      : FREE_TARGET.perCpu;
    const all = size + cpus * KINDS;
    this.newer = Int32Array.from({ length: all }, (_, i) => i);
    this.older = this.newer.slice();
    this.kind = new Uint8Array(size).fill(LIST.free);
    this.set = new Uint16Array(size);
    this.counts = new Int32Array(cpus * KINDS);
    this.rotation = Int32Array.from({ length: cpus }, (_, set) => this.head(set, LIST.inactive));
    this.robNext = new Int32Array(cpus);
    const share = size / cpus;
    for (let node = 0; node < size; node++) {
      this.set[node] = common ? 0 : Math.floor(node / share);
      this.link(node, this.setOf(node), LIST.free);
    }
  }

  /** A node for a new entry, or null when every node is taken and none can be forgotten. */
  take(cpu: number): number | null {
    return this.common ? this.takeCommon(cpu) : this.takeOwn(cpu);
  }

  /** Gives a node back whose entry was deleted, or that was taken in vain. */
  give(node: number): void {
    if (this.kind[node] !== LIST.pending) return this.move(node, LIST.free);
    // To the local list of the CPU that handed it out.
    this.owner.clearUsed(node);
    this.relink(node, this.setOf(node), LIST.localFree);
  }

  // ---- one set of lists for each CPU

  private takeOwn(cpu: number): number | null {
    this.rotate(cpu);
    if (this.isEmpty(cpu, LIST.free)) this.shrink(cpu, this.target, cpu, LIST.free);
    const node = this.newest(cpu, LIST.free);
    if (node === NONE) return null;
    this.move(node, LIST.inactive);
    return node;
  }

  // ---- common lists, and local ones for each CPU

  private takeCommon(cpu: number): number | null {
    if (this.isEmpty(cpu, LIST.localFree)) this.refill(cpu);
    let node = this.newest(cpu, LIST.localFree);
    if (node === NONE) node = this.rob(cpu);
    if (node === NONE) return null;
    this.owner.clearUsed(node);
    this.relink(node, cpu, LIST.pending);
    return node;
  }

  private refill(cpu: number): void {
    for (const node of this.oldestFirst(cpu, LIST.pending, this.size)) {
      const to = this.owner.isUsed(node) ? LIST.active : LIST.inactive;
      this.owner.clearUsed(node);
      this.relink(node, 0, to);
    }
    this.rotate(0);
    let got = 0;
    for (; got < this.target && !this.isEmpty(0, LIST.free); got++)
      this.moveTo(this.newest(0, LIST.free), cpu, LIST.localFree);
    if (got < this.target) this.shrink(0, this.target - got, cpu, LIST.localFree);
  }

  /** A node of some CPU's local lists: a free one, else its oldest pending one that can be forgotten. */
  private rob(cpu: number): number {
    const first = this.robNext[cpu] ?? 0;
    let victim = first;
    let node = NONE;
    do {
      node = this.newest(victim, LIST.localFree);
      if (node === NONE) node = this.forgetPending(victim);
      victim = (victim + 1) % this.cpus;
    } while (node === NONE && victim !== first);
    this.robNext[cpu] = victim;
    return node;
  }

  private forgetPending(cpu: number): number {
    const unused = this.forgetOldest(cpu, LIST.pending, (node) => !this.owner.isUsed(node));
    return unused !== NONE ? unused : this.forgetOldest(cpu, LIST.pending, () => true);
  }

  // ---- rotation and shrinking of a set

  private rotate(set: number): void {
    if (this.count(set, LIST.inactive) < this.count(set, LIST.active)) this.rotateActive(set);
    this.rotateInactive(set);
  }

  private rotateActive(set: number): void {
    for (const node of this.oldestFirst(set, LIST.active, this.scans))
      this.move(node, this.owner.isUsed(node) ? LIST.active : LIST.inactive);
  }

  private rotateInactive(set: number): void {
    if (this.isEmpty(set, LIST.inactive)) return;
    const head = this.head(set, LIST.inactive);
    const start = at(this.rotation, set);
    // The node where a whole round ends: the one before the start, skipping the head.
    const before = at(this.older, start);
    const last = before === head ? at(this.older, before) : before;
    let node = start;
    let next = start;
    for (let scanned = 0; scanned < this.scans;) {
      if (node === head) {
        node = at(this.newer, node);
        continue;
      }
      next = at(this.newer, node);
      if (this.owner.isUsed(node)) this.move(node, LIST.active);
      if (node === last) break;
      node = next;
      scanned++;
    }
    this.rotation[set] = next;
  }

  /** Forgets unused nodes of the inactive list, at most `wanted`, and puts them on a list; at least one if there is any. */
  private shrink(set: number, wanted: number, toSet: number, to: ListKind): void {
    let forgotten = 0;
    for (const node of this.oldestFirst(set, LIST.inactive, this.scans)) {
      if (this.owner.isUsed(node)) this.move(node, LIST.active);
      else if (this.owner.forget(node)) {
        this.moveTo(node, toSet, to);
        if (++forgotten === wanted) return;
      }
    }
    if (forgotten > 0) return;
    const from = this.isEmpty(set, LIST.inactive) ? LIST.active : LIST.inactive;
    const node = this.forgetOldest(set, from, () => true);
    if (node !== NONE) this.moveTo(node, toSet, to);
  }

  /** Forgets the oldest node for which `may` holds; NONE when there is no such node. */
  private forgetOldest(set: number, kind: ListKind, may: (node: number) => boolean): number {
    const head = this.head(set, kind);
    for (let node = at(this.newer, head); node !== head; node = at(this.newer, node))
      if (may(node) && this.owner.forget(node)) return node;
    return NONE;
  }

  // ---- lists

  /** To another list of the node's own set. */
  private move(node: number, to: ListKind): void {
    this.moveTo(node, this.common ? 0 : this.setOf(node), to);
  }

  private moveTo(node: number, set: number, to: ListKind): void {
    this.owner.clearUsed(node);
    const own = this.common ? 0 : this.setOf(node);
    // The walk round the inactive list goes on with the next newer node.
    if (this.rotation[own] === node) this.rotation[own] = at(this.newer, node);
    this.relink(node, set, to);
  }

  private relink(node: number, set: number, to: ListKind): void {
    const [newer, older] = [at(this.newer, node), at(this.older, node)];
    this.older[newer] = older;
    this.newer[older] = newer;
    this.counts[this.countOf(node)] = at(this.counts, this.countOf(node)) - 1;
    this.link(node, set, to);
  }

  private link(node: number, set: number, kind: ListKind): void {
    this.kind[node] = kind;
    this.set[node] = set;
    const head = this.head(set, kind);
    const second = at(this.older, head);
    this.older[node] = second;
    this.newer[node] = head;
    this.newer[second] = node;
    this.older[head] = node;
    this.counts[this.countOf(node)] = at(this.counts, this.countOf(node)) + 1;
  }

  /** At most `most` nodes, a copy: what comes may be moved meanwhile. */
  private oldestFirst(set: number, kind: ListKind, most: number): number[] {
    const head = this.head(set, kind);
    const nodes: number[] = [];
    for (let node = at(this.newer, head); node !== head && nodes.length < most; node = at(this.newer, node))
      nodes.push(node);
    return nodes;
  }

  private newest(set: number, kind: ListKind): number {
    const head = this.head(set, kind);
    const node = at(this.older, head);
    return node === head ? NONE : node;
  }
  private isEmpty(set: number, kind: ListKind): boolean {
    return this.newest(set, kind) === NONE;
  }
  private count(set: number, kind: ListKind): number {
    return at(this.counts, set * KINDS + kind);
  }
  private countOf(node: number): number {
    return this.setOf(node) * KINDS + at(this.kind, node);
  }
  private head(set: number, kind: ListKind): number {
    return this.size + set * KINDS + kind;
  }
  private setOf(node: number): number {
    return at(this.set, node);
  }
}

function at(array: Int32Array | Uint8Array | Uint16Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw new RangeError(`no node ${index}`);
  return value;
}
