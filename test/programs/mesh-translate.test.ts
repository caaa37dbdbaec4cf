/**
 * programs/mesh: services per packet. What a packet must look like afterwards is built anew from its headers, checksums and all, so
 * that nothing of the translation's arithmetic is trusted.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { dissect, ethernet, fragment, fragments, ipv4, ipv6, packet, payload, tcp, udp } from "../../testing/index.ts";
import type { LoadOptions } from "../../testing/index.ts";
import { describeProgram } from "./example.ts";
import { ALLOW, DENY, EGRESS, INGRESS, KIND, Node, PROTOCOLS, REASON, REDIRECT, flowKey, words } from "./mesh.ts";

const { tcp: TCP, udp: UDP } = PROTOCOLS;
const NO_BACKEND = 158;
const TRANSLATED = 6;
/** The pod; the service, with port 80 of TCP and 53 of UDP; two backends, of which the tables name one at a time. */
const POD = { v4: "10.0.0.2", v6: "fd00::2" };
const SERVICE = { v4: "10.96.0.1", v6: "fd96::1" };
const BACKENDS = { v4: ["10.0.0.3", "10.0.0.4"], v6: ["fd00::3", "fd00::4"] } as const;
type Family = "v4" | "v6";
type Frame = (src: string, sport: number, dst: string, dport: number, more?: string) => Uint8Array;

const at = (address: string): ReturnType<typeof ipv4> | ReturnType<typeof ipv6> =>
  address.includes(":") ? ipv6({ daddr: address }) : ipv4({ daddr: address });
/** An IP header between two addresses. */
const ip = (saddr: string, daddr: string): ReturnType<typeof at> => ({ ...at(daddr), saddr }) as ReturnType<typeof at>;
const segment =
  (flags: string): Frame =>
  (src, sport, dst, dport, more = "hello") =>
    packet(ethernet(), ip(src, dst), tcp({ sport, dport, flags }), payload(more));
const datagram: Frame = (src, sport, dst, dport, more = "hello") =>
  packet(ethernet(), ip(src, dst), udp({ sport, dport }), payload(more));
const silent: Frame = (src, sport, dst, dport) =>
  packet(ethernet(), ip(src, dst), udp({ sport, dport, checksum: 0 }), payload("hello"));

/** Names a backend's number (1 or 2) for each family's service; 0: nobody. `terminating`: the other one still serves what it has. */
function serve(node: Node, first: number, { states = [0, 0], affinity = 0, algorithm = 0, port = 8080 } = {}): void {
  const [services, slots, backends] = ["services", "slots", "backends"].map((name) => node.object.map(name));
  for (const [i, family] of (["v4", "v6"] as const).entries()) {
    const base = i * 2;
    for (const [j, address] of BACKENDS[family].entries()) {
      const service = states[j] === -1 ? 0 : 1 + i;
      const state = Math.max(0, states[j] ?? 0);
      backends?.set(base + j + 1, { ...words(address), service, port, state, reserved: 0 });
    }
    const backend = base + first;
    slots?.set(i, { backend, other: backend, threshold: 0xffffffff, reserved: 0 });
    for (const [protocol, asked] of [
      [TCP, 80],
      [UDP, 53],
    ] as const) {
      const key = { ...words(SERVICE[family]), port: asked, protocol, reserved: 0, reserved2: 0 };
      services?.set(key, {
        id: 1 + i,
        table: i,
        slots: first === 0 ? 0 : 1,
        affinity,
        algorithm,
        reserved: 0,
        reserved2: 0,
      });
    }
  }
}

function fill(node: Node): Node {
  node.endpoint();
  node.policy(1, [
    { identity: 0, direction: INGRESS, says: [DENY, 0] },
    { identity: 0, direction: EGRESS, says: [DENY, 0] },
    {
      identity: 2000,
      direction: EGRESS,
      says: [DENY, 0],
      ports: [TCP, UDP].flatMap((protocol) => [
        { protocol, port: 8080, says: [ALLOW, 5] },
        { protocol, port: 8081, says: [REDIRECT, 6, 1] },
      ]),
    },
  ]);
  for (const address of [...BACKENDS.v4, ...BACKENDS.v6]) node.host(address, 2000);
  serve(node, 1);
  return node;
}

