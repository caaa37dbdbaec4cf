/** What the waypoint's process and the agent say to each other about DNS. Each question has a ticket, which its reply names. */

/** A question that was answered, by a server or by policy. */
export interface DnsRecord {
  /** Milliseconds since the epoch when it came. */
  readonly time: number;
  /** Milliseconds until the answer went to the client. */
  readonly duration: number;
  readonly endpoint: number;
  /** The pod's end; the port is the client's own. */
  readonly client: { readonly address: string; readonly port: number };
  /** The DNS server that was asked. */
  readonly server: { readonly address: string; readonly port: number };
  /** As sent; empty when the question could not be read. */
  readonly query: string;
  readonly type: number;
  /** Of the answer that the client got; null: it got none. */
  readonly rcode: number | null;
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  /** `refused`: it was not DNS as strictly as it must be. `failed`: allowed, and no answer came that could be given. */
  readonly verdict: "forwarded" | "denied" | "refused" | "failed";
  /** The rule that allowed it, or whose DNS rules did not; 0: none. */
  readonly rule: number;
}

export type DnsToAgent =
  /** May the endpoint ask the server for the name? */
  | {
      readonly kind: "question";
      readonly ticket: number;
      readonly endpoint: number;
      readonly server: string;
      readonly name: string;
    }
  /** A server's answer: it is given to the client when the kernel knows the addresses. `ttl`: seconds. */
  | {
      readonly kind: "resolved";
      readonly ticket: number;
      readonly name: string;
      readonly addresses: readonly string[];
      readonly ttl: number;
    }
  | { readonly kind: "dnsRecord"; readonly record: DnsRecord };

export type DnsFromAgent =
  | { readonly kind: "permission"; readonly ticket: number; readonly allow: boolean; readonly rule: number }
  /** Whether the addresses are in the kernel now. */
  | { readonly kind: "opened"; readonly ticket: number; readonly ok: boolean };

/** What the agent knows of names. */
export interface DnsAuthority {
  /** May the pod (`namespace/name`) ask the server for the name? */
  mayAsk(pod: string, server: string, name: string): { readonly allow: boolean; readonly rule: number };
  /** Opens the addresses of a name to who may reach it. True: they are in the kernel. `ttl`: seconds. */
  open(name: string, addresses: readonly string[], ttl: number): boolean;
}

/** The agent's side: the reply to what the process said; null: none. `podOf`: `namespace/name` of an endpoint. */
export function answerDns(
  message: Exclude<DnsToAgent, { readonly kind: "dnsRecord" }>,
  authority: DnsAuthority,
  podOf: (endpoint: number) => string | undefined,
): DnsFromAgent {
  const { ticket } = message;
  if (message.kind === "resolved") {
    return { kind: "opened", ticket, ok: authority.open(message.name, message.addresses, message.ttl) };
  }
  const pod = podOf(message.endpoint);
  const permission =
    pod === undefined ? { allow: false, rule: 0 } : authority.mayAsk(pod, message.server, message.name);
  return { kind: "permission", ticket, ...permission };
}
