/**
 * Which rules hold for which connections, in the waypoint's process.
 *
 * Connections that policy cannot tell apart share one entry, whose judge is asked for each request: so a verdict that the agent
 * sends is in force for the next request of all of them. Entries outlive their connections a little, so that a client that
 * connects for each request is not told to the agent each time.
 */
import type { HttpRuleSet } from "../policy/types.ts";
import { makeJudge } from "./judge.ts";
import { keyOfTuple } from "./messages.ts";
import type { FlowRules, FlowTuple } from "./messages.ts";
import type { Policies } from "./proxy.ts";
import type { ConnectionPolicy, Judgement, Origin, RequestJudge } from "./types.ts";

const ALLOWED: Judgement = { allow: true, rule: 0, edits: [] };
const ALLOW_ALL: RequestJudge = { judge: () => ALLOWED };
const DENIED: Judgement = { allow: false, rule: 0, edits: [] };
const DENY_ALL: RequestJudge = { judge: () => DENIED };

interface Entry extends ConnectionPolicy {
  readonly tuple: FlowTuple;
  rules: FlowRules;
  judge: RequestJudge | null;
  /** What the kernel named instead of `rules`: the agent is asked, or has answered. */
  asked: number | null;
  settled: number | null;
  connections: number;
  /** Sweeps without a connection. */
  idle: number;
}

export interface FlowListener {
  opened(tuple: FlowTuple, rules: FlowRules): void;
  gone(tuple: FlowTuple): void;
  /** A set cannot be compiled: it denies everything. */
  broken(set: number, reason: string): void;
}

export class FlowRuleBook implements Policies {
  private readonly sets = new Map<number, RequestJudge>();
  private readonly entries = new Map<string, Entry>();
  private readonly listener: FlowListener;

  constructor(listener: FlowListener) {
    this.listener = listener;
  }

  setRules(sets: readonly HttpRuleSet[], deleted: readonly number[]): void {
    for (const set of sets) this.sets.set(set.number, this.compile(set));
    for (const number of deleted) this.sets.delete(number);
    // Named before they came.
    for (const entry of this.entries.values()) entry.judge ??= this.judgeFor(entry.rules);
  }

  setVerdict(tuple: FlowTuple, rules: FlowRules): void {
    const entry = this.entries.get(keyOfTuple(tuple));
    if (entry === undefined) return;
    entry.rules = rules;
    entry.judge = this.judgeFor(rules);
    entry.settled = entry.asked;
    entry.asked = null;
  }

  /**
   * The kernel may name other rules than hold here: then one of them is older. The agent knows, as it always decides before it
   * writes the kernel; it is asked, and the connection waits for its answer.
   */
  open(origin: Origin): ConnectionPolicy | null {
    const { l7 } = origin;
    const entry = this.entryFor(tupleOf(origin), l7);
    if (l7 !== entry.rules && l7 !== entry.settled) {
      if (l7 !== entry.asked) this.listener.opened(entry.tuple, l7);
      entry.asked = l7;
      return null;
    }
    if (entry.judge === null) return null;
    entry.connections++;
    return entry;
  }

  private entryFor(tuple: FlowTuple, rules: FlowRules): Entry {
    const key = keyOfTuple(tuple);
    const known = this.entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      tuple,
      rules,
      judge: this.judgeFor(rules),
      asked: null,
      settled: null,
      connections: 0,
      idle: 0,
    };
    this.entries.set(key, entry);
    this.listener.opened(tuple, rules);
    return entry;
  }

  /** A pod is gone: nothing of its connections passes any more. Call the proxy's `policiesChanged` then. */
  endEndpoint(endpoint: number): void {
    for (const entry of this.entries.values()) {
      if (entry.tuple.endpoint !== endpoint) continue;
      entry.rules = "deny";
      entry.judge = null;
    }
  }

  close(origin: Origin): void {
    const entry = this.entries.get(keyOfTuple(tupleOf(origin)));
    if (entry !== undefined) entry.connections--;
  }

  /** Forgets entries that had no connection since the last sweep but one. */
  sweep(): void {
    for (const [key, entry] of this.entries) {
      if (entry.connections > 0) {
        entry.idle = 0;
      } else if (++entry.idle > 1) {
        this.entries.delete(key);
        this.listener.gone(entry.tuple);
      }
    }
  }

  private judgeFor(rules: FlowRules): RequestJudge | null {
    if (rules === "allow") return ALLOW_ALL;
    return rules === "deny" ? null : (this.sets.get(rules) ?? null);
  }

  private compile(set: HttpRuleSet): RequestJudge {
    try {
      return makeJudge(set);
    } catch (error) {
      this.listener.broken(set.number, error instanceof Error ? error.message : String(error));
      return DENY_ALL;
    }
  }
}

function tupleOf({ endpoint, direction, client, destination }: Origin): FlowTuple {
  const remote = direction === "ingress" ? client.address : destination.address;
  return { endpoint, direction, remote, port: destination.port };
}
