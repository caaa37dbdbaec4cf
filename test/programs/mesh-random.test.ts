/**
 * programs/mesh against the model of mesh-model.ts: random policies, packets of both ways, changes of policy and identity, and
 * time that passes (where the clock is ours). Every verdict is compared, and in the end what was counted by reason and rule.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packet, targets } from "../../testing/index.ts";
import "../../testing/vitest.ts";
import { Model } from "./mesh-model.ts";
import type { Datagram, Sentence, Way } from "./mesh-model.ts";
import { EGRESS, FLAG, ICMP_TYPE, INGRESS, Node, PROTOCOLS } from "./mesh.ts";
import type { Judges, PortSays } from "./mesh.ts";

const POD = "10.0.0.2";
const NODE = "10.0.0.1";
const REMOTES = [NODE, "10.0.0.3", "10.0.0.4", "198.51.100.9"] as const;
const IDENTITIES = [2000, 3000, 4000] as const;
const PORTS = [80, 81, 8000] as const;
const { tcp: TCP, udp: UDP, icmp: ICMP } = PROTOCOLS;
const ACTIONS = { deny: 0, allow: 1, redirect: 2 } as const;

type Deed =
  | { readonly kind: "packet"; readonly datagram: Datagram; readonly bytes: Uint8Array }
  | { readonly kind: "policy"; readonly sentences: readonly Sentence[] }
  | { readonly kind: "identity"; readonly address: string; readonly identity: number }
  | { readonly kind: "switch"; readonly audit: boolean; readonly waypoint: boolean }
  | { readonly kind: "wait"; readonly seconds: number };

const ways = fc.constantFrom<Way>("in", "out");

/** Ranges are prefixes, as user space writes them. */
const sentence: fc.Arbitrary<Omit<Sentence, "rule">> = fc.record({
  way: ways,
  who: fc.constantFrom(null, ...IDENTITIES),
  protocol: fc.constantFrom(null, TCP, TCP, UDP, ICMP),
  ports: fc.constantFrom<Sentence["ports"]>(null, [80, 80], [81, 81], [80, 81], [8000, 8007]),
  says: fc.constantFrom("deny" as const, "allow" as const, "allow" as const, "redirect" as const),
});

