/**
 * Whatever the text is, reading it gives objects and placed diagnostics, never a fault: random bytes, and good YAML with
 * random damage, which gets deeper into the readers. And a text in pieces means what its pieces mean.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileParser, parseObjects } from "../../../mesh/objects/parse.ts";

// prettier-ignore
const GOOD: readonly string[] = [
  `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: ns, labels: &l {app: x}}
spec:
  endpointSelector: {matchLabels: *l}
  enableDefaultDeny: {ingress: true, egress: false}
  ingress:
  - fromEndpoints:
    - matchExpressions:
      - {key: "k8s:app", operator: NotIn, values: [a, b]}
    toPorts:
    - ports: [{port: "80", endPort: 90, protocol: TCP}, {port: http, protocol: TCP}]
      rules:
        http:
        - {method: "GET|HEAD", path: "/a/.*", headers: ["X-A: b"]}
        - {headerMatches: [{name: X, value: y, mismatch: LOG}]}
  - icmps: [{fields: [{type: EchoRequest, family: IPv6}]}]
  egress:
  - toFQDNs: [{matchName: a.example.com}, {matchPattern: "*.b"}]
  - toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]
  egressDeny:
  - toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, {cidrGroupRef: g}]
  - toServices: [{k8sService: {serviceName: s, namespace: n}}]
`,
  `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  annotations:
    note: |
      a text
      of lines
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {a: b}}
      namespaceSelector: {}
    - ipBlock: {cidr: "fd00::/8"}
    ports: [{port: 80, endPort: 90}, {port: http, protocol: UDP}]
`,
  `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: &m {name: p, labels: {app: x}}
  spec: {nodeName: n1, hostNetwork: false, containers: [{ports: [{name: http, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}], conditions: [{type: Ready, status: "True"}]}
- apiVersion: v1
  kind: Pod
  metadata: {<<: *m, name: q}
- apiVersion: v1
  kind: Service
  metadata: {name: s}
  spec: {clusterIPs: [10.96.0.1], selector: {app: x}, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: http}]}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: e, labels: {kubernetes.io/service-name: s}}
  addressType: IPv4
  ports: [{name: a, port: 80}]
  endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, nodeName: n1}]
- {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.18.0.1}]}}
- {apiVersion: v1, kind: Namespace, metadata: {name: ns}}
- {apiVersion: cilium.io/v2alpha1, kind: CiliumCIDRGroup, metadata: {name: g}, spec: {externalCIDRs: [10.0.0.0/8]}}
`,
];

/** What gets put somewhere into a good text. */
const DEBRIS = [
  ..." \n\t:-[]{}\"'#&*!|>%@,?~\\\0\u{1f4a5}",
  "---\n",
  "null",
  "<<: *l",
  "*l",
  "&l ",
  "- ",
  "\n\n",
  "1e999",
  "0x1F",
  "\r\n",
  "{}",
  "[]",
  "true",
  "__proto__: {}",
  "constructor: x",
];

type Damage = (text: string, at: number, value: number) => string;
const DAMAGES: Readonly<Record<string, Damage>> = {
  insert: (text, at, value) => text.slice(0, at) + DEBRIS[value % DEBRIS.length]! + text.slice(at),
  remove: (text, at, value) => text.slice(0, at) + text.slice(at + 1 + (value % 8)),
  cut: (text, at) => text.slice(0, at),
  repeat: (text, at, value) => text.slice(0, at + (value % 40)) + text.slice(at),
  replaceWord: (text, at, value) => {
    const words = [...text.matchAll(/[\w./]+/g)];
    const word = words[at % words.length];
    if (word === undefined) return text;
    const other = value % 3 === 0 ? DEBRIS[value % DEBRIS.length]! : words[value % words.length]![0];
    return text.slice(0, word.index) + other + text.slice(word.index + word[0].length);
  },
  swapLines: (text, at, value) => {
    const lines = text.split("\n");
    const [a, b] = [at % lines.length, value % lines.length];
    [lines[a], lines[b]] = [lines[b]!, lines[a]!];
    return lines.join("\n");
  },
};

function checkResult(text: string): void {
  const { objects, refused, diagnostics } = parseObjects(text, "f");
  const lines = text.split(/\n|\r\n?/).length;
  const inText = (line: number): boolean => line >= 1 && line <= lines;
  const faults = [
    ...diagnostics.filter(({ place }) => place.kind !== "source" || !inText(place.line) || place.column < 1),
    ...diagnostics.filter(({ code, message }) => !/^Y0\d\d$/.test(code) || message.includes("undefined")),
    ...objects.filter(({ ref, place }) => ref.name === "" || !inText(place.line)),
    ...(diagnostics.some((d) => d.severity === "error") ? [] : refused),
  ];
  expect(faults, text).toEqual([]);
}

