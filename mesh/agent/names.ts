/**
 * What the agent answers for DNS rules and toFQDNs: who may ask for which name, and for how long an address of an answer is open.
 *
 * An address stays open for its answer's TTL, and at least for MIN_TTL: an application may connect some time after it asked, also
 * when the TTL is 0. Asking again begins the time anew.
 */
import type { DnsAuthority } from "../dns/messages.ts";
import type { EngineChange, PolicyEngine } from "../policy/types.ts";

/** Seconds. */
export const MIN_TTL = 60;
/** A week (RFC 8767, 4): who sends more means something else. */
export const MAX_TTL = 604_800;

export class NameAuthority implements DnsAuthority {
  private readonly engine: Pick<PolicyEngine, "explainDns" | "observeDns">;
  private readonly write: (change: EngineChange) => boolean;

  /** @param write - brings a change into the kernel; false: it could not. */
  constructor(engine: Pick<PolicyEngine, "explainDns" | "observeDns">, write: (change: EngineChange) => boolean) {
    this.engine = engine;
    this.write = write;
  }

  mayAsk(pod: string, server: string, name: string): { readonly allow: boolean; readonly rule: number } {
    const { verdict, reason, rule } = this.engine.explainDns(pod, server, name);
    // Of a pod that the cluster does not know nobody said that it may ask.
    return { allow: verdict === "allow" && reason !== "not a managed endpoint", rule: rule?.number ?? 0 };
  }

  open(name: string, addresses: readonly string[], ttl: number): boolean {
    const seconds = Math.min(Math.max(ttl, MIN_TTL), MAX_TTL);
    return this.write(this.engine.observeDns(name, addresses, Date.now() + 1000 * seconds));
  }
}