/** A policy says one thing of each port, and something of all that it names. */
const policies = fc.array(sentence, { maxLength: 8 }).map((sentences): readonly Sentence[] => {
  const seen = new Set<string>();
  return sentences.flatMap((s, i) => {
    const icmp = s.protocol === ICMP;
    const type = ICMP_TYPE | 8;
    const ports: Sentence["ports"] = s.protocol === null ? null : icmp && s.ports !== null ? [type, type] : s.ports;
    const key = `${s.way} ${s.who} ${s.protocol} ${ports?.join()}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ ...s, ports, rule: s.says === "deny" && i % 2 === 0 ? 0 : i + 1 }];
  });
});

/** Who talks in a run: few, so that they meet again. */
const conversations = fc.array(
  fc.record({
    remote: fc.constantFrom(...REMOTES),
    podPort: fc.constantFrom(...PORTS),
    remotePort: fc.constantFrom(...PORTS),
    protocol: fc.constantFrom(TCP, TCP, UDP, ICMP),
  }),
  { minLength: 1, maxLength: 3 },
);
type Conversation = Omit<Ends, "way"> & { readonly protocol: number };

const packetsOf = (talks: readonly Conversation[]): fc.Arbitrary<Deed> =>
  fc
    .record({
      talk: fc.constantFrom(...talks),
      way: ways,
      flags: fc.constantFrom("S", "S", "SA", "A", "A", "A", "FA", "FA", "RA", "R"),
      asks: fc.boolean(),
    })
    .map(({ talk, way, flags, asks }) => {
      if (talk.protocol === ICMP) return ping({ ...talk, way }, asks);
      return segment({ ...talk, way }, talk.protocol, talk.protocol === TCP ? flags : "");
    });

interface Ends {
  readonly way: Way;
  readonly remote: string;
  readonly podPort: number;
  readonly remotePort: number;
}

function segment({ way, remote, podPort, remotePort }: Ends, protocol: number, flags: string): Deed {
  const [pod, peer] = [`${POD}:${podPort}`, `${remote}:${remotePort}`];
  const path = way === "in" ? { src: peer, dst: pod } : { src: pod, dst: peer };
  const bytes = protocol === TCP ? packet.tcp({ ...path, flags }) : packet.udp(path);
  const asked = way === "in" ? podPort : remotePort;
  const tuple = `${protocol} ${pod} ${peer}`;
  return { kind: "packet", datagram: { way, remote, protocol, podPort, remotePort, asked, flags, tuple }, bytes };
}

/** Each end's questions are conversations of their own. */
function ping({ way, remote, podPort }: Ends, asks: boolean): Deed {
  const path = way === "in" ? { src: remote, dst: POD } : { src: POD, dst: remote };
  const type = asks ? 8 : 0;
  const asker = asks === (way === "out") ? POD : remote;
  const tuple = `ping of ${asker} with ${remote}, ${podPort}`;
  const datagram = { way, remote, protocol: ICMP, podPort, remotePort: 0, asked: ICMP_TYPE | type, flags: "", tuple };
  return { kind: "packet", datagram, bytes: packet.icmp({ ...path, type, id: podPort }) };
}

const deedsOf = (talks: readonly Conversation[], hasClock: boolean): fc.Arbitrary<readonly Deed[]> =>
  fc.array(
    fc.oneof(
      { weight: 12, arbitrary: packetsOf(talks) },
      { weight: 2, arbitrary: policies.map((sentences): Deed => ({ kind: "policy", sentences })) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom("10.0.0.3", "10.0.0.4"), fc.constantFrom(...IDENTITIES))
          .map(([address, identity]): Deed => ({ kind: "identity", address, identity })),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.boolean(), fc.boolean())
          .map(([audit, waypoint]): Deed => ({ kind: "switch", audit, waypoint })),
      },
      {
        weight: hasClock ? 2 : 0,
        arbitrary: fc.constantFrom(1, 9, 11, 59, 61, 7999, 8001).map((seconds): Deed => ({ kind: "wait", seconds })),
      },
    ),
    { minLength: 1, maxLength: 60, size: "max" },
  );
const deeds = (hasClock: boolean): fc.Arbitrary<readonly Deed[]> =>
  conversations.chain((talks) => deedsOf(talks, hasClock));

/** The sentences as user space writes them: what is said of all ports is the judgement, the rest a table of ports. */
function judgementsOf(sentences: readonly Sentence[]): Judges[] {
  const groups = new Map<string, Sentence[]>();
  for (const s of sentences) groups.set(`${s.way} ${s.who}`, [...(groups.get(`${s.way} ${s.who}`) ?? []), s]);
  return [...groups.values()].flatMap((group) => {
    const [{ way, who }] = group as [Sentence, ...Sentence[]];
    const all = group.find((s) => s.protocol === null);
    const ports = group.flatMap((s): PortSays[] => {
      if (s.protocol === null) return [];
      const [first, last] = s.ports ?? [0, 65535];
      const says = [ACTIONS[s.says], s.rule, 0] as const;
      return [{ protocol: s.protocol, port: first, bits: 16 - Math.log2(last - first + 1), says }];
    });
    const says = all === undefined ? ([0, 0] as const) : ([ACTIONS[all.says], all.rule] as const);
    return [{ identity: who ?? 0, direction: way === "in" ? INGRESS : EGRESS, says, ports }];
  });
}

/** Does the deeds in the model and in the programs. */
class Play {
  private readonly node: Node;
  private readonly model = new Model();
  private generation = 1;
  private identities = 0;
  private policy = 1;
  private readonly reasons = new Map<string, bigint>();
  private readonly wait: (seconds: number) => void;

  constructor(node: Node, wait: (seconds: number) => void) {
    this.node = node;
    this.wait = wait;
    node.reset();
    node.host(NODE, 1, { flags: FLAG.local });
    this.model.node = NODE;
    this.model.identities.set(NODE, 1);
    this.identity("10.0.0.3", 2000);
    this.identity("10.0.0.4", 3000);
    this.configure();
  }

  private identity(address: string, identity: number): void {
    this.node.host(address, identity);
    this.model.identities.set(address, identity);
  }

  /** Tells the kernel what is current, as the agent would. */
  private configure(): void {
    const flags = this.model.waypoint ? FLAG.waypointUp : 0;
    this.node.endpoint({ policy: this.policy, generation: this.generation, flags });
    this.node.settings({ identities: this.identities, flags: this.model.audit ? FLAG.audit : 0 });
    this.model.era = `${this.generation} ${this.identities}`;
  }

  do(deed: Deed): void {
    switch (deed.kind) {
      case "packet":
        return this.packet(deed.datagram, deed.bytes);
      case "policy":
        this.model.policy = deed.sentences;
        this.policy++;
        this.generation++;
        this.node.policy(this.policy, judgementsOf(deed.sentences));
        return this.configure();
      case "identity":
        this.identity(deed.address, deed.identity);
        this.identities++;
        return this.configure();
      case "switch":
        this.model.audit = deed.audit;
        this.model.waypoint = deed.waypoint;
        return this.configure();
      case "wait":
        this.model.now += deed.seconds;
        this.wait(deed.seconds);
    }
  }

  private packet(datagram: Datagram, bytes: Uint8Array): void {
    const expected = this.model.decide(datagram);
    const result = datagram.way === "in" ? this.node.toPod(bytes) : this.node.fromPod(bytes);
    if (expected.passes) expect(result).toPass();
    else expect(result).toDrop();
    const key = `${datagram.way === "in" ? INGRESS : EGRESS} ${expected.reason}`;
    this.reasons.set(key, (this.reasons.get(key) ?? 0n) + 1n);
    if (expected.rule !== 0)
      this.reasons.set(`rule ${expected.rule}`, (this.reasons.get(`rule ${expected.rule}`) ?? 0n) + 1n);
  }

  compareCounts(): void {
    for (const [key, count] of this.reasons) {
      const [first = "", second = ""] = key.split(" ");
      const counted =
        first === "rule" ? this.node.ruleTraffic(Number(second)) : this.node.counted(Number(first), Number(second));
      expect([key, counted[0]]).toEqual([key, count]);
    }
  }
}

for (const { name, title, skip, options } of targets()) {
  if (name === "interpreter") continue;
  describe.skipIf(skip)(`mesh/pod against the model, ${title}`, () => {
    const simulated = name !== "kernel";
    let clock = 1_000_000_000_000_000n;
    let node: Node;
    beforeAll(async () => {
      node = await Node.load({ ...options, ...(simulated ? { now: () => clock } : {}) });
    }, 120_000);
    afterAll(() => node[Symbol.dispose]());

    test("random policies and packets", () => {
      fc.assert(
        fc.property(deeds(simulated), (list) => {
          const play = new Play(node, (seconds) => (clock += BigInt(seconds) * 1_000_000_000n));
          for (const deed of list) play.do(deed);
          play.compareCounts();
        }),
        { numRuns: simulated ? 40 : 100 },
      );
    }, 60_000);
  });
}