describe("reading never faults", () => {
  test("random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => checkResult(new TextDecoder().decode(bytes))),
      { seed: 71, numRuns: 300 },
    );
  });

  test("random pieces of YAML", () => {
    const piece = fc.constantFrom(
      ...DEBRIS,
      "apiVersion: v1\n",
      "kind: Pod\n",
      "metadata:\n",
      "  name: a\n",
      "spec:",
      "a: b\n",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => checkResult(pieces.join(""))),
      {
        seed: 72,
        numRuns: 500,
      },
    );
  });

  test("good text, damaged", () => {
    const damage = fc.record({
      how: fc.constantFrom(...Object.keys(DAMAGES)),
      at: fc.nat(2000),
      value: fc.nat(1000),
    });
    const texts = fc.constantFrom(...GOOD);
    fc.assert(
      fc.property(texts, fc.array(damage, { minLength: 1, maxLength: 4 }), (good, damages) => {
        const text = damages.reduce((t, { how, at, value }) => DAMAGES[how]!(t, at % (t.length + 1), value), good);
        checkResult(text);
      }),
      { seed: 73, numRuns: 250 },
    );
  });

  test("without damage there is nothing to say", () => {
    for (const text of GOOD) expect(parseObjects(text, "f").diagnostics).toEqual([]);
  });

  test.each([
    ["deep nesting", "[".repeat(20_000)],
    ["deep nesting of a known field", `metadata: ${"{a: ".repeat(5000)}`],
    ["many keys", Array.from({ length: 3000 }, (_, i) => `k${i}: 1\n`).join("")],
  ])("%s", (_name, text) => {
    checkResult(text);
  });

  test("aliases that multiply", () => {
    // A hundred lists of a hundred lists of a hundred lists: a million values from a few lines.
    const headers = `- &h [${Array.from({ length: 100 }, () => '"X-A: b"').join(", ")}]`;
    const http = `- &r [${Array.from({ length: 100 }, () => "{headers: *h}").join(", ")}]`;
    const ports = `- &o [${Array.from({ length: 100 }, () => '{ports: [{port: "80", protocol: TCP}], rules: {http: *r}}').join(", ")}]`;
    const bomb =
      `metadata: {name: p}\nstatus:\n${headers}\n${http}\n${ports}\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n` +
      `spec: {endpointSelector: {}, ingress: [{toPorts: *o}, {toPorts: *o}]}\n`;
    const { objects, diagnostics } = parseObjects(bomb, "f");
    expect(objects).toEqual([]);
    expect(diagnostics.map((d) => d.code)).toContain("Y023");
    expect(diagnostics.length).toBeLessThan(10);
  });
});

describe("pieces", () => {
  /** Documents, some with what looks like a separator and is none. */
  const documents = fc.array(
    fc.constantFrom(
      ...GOOD,
      "",
      "# only a comment\n",
      "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    text: |\n      ---\n      not a document\n",
      "{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {a: ---}}}\n",
      "kind: Node\n",
    ),
    { maxLength: 5 },
  );

  test("a text of several documents is what they are, further down", () => {
    fc.assert(
      fc.property(documents, (texts) => {
        const whole = parseObjects(texts.join("---\n"), "f");
        let before = 0;
        const names: string[] = [];
        const problems: string[] = [];
        for (const text of texts) {
          const { objects, diagnostics } = parseObjects(text, "f");
          names.push(...objects.map(({ ref, place }) => `${ref.name} ${place.line + before}`));
          problems.push(
            ...diagnostics.map(({ code, place }) => `${code} ${place.kind === "source" ? place.line + before : 0}`),
          );
          before += text.split("\n").length;
        }
        expect(whole.objects.map(({ ref, place }) => `${ref.name} ${place.line}`)).toEqual(names);
        expect(
          whole.diagnostics.map(({ code, place }) => `${code} ${place.kind === "source" ? place.line : 0}`),
        ).toEqual(problems);
      }),
      { seed: 74, numRuns: 40 },
    );
  });

  test("reading again is reading, and what stayed is the same value", () => {
    fc.assert(
      fc.property(fc.array(documents, { minLength: 2, maxLength: 4 }), (versions) => {
        const parser = new FileParser("f");
        for (const texts of versions) {
          const text = texts.join("---\n");
          expect(parser.parse(text)).toEqual(parseObjects(text, "f"));
        }
      }),
      { seed: 75, numRuns: 20 },
    );
    const parser = new FileParser("f");
    const [first] = parser.parse(`${GOOD[0]!}---\n${GOOD[1]!}`).objects;
    expect(parser.parse(`${GOOD[0]!}---\n${GOOD[2]!}`).objects[0]).toBe(first);
  });
});