describeProgram(
  "mesh/pod",
  (options: LoadOptions) => {
    const simulated = options.against !== "kernel";
    let shared: Node;
    beforeAll(async () => {
      shared = await Node.load(options);
    }, 120_000);
    afterAll(() => shared[Symbol.dispose]());
    const start = (): Node => {
      shared.reset();
      return fill(shared);
    };

    // prettier-ignore
    const KINDS: readonly (readonly [string, Frame, Frame, Frame, number])[] = [
      ["TCP",                    segment("S"), segment("SA"), segment("A"), 80],
      ["UDP",                    datagram,     datagram,      datagram,     53],
      ["UDP without a checksum", silent,       silent,        silent,       53],
    ];
    const FAMILIES: readonly Family[] = ["v4", "v6"];

    test.each(FAMILIES.flatMap((family) => KINDS.map((kind) => [family, ...kind] as const)))(
      "%s %s: to the backend and back, each byte as it should be; later packets stay with it",
      (family, _, opens, answers, goesOn, asked) => {
        const node = start();
        const [pod, service, backend] = [POD[family], SERVICE[family], BACKENDS[family][0]];
        const protocol = asked === 80 ? TCP : UDP;
        expect(node.fromPod(opens(pod, 4000, service, asked))).toPass();
        const sent = node.fromPod(opens(pod, 4000, service, asked));
        expect(sent.packet).toEqual(opens(pod, 4000, backend, 8080));
        const back = node.toPod(answers(backend, 8080, pod, 4000));
        expect(back).toPass();
        expect(back.packet).toEqual(answers(service, asked, pod, 4000));
        // New flows go to the other one; this one does not.
        serve(node, 2);
        expect(node.fromPod(goesOn(pod, 4000, service, asked)).packet).toEqual(goesOn(pod, 4000, backend, 8080));
        expect(node.fromPod(opens(pod, 4001, service, asked)).packet).toEqual(
          opens(pod, 4001, BACKENDS[family][1], 8080),
        );
        const key = flowKey([pod, 4000], [backend, 8080], protocol);
        expect(node.flow("flows", key)).toMatchObject({ packets: 3n, replyPackets: 1n, askedPort: asked, rule: 5 });
        expect([...node.object.map("flows").entries()].map(([k]) => k)).toEqual([key]);
      },
    );

    test.each(FAMILIES)("%s: checksums of all contents, also those whose sum is 0", (family) => {
      const node = start();
      for (let i = 0; i < 300; i++) {
        const text = String.fromCharCode(i & 127, (i * 31) & 127, (i * 7) & 127);
        const sent = node.fromPod(datagram(POD[family], 1000 + i * 211, SERVICE[family], 53, text));
        expect(sent.packet).toEqual(datagram(POD[family], 1000 + i * 211, BACKENDS[family][0], 8080, text));
      }
    });

    test("nobody there: dropped and told with the service's address; policy is not asked", () => {
      const node = start();
      serve(node, 0);
      expect(node.fromPod(segment("S")(POD.v4, 4000, SERVICE.v4, 80))).toDrop();
      expect(node.events()).toMatchObject([
        { kind: KIND.dropped, reason: NO_BACKEND, destinationLo: words(SERVICE.v4).lo, destinationPort: 80, rule: 0 },
      ]);
      expect(node.counted(EGRESS, 0)).toEqual([0n, 0n]);
      expect([...node.object.map("translations").entries()]).toEqual([]);
    });

    test("the backend is judged, and events have its address", () => {
      const node = start();
      node.host(BACKENDS.v4[0], 3000);
      node.settings({ flags: 1 });
      const sent = segment("S")(POD.v4, 4000, SERVICE.v4, 80);
      const denied = node.fromPod(sent);
      expect(denied).toDrop();
      expect(denied.packet).toEqual(sent);
      expect(node.events()).toMatchObject([
        { kind: TRANSLATED, destinationLo: words(SERVICE.v4).lo, destinationPort: 80 },
        {
          kind: KIND.dropped,
          reason: REASON.policyDenied,
          destinationLo: words(BACKENDS.v4[0]).lo,
          destinationPort: 8080,
        },
      ]);
      // HTTP rules decide: not without the waypoint.
      node.host(BACKENDS.v4[0], 2000);
      serve(node, 1, { port: 8081 });
      expect(node.fromPod(segment("S")(POD.v4, 4001, SERVICE.v4, 80))).toDrop();
      expect(node.events().at(-1)).toMatchObject({ reason: REASON.waypointDown, rule: 6 });
      // Audit: what is denied goes where it would have gone.
      node.host(BACKENDS.v4[0], 3000);
      node.settings({ flags: 2 });
      serve(node, 1);
      const audited = node.fromPod(segment("S")(POD.v4, 4002, SERVICE.v4, 80));
      expect(audited).toPass();
      expect(audited.packet).toEqual(segment("S")(POD.v4, 4002, BACKENDS.v4[0], 8080));
    });

    test("not for services: another port, protocol, address; what comes to the pod; what answers", () => {
      const node = start();
      node.policy(1, [
        { identity: 2, direction: EGRESS, says: [ALLOW, 0] },
        { identity: 2, direction: INGRESS, says: [ALLOW, 0] },
      ]);
      for (const bytes of [
        segment("S")(POD.v4, 4000, SERVICE.v4, 81),
        datagram(POD.v4, 4000, SERVICE.v4, 80),
        segment("S")(POD.v4, 4000, "10.96.0.2", 80),
        packet.icmp({ src: POD.v4, dst: SERVICE.v4, type: 8 }),
      ])
        expect(node.fromPod(bytes).packet).toEqual(bytes);
      // Whoever has a service's address and opens a flow is answered as who it is.
      const request = datagram(SERVICE.v4, 53, POD.v4, 4000);
      expect(node.toPod(request).packet).toEqual(request);
      const answer = datagram(POD.v4, 4000, SERVICE.v4, 53);
      expect(node.fromPod(answer).packet).toEqual(answer);
      expect(node.fromPod(answer).packet).toEqual(answer);
    });

    test("itself: dropped, its own address would be the source", () => {
      const node = start();
      node.object.map("backends").set(1, { ...words(POD.v4), service: 1, port: 8080, state: 0, reserved: 0 });
      expect(node.fromPod(segment("S")(POD.v4, 4000, SERVICE.v4, 80))).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.invalidSource }]);
      // Half of the address is somebody else's.
      node.object.map("backends").set(3, { ...words("fd01::2"), service: 2, port: 8080, state: 0, reserved: 0 });
      node.host("fd01::2", 2000);
      expect(node.fromPod(segment("S")(POD.v6, 4000, SERVICE.v6, 80))).toPass();
      node.object.map("backends").set(3, { ...words("fd00::3"), service: 2, port: 8080, state: 0, reserved: 0 });
    });

    test("a connection goes on without its backend or service; a datagram and a SYN pick again", () => {
      const node = start();
      const [one, two] = BACKENDS.v4;
      const [opens, goesOn] = [segment("S"), segment("A")];
      for (const port of [4000, 4001, 4002]) expect(node.fromPod(opens(POD.v4, port, SERVICE.v4, 80))).toPass();
      expect(node.fromPod(datagram(POD.v4, 4000, SERVICE.v4, 53))).toPass();
      // It terminates: what is there stays, also a datagram's flow; a SYN does not.
      serve(node, 2, { states: [1, 0] });
      expect(node.fromPod(goesOn(POD.v4, 4000, SERVICE.v4, 80)).packet).toEqual(goesOn(POD.v4, 4000, one, 8080));
      expect(node.fromPod(datagram(POD.v4, 4000, SERVICE.v4, 53)).packet).toEqual(datagram(POD.v4, 4000, one, 8080));
      expect(node.fromPod(opens(POD.v4, 4001, SERVICE.v4, 80)).packet).toEqual(opens(POD.v4, 4001, two, 8080));
      // It is gone.
      serve(node, 2, { states: [-1, 0] });
      expect(node.fromPod(goesOn(POD.v4, 4000, SERVICE.v4, 80)).packet).toEqual(goesOn(POD.v4, 4000, one, 8080));
      expect(node.fromPod(datagram(POD.v4, 4000, SERVICE.v4, 53)).packet).toEqual(datagram(POD.v4, 4000, two, 8080));
      // So is the service.
      for (const [key] of [...node.object.map("services").entries()]) node.object.map("services").delete(key);
      expect(node.fromPod(goesOn(POD.v4, 4000, SERVICE.v4, 80)).packet).toEqual(goesOn(POD.v4, 4000, one, 8080));
      expect(node.fromPod(datagram(POD.v4, 4000, SERVICE.v4, 53))).toDrop();
    });

    // prettier-ignore
    test.each([
      ["port",                      { ...words("10.0.0.3"), port: 8081 }],
      ["the low half of an address", { ...words("10.0.0.4"), port: 8080 }],
      ["the high half",             { hi: 1n, lo: words("10.0.0.3").lo, port: 8080 }],
    ])("a backend's number is another's: it differs in %s", (_, fields) => {
      const node = start();
      const sent = datagram(POD.v4, 4000, SERVICE.v4, 53);
      expect(node.fromPod(sent)).toPass();
      serve(node, 2);
      node.object.map("backends").set(1, { service: 1, state: 0, reserved: 0, ...fields });
      expect(node.fromPod(sent).packet).toEqual(datagram(POD.v4, 4000, BACKENDS.v4[1], 8080));
    });

    test("a minute of silence: picks again", () => {
      const node = start();
      const sent = datagram(POD.v4, 4000, SERVICE.v4, 53);
      expect(node.fromPod(sent)).toPass();
      const translations = node.object.map<unknown, { seen: bigint }>("translations");
      serve(node, 2);
      const age = (seconds: number): void => {
        for (const [key, value] of [...translations.entries()])
          translations.set(key, { ...value, seen: BigInt.asUintN(64, value.seen - BigInt(seconds) * 1_000_000_000n) });
      };
      age(50);
      expect(node.fromPod(sent).packet).toEqual(datagram(POD.v4, 4000, BACKENDS.v4[0], 8080));
      age(61);
      expect(node.fromPod(sent).packet).toEqual(datagram(POD.v4, 4000, BACKENDS.v4[1], 8080));
    });

    test("a connection that nobody remembers, half open or forgotten, is given to a backend and judged", () => {
      const node = start();
      const bytes = segment("A")(POD.v4, 4000, SERVICE.v4, 80);
      expect(node.fromPod(bytes).packet).toEqual(segment("A")(POD.v4, 4000, BACKENDS.v4[0], 8080));
    });

    test("the client of affinity is the pod, by its address", () => {
      const node = start();
      serve(node, 1, { affinity: 3600 });
      for (const family of FAMILIES)
        expect(node.fromPod(segment("S")(POD[family], 4000, SERVICE[family], 80))).toPass();
      serve(node, 2, { affinity: 3600 });
      for (const family of FAMILIES)
        expect(node.fromPod(segment("S")(POD[family], 4001, SERVICE[family], 80)).packet).toEqual(
          segment("S")(POD[family], 4001, BACKENDS[family][0], 8080),
        );
      const clients = [...node.object.map<{ client: bigint }, unknown>("affinities").entries()].map(
        ([{ client }]) => client,
      );
      const six = words(POD.v6);
      expect(new Set(clients)).toEqual(new Set([words(POD.v4).lo, six.hi ^ six.lo]));
      // An IPv6 address whose first half is that of an IPv4 one.
      node.endpoint({ ipv6: "::2" });
      expect(node.fromPod(segment("S")("::2", 4001, SERVICE.v6, 80)).packet).toEqual(
        segment("S")("::2", 4001, BACKENDS.v6[1], 8080),
      );
    });

    test("one port to a backend itself and to its service: who was asked last answers", () => {
      const node = start();
      const [backend, answer] = [BACKENDS.v4[0], datagram(BACKENDS.v4[0], 8080, POD.v4, 4000)];
      node.fromPod(datagram(POD.v4, 4000, SERVICE.v4, 53));
      expect(node.toPod(answer).packet).toEqual(datagram(SERVICE.v4, 53, POD.v4, 4000));
      node.fromPod(datagram(POD.v4, 4000, backend, 8080));
      expect(node.toPod(answer).packet).toEqual(answer);
    });

    test.each(FAMILIES)("%s: fragments in order, there and back", (family) => {
      const node = start();
      const text = "x".repeat(100);
      const [pod, service, backend] = [POD[family], SERVICE[family], BACKENDS[family][0]];
      const cut = (frame: Uint8Array): Uint8Array[] => {
        if (family === "v4")
          return fragments(packet(...dissect(frame).map((l) => (l.kind === "ipv4" ? { ...l, id: 7 } : l))), 64);
        const [head, body] = [frame.slice(14, 54), frame.slice(54)];
        const view = new DataView(head.buffer);
        const addresses = dissect(frame).flatMap((l) => (l.kind === "ipv6" ? [l] : []))[0];
        expect(view.getUint8(6)).toBe(UDP);
        const header = (): ReturnType<typeof ipv6> =>
          ip(addresses?.saddr ?? "", addresses?.daddr ?? "") as ReturnType<typeof ipv6>;
        return [
          packet(
            ethernet(),
            header(),
            fragment({ id: 7, moreFragments: true, nextHeader: UDP }),
            payload(body.slice(0, 64)),
          ),
          packet(
            ethernet(),
            header(),
            fragment({ id: 7, fragmentOffset: 64, nextHeader: UDP }),
            payload(body.slice(64)),
          ),
        ];
      };
      const there = cut(datagram(pod, 4000, service, 53, text)).map((bytes) => node.fromPod(bytes).packet);
      expect(there).toEqual(cut(datagram(pod, 4000, backend, 8080, text)));
      const back = cut(datagram(backend, 8080, pod, 4000, text)).map((bytes) => node.toPod(bytes).packet);
      expect(back).toEqual(cut(datagram(service, 53, pod, 4000, text)));
      // Without the first nobody knows that it is for a service: policy judges it as it is.
      start();
      expect(node.fromPod(cut(datagram(pod, 4000, service, 53, text))[1] ?? new Uint8Array())).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.fragmentNotFound }]);
    });

    test.skipIf(!simulated)("no room to remember where a flow goes: dropped", async () => {
      using node = fill(await Node.load({ ...options, maps: { translations: { type: "hash", maxEntries: 1 } } }));
      expect(node.fromPod(segment("S")(POD.v4, 4000, SERVICE.v4, 80))).toPass();
      expect(node.fromPod(segment("S")(POD.v4, 4001, SERVICE.v4, 80))).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.flowTableFull }]);
    });
  },
  undefined,
  /translate\.ts/,
);
