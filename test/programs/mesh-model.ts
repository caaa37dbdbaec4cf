/**
 * What to_pod and from_pod have to do, told a second time: a pod, policies as lists of sentences, connections as what the two
 * ends said so far. No tables, no words of addresses; written from the rules, to be compared with the programs.
 */

export type Way = "in" | "out";
export type Saying = "deny" | "allow" | "redirect";

/** "Of `who` (null: of anybody else), `way`, on `port` of `protocol` (null: on all else)": first the more specific. */
export interface Sentence {
  readonly way: Way;
  readonly who: number | null;
  readonly protocol: number | null;
  /** Inclusive; null: all ports of the protocol. */
  readonly ports: readonly [number, number] | null;
  readonly says: Saying;
  readonly rule: number;
}

export interface Datagram {
  readonly way: Way;
  readonly remote: string;
  readonly protocol: number;
  readonly podPort: number;
  readonly remotePort: number;
  /** The port that policies ask for: the destination's, or the ICMP type's. */
  readonly asked: number;
  /** TCP: letters of the flags. */
  readonly flags: string;
  /** ICMP: an answer that opens nothing new by itself. */
  readonly tuple: string;
}

export interface Outcome {
  readonly passes: boolean;
  /** 0: none. */
  readonly reason: number;
  readonly rule: number;
}

interface Connection {
  readonly opener: Way;
  readonly asked: number;
  answered: boolean;
  over: boolean;
  readonly finished: Set<Way>;
  last: number;
  says: Saying;
  rule: number;
  /** When policy was asked last. */
  era: string;
}

const TCP = 6;
const REASON = { none: 0, noRule: 133, byRule: 181, waypoint: 220 } as const;
const MINUTE = 60;

export class Model {
  policy: readonly Sentence[] = [];
  /** Identity by address; a stranger is 2. */
  readonly identities = new Map<string, number>();
  node = "";
  audit = false;
  waypoint = false;
  /** In seconds. */
  now = 0;
  /** Changes when the policy or an address's identity does. */
  era = "";
  private readonly connections = new Map<string, Connection>();

  decide(datagram: Datagram): Outcome {
    const known = this.recall(datagram);
    const opening = datagram.protocol === TCP && datagram.flags.includes("S") && !datagram.flags.includes("A");
    const repeated = known !== null && known.opener === datagram.way && !known.answered && !known.over;
    if (known === null || (opening && !repeated)) return this.open(datagram, opening);
    this.refresh(known, datagram.remote, datagram.protocol);
    const reason = this.objection(known, datagram, opening);
    if (reason === REASON.none || this.onlyAudits(reason)) {
      this.note(known, datagram);
      return { passes: true, reason: REASON.none, rule: known.rule };
    }
    const fromOpener = known.opener === datagram.way;
    if (!fromOpener && datagram.protocol !== TCP) return this.open(datagram, false);
    return { passes: false, reason, rule: known.rule };
  }

  private recall(datagram: Datagram): Connection | null {
    const known = this.connections.get(datagram.tuple);
    if (known === undefined) return null;
    const patience = known.over ? 10 : known.answered && datagram.protocol === TCP ? 8000 : MINUTE;
    return this.now - known.last > patience ? null : known;
  }

  private ask(way: Way, remote: string, protocol: number, port: number): { says: Saying; rule: number } {
    const identity = this.identities.get(remote) ?? 2;
    const about = this.policy.filter((s) => s.way === way);
    const mine = about.filter((s) => s.who === identity);
    const sentences = mine.length > 0 ? mine : about.filter((s) => s.who === null);
    const width = (s: Sentence): number =>
      s.protocol === null ? Number.MAX_SAFE_INTEGER : s.ports === null ? 65536 : s.ports[1] - s.ports[0];
    const [first] = sentences
      .filter(
        (s) =>
          s.protocol === null ||
          (s.protocol === protocol && (s.ports === null || (port >= s.ports[0] && port <= s.ports[1]))),
      )
      .toSorted((a, b) => width(a) - width(b));
    const found = first ?? { says: "deny", rule: 0 };
    // The own node may do what no rule denies.
    const mayAnyway = way === "in" && remote === this.node && (found.says !== "deny" || found.rule === 0);
    return mayAnyway ? { says: "allow", rule: 0 } : found;
  }

  private open(datagram: Datagram, opening: boolean): Outcome {
    const { says, rule } = this.ask(datagram.way, datagram.remote, datagram.protocol, datagram.asked);
    const reason = this.firstObjection(says, rule, datagram.way, opening);
    if (reason !== REASON.none && !this.onlyAudits(reason)) return { passes: false, reason, rule };
    this.connections.set(datagram.tuple, {
      opener: datagram.way,
      asked: datagram.asked,
      answered: false,
      over: datagram.protocol === TCP && datagram.flags.includes("R"),
      finished: new Set(datagram.flags.includes("F") ? [datagram.way] : []),
      last: this.now,
      says,
      rule,
      era: this.era,
    });
    return { passes: true, reason: REASON.none, rule };
  }

  private firstObjection(says: Saying, rule: number, way: Way, opening: boolean): number {
    if (says === "allow") return REASON.none;
    if (says === "deny") return rule === 0 ? REASON.noRule : REASON.byRule;
    return way === "in" && this.waypoint && opening ? REASON.none : REASON.waypoint;
  }

  private refresh(connection: Connection, remote: string, protocol: number): void {
    if (connection.era === this.era) return;
    Object.assign(connection, this.ask(connection.opener, remote, protocol, connection.asked), { era: this.era });
  }

  /** Nobody steers here: of a redirected connection only the opening passes, and a refusal in return. */
  private objection(connection: Connection, datagram: Datagram, opening: boolean): number {
    if (connection.says === "allow") return REASON.none;
    if (connection.says === "deny") return connection.rule === 0 ? REASON.noRule : REASON.byRule;
    if (connection.opener === datagram.way)
      return opening && (this.waypoint || datagram.way === "out") ? REASON.none : REASON.waypoint;
    return datagram.flags.includes("R") ? REASON.none : REASON.waypoint;
  }

  private onlyAudits(reason: number): boolean {
    return this.audit && reason !== REASON.waypoint;
  }

  private note(connection: Connection, { way, protocol, flags }: Datagram): void {
    connection.last = this.now;
    if (way !== connection.opener) connection.answered = true;
    if (protocol !== TCP || connection.over) return;
    if (flags.includes("F")) connection.finished.add(way);
    connection.over = flags.includes("R") || connection.finished.size === 2;
  }
}
