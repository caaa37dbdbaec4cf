/**
 * lpm_trie: the value of the longest prefix that covers a key.
 *
 * A key is a prefix length in bits (u32, little-endian) and the data, matched from the first byte's highest bit on. The
 * trie is binary and path-compressed: a node stands for a prefix and has at most two children, whose prefixes begin with
 * its own and go on with a 0 or a 1. A node without a value is there only where two children part.
 *
 * User space sees the entries children first, those under 0 before those under 1: the more specific before what covers it.
 * Source: docs.kernel.org/bpf/map_lpm_trie.html.
 */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { Slab } from "../slab.ts";
import type { Slot } from "../slab.ts";
import { indexOf } from "./array.ts";
import { VmMap, refusal, same } from "./map.ts";
import type { MapHost } from "./map.ts";

interface Node {
  readonly prefix: number;
  /** The whole key as it was given: bits after the prefix are kept, though they mean nothing. */
  key: Uint8Array;
  /** Null: no entry, only a fork. */
  slot: Slot | null;
  readonly children: [Node | null, Node | null];
}

const LENGTH_BYTES = 4;

export class LpmTrie extends VmMap {
  private root: Node | null = null;
  private size = 0;
  private readonly slab: Slab;
  private readonly maxPrefix: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.maxPrefix = (spec.keySize - LENGTH_BYTES) * 8;
    const name = `value of map ${spec.name}`;
    this.slab = new Slab(host.memory, name, spec.valueSize, spec.maxEntries + 1, this.programWrites);
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.longest(key)?.address ?? 0;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, _cpu: number): number {
    return this.write(key, value, flags);
  }

  override remove(key: Uint8Array): number {
    const prefix = indexOf(key);
    if (prefix > this.maxPrefix) return -ERRNO.EINVAL;
    const path = this.pathTo(key, prefix);
    const node = path.pop();
    if (node === undefined || node.slot === null || node.prefix !== prefix) return -ERRNO.ENOENT;
    this.slab.give(node.slot);
    node.slot = null;
    this.size--;
    // A node without a value stays only as a fork; so does its parent, which may have become superfluous with it.
    if (this.prune(node, path.at(-1))) {
      const parent = path.pop();
      if (parent !== undefined) this.prune(parent, path.at(-1));
    }
    return 0;
  }

  override keys(): Uint8Array[] {
    const keys: Uint8Array[] = [];
    const visit = (node: Node | null): void => {
      if (node === null) return;
      node.children.forEach(visit);
      if (node.slot !== null) keys.push(node.key.slice());
    };
    visit(this.root);
    return keys;
  }

  /** The longest match, for the host as for programs. */
  protected override read(key: Uint8Array): Uint8Array | number {
    return this.longest(key)?.bytes.slice() ?? -ERRNO.ENOENT;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    const prefix = indexOf(key);
    if (flags > 2 || prefix > this.maxPrefix) return -ERRNO.EINVAL;
    const path = this.pathTo(key, prefix);
    const node = path.at(-1);
    const exact = node !== undefined && node.prefix === prefix ? node : null;
    const known = exact?.slot ?? null;
    const refused = refusal(flags, known !== null);
    if (refused !== 0) return refused;
    if (known === null && this.size >= this.spec.maxEntries) return -ERRNO.ENOSPC;
    const slot = this.slab.take();
    slot.bytes.set(value);
    if (known === null) this.size++;
    // A new value does not go where the old one is: a program that holds the old value's address still sees that.
    else this.slab.give(known);
    if (exact === null) this.attach({ prefix, key: key.slice(), slot, children: [null, null] }, node);
    else Object.assign(exact, { key: key.slice(), slot });
    return 0;
  }

  /** In the order of `keys`; a key that is not there counts as the beginning, whatever its bits after the prefix. */
  protected override next(key: Uint8Array | null): Uint8Array | number {
    const keys = this.keys();
    const exact = key === null || indexOf(key) > this.maxPrefix ? undefined : this.exact(key);
    const at = exact === undefined ? -1 : keys.findIndex((one) => same(one, exact.key));
    return keys[at + 1] ?? -ERRNO.ENOENT;
  }

  protected override get batches(): { lookup: true; update: true; delete: true } {
    return { lookup: true, update: true, delete: true };
  }

  private longest(key: Uint8Array): Slot | null {
    const prefix = indexOf(key);
    if (prefix > this.maxPrefix) return null;
    let best: Slot | null = null;
    let node = this.root;
    // Bits that the parent has are known to agree.
    let known = 0;
    while (node !== null && node.prefix <= prefix && agree(node, key, known)) {
      best = node.slot ?? best;
      known = node.prefix;
      if (node.prefix === this.maxPrefix) break;
      node = node.children[bitOf(key, node.prefix)];
    }
    return best;
  }

  private exact(key: Uint8Array): Node | undefined {
    const prefix = indexOf(key);
    const node = this.pathTo(key, prefix).at(-1);
    return node !== undefined && node.prefix === prefix && node.slot !== null ? node : undefined;
  }

  /** The nodes from the root that the first `prefix` bits of the key begin with. */
  private pathTo(key: Uint8Array, prefix: number): Node[] {
    const path: Node[] = [];
    let node = this.root;
    let known = 0;
    while (node !== null && node.prefix <= prefix && agree(node, key, known)) {
      path.push(node);
      known = node.prefix;
      node = node.prefix === prefix ? null : node.children[bitOf(key, node.prefix)];
    }
    return path;
  }

  /** Puts a new node under `parent` (the last of its path), with a fork where it parts from what is there. */
  private attach(node: Node, parent: Node | undefined): void {
    const other = parent === undefined ? this.root : parent.children[bitOf(node.key, parent.prefix)];
    if (other === null) return this.setChild(parent, node.key, node);
    const shared = commonBits(node.key, other.key, Math.min(node.prefix, other.prefix));
    if (shared === node.prefix) {
      node.children[bitOf(other.key, node.prefix)] = other;
      return this.setChild(parent, node.key, node);
    }
    const fork: Node = { prefix: shared, key: node.key, slot: null, children: [null, null] };
    fork.children[bitOf(node.key, shared)] = node;
    fork.children[bitOf(other.key, shared)] = other;
    this.setChild(parent, node.key, fork);
  }

  /** Takes a node without a value out when it is no fork. Whether it did and nothing took its place. */
  private prune(node: Node, parent: Node | undefined): boolean {
    const [zero, one] = node.children;
    if (node.slot !== null || (zero !== null && one !== null)) return false;
    this.setChild(parent, node.key, zero ?? one);
    return zero === null && one === null;
  }

  private setChild(parent: Node | undefined, key: Uint8Array, node: Node | null): void {
    if (parent === undefined) this.root = node;
    else parent.children[bitOf(key, parent.prefix)] = node;
  }
}

/** Does the key begin with the node's prefix? The first `known` bits do. */
function agree(node: Node, key: Uint8Array, known: number): boolean {
  return commonBits(node.key, key, node.prefix, known & ~7) === node.prefix;
}

/** Bit number `at` of a key's data. */
function bitOf(key: Uint8Array, at: number): 0 | 1 {
  return ((key[LENGTH_BYTES + (at >> 3)] ?? 0) & (0x80 >> (at & 7))) === 0 ? 0 : 1;
}

/** How many bits two keys have in common from the first on, at most `most`; looked at from bit `from` on, a multiple of 8. */
function commonBits(a: Uint8Array, b: Uint8Array, most: number, from = 0): number {
  for (let bits = from; bits < most; bits += 8) {
    const at = LENGTH_BYTES + (bits >> 3);
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0);
    if (difference !== 0) return Math.min(most, bits + Math.clz32(difference) - 24);
  }
  return most;
}
