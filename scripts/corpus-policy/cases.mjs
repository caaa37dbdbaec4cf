// Runs cases of the policy corpus against a judge.
//
// A judge is `{ name, open(world) }`; `open` gives a session of one cluster:
//   update(cluster, documents)  the cluster is another one now; the same as Kubernetes documents, by `kind namespace/name`
//   observeDns(names)      addresses of names, as seen in answers: { name: [address] }
//   forgetDns(names)       these names, or all of them (null), are too old
//   judge(flow)            "allow", "deny" or "http403", or null when this judge cannot tell; several flows at once
//   judgeDns(query)        "allow" or "refused", or null
//   close()
// and the judge itself may have `close()`, called at the end. Any of them may be asynchronous. A flow is the corpus's own record, with the ends' addresses added as `from` and `to`, and
// ends as `source` and `destination` (fixture.mjs).
import { parseAllDocuments } from "yaml";
import { applyChanges, parseObjects } from "../../dist/mesh/index.js";
import { addressesOf, documentKey, findEnd, namespaceDocument, parseDocuments, podDocument } from "./fixture.mjs";

const SUPPORTED = new Set([
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
  "CiliumCIDRGroup",
  "lifecycle",
]);

/** Why no judge can say anything of the case; null: it can. */
export function unsupportedKind({ kind, area }) {
  if (area !== undefined) return "hbone";
  return (
    String(kind)
      .split("+")
      .find((one) => !SUPPORTED.has(one)) ?? null
  );
}

/**
 * Judges one case: of its tables the flows that `isAsked` says yes to, and all else. `report` is called with what is wrong; gives how
 * many verdicts there were and were right.
 */
export async function runCase(test, columns, world, judge, report, isAsked = () => true) {
  const run = new Run(test, columns, world, report, isAsked);
  if (test.expectError !== undefined) return run.expectRefusal();
  const session = await judge.open(world);
  try {
    await run.play(session);
  } finally {
    await session.close();
  }
  return run.tally;
}

class Run {
  tally = { verdicts: 0, right: 0, skipped: 0 };
  #test;
  #columns;
  #fixture;
  #cluster;
  #documents;
  #report;
  #isAsked;

  constructor(test, columns, { fixture, cluster, documents }, report, isAsked) {
    this.#test = test;
    this.#columns = columns;
    this.#fixture = fixture;
    this.#cluster = cluster;
    this.#documents = new Map(documents.map((document) => [documentKey(document), document]));
    this.#report = report;
    this.#isAsked = isAsked;
  }

  expectRefusal() {
    const { refused } = this.#parse(this.#test.yaml);
    this.#compare({ load: this.#test.title }, "refused", refused === null ? "accepted" : "refused");
    return this.tally;
  }

  async play(session) {
    const { yaml, cidrGroups, dns, steps, checks, tables, serviceChecks, dnsQueries } = this.#test;
    this.#addGroups(cidrGroups ?? {});
    if (yaml !== undefined) this.#apply(yaml);
    await session.update(this.#cluster, this.#documents);
    if (dns !== undefined) await session.observeDns(dns);
    await this.#check(session, checks ?? []);
    await this.#check(session, [...tableFlows(tables?.identity ?? {}, this.#columns)], this.#isAsked);
    for (const check of serviceChecks ?? []) await this.#checkService(session, check);
    for (const query of dnsQueries ?? []) await this.#checkDns(session, query);
    for (const step of steps ?? []) await this.#step(session, step);
  }

  async #step(session, step) {
    const [action] = Object.keys(step).filter((key) => STEPS.has(key));
    if (action === undefined) throw new Error(`${this.#test.id}: a step that is not known: ${JSON.stringify(step)}`);
    const given = step[action];
    switch (action) {
      case "check":
        return this.#check(session, given);
      case "dns":
        return session.observeDns(namesOf(given, step));
      case "dnsExpire":
        return session.forgetDns(
          given === true
            ? null
            : typeof given === "string"
              ? [given]
              : Array.isArray(given)
                ? given
                : Object.keys(given),
        );
      case "apply":
        this.#apply(given);
        break;
      case "delete":
        this.#delete(given);
        break;
      case "relabelPod":
      case "relabelNamespace":
        this.#relabel(action, given, step);
        break;
      case "createPod":
        this.#setDocuments([podDocument(podOf(given, step))]);
        break;
      case "deletePod":
        this.#delete(`Pod ${nameOf(given)}`);
        break;
    }
    return session.update(this.#cluster, this.#documents);
  }

  #apply(yaml) {
    const { objects, refused } = this.#parse(yaml);
    if (refused !== null) this.#report({ id: this.#test.id, load: yaml, expect: "accepted", found: refused });
    this.#set(objects);
    this.#remember(parseAllDocuments(yaml).map((document) => document.toJS()));
  }

  #setDocuments(documents) {
    this.#set(parseDocuments(documents));
    this.#remember(documents);
  }

  #remember(documents) {
    for (const document of documents) if (document !== null) this.#documents.set(documentKey(document), document);
  }

  #parse(yaml) {
    const { objects, diagnostics } = parseObjects(yaml, this.#test.id);
    const wrong = diagnostics.find(({ severity }) => severity === "error");
    return {
      objects: objects.map(({ object }) => object),
      refused: wrong === undefined ? null : `${wrong.code} ${wrong.message}`,
    };
  }

  #set(objects) {
    this.#cluster = applyChanges(
      this.#cluster,
      objects.map((object) => ({ kind: "set", object })),
    );
  }

  #addGroups(groups) {
    const documents = Object.entries(groups).map(([name, given]) => {
      const { cidrs, labels = {} } = Array.isArray(given) ? { cidrs: given } : given;
      const externalCIDRs = cidrs.map((cidr) => (cidr.includes("/") ? cidr : `${cidr}/32`));
      const apiVersion = "cilium.io/v2alpha1";
      return { apiVersion, kind: "CiliumCIDRGroup", metadata: { name, labels }, spec: { externalCIDRs } };
    });
    if (documents.length > 0) this.#setDocuments(documents);
  }

  #delete(name) {
    const [kind, object] = name.split(" ");
    this.#cluster = applyChanges(this.#cluster, [{ kind: "delete", ref: { kind, ...splitName(object) } }]);
    this.#documents.delete(name);
  }

  #relabel(action, given, step) {
    const { name, labels } = labelsOf(given, step);
    if (action === "relabelNamespace") {
      const known = { "kubernetes.io/metadata.name": name };
      this.#setDocuments([namespaceDocument({ name, labels: { ...known, ...labels } })]);
      return;
    }
    const pod = this.#documents.get(`Pod ${name}`);
    this.#setDocuments([{ ...pod, metadata: { ...pod.metadata, labels } }]);
  }

  async #check(session, flows, isAsked = () => true) {
    const judge = async (flow) => {
      if (!isAsked(flow)) return null;
      const located = this.#locate(flow, findEnd(flow.dst, this.#fixture, this.#cluster));
      return located === null ? null : session.judge(located);
    };
    const found = await Promise.all(flows.map(judge));
    for (const [i, { expect: expected, ...rest }] of flows.entries()) this.#compare(rest, expected, found[i]);
  }

  /** The verdict is that of the backends, which have to agree. */
  async #checkService(session, check) {
    const { expect: expected, ...rest } = check;
    const name = String(check.service ?? check.svc ?? check.dst).replace(/^(svc|service):/, "");
    const service = this.#fixture.services.find((one) => `${one.namespace}/${one.name}` === name);
    const port = service?.ports.find((one) => one.port === check.port && one.protocol === (check.proto ?? "TCP"));
    if (port === undefined) return this.#compare(rest, expected, "no such service");
    const found = new Set();
    for (const end of this.#backends(service)) {
      const flow = { ...check, proto: port.protocol, port: port.targetPort };
      found.add(await session.judge(this.#locate(flow, end)));
    }
    return this.#compare(rest, expected, found.size === 1 ? [...found][0] : [...found].join());
  }

  #backends({ namespace, selector, endpoints = [] }) {
    if (selector === undefined) return endpoints.map((address) => ({ addresses: [address], node: null, pod: null }));
    const chosen = [...this.#cluster.pods].filter(([, pod]) => {
      return pod.namespace === namespace && Object.entries(selector).every(([key, value]) => pod.labels[key] === value);
    });
    return chosen.map(([name]) => findEnd(name, this.#fixture, this.#cluster));
  }

  async #checkDns(session, query) {
    const { expect: expected, ...rest } = query;
    const server = findEnd(query.dst, this.#fixture, this.#cluster);
    const source = findEnd(query.src, this.#fixture, this.#cluster);
    this.#compare(rest, expected, await session.judgeDns({ source, server: server.addresses[0], name: query.qname }));
  }

  #locate(flow, destination) {
    const source = findEnd(flow.src, this.#fixture, this.#cluster);
    const addresses = addressesOf(source, destination);
    return addresses === null ? null : { ...flow, ...addresses, source, destination };
  }

  #compare(flow, expected, found) {
    if (found === null) {
      this.tally.skipped++;
      return;
    }
    this.tally.verdicts++;
    if (expected === found) this.tally.right++;
    else this.#report({ id: this.#test.id, ...flow, expect: expected, found });
  }
}

const STEPS = new Set([
  "apply",
  "delete",
  "relabelPod",
  "relabelNamespace",
  "createPod",
  "deletePod",
  "dns",
  "dnsExpire",
  "check",
]);

function nameOf(given) {
  if (typeof given === "string") return given;
  const name = given.pod ?? given.name;
  return given.namespace === undefined || given.namespace === name || name === undefined || name.includes("/")
    ? (name ?? given.namespace)
    : `${given.namespace}/${name}`;
}

function splitName(text) {
  const [first, second] = text.split("/");
  return second === undefined ? { namespace: null, name: first } : { namespace: first, name: second };
}

/** A pod as fixture.json has them; its name may also be one text, and the rest beside it. */
function podOf(given, step) {
  const shape = typeof given === "string" ? { ...step, name: given } : { ...step, ...given };
  const { namespace, name } = shape.namespace === undefined ? splitName(shape.pod ?? shape.name) : shape;
  return { ...shape, namespace, name, node: shape.node ?? "n1" };
}

/** `{ pod, labels }`, the labels beside the name, or `{ name: labels }`. */
function labelsOf(given, step) {
  if (typeof given === "string") return { name: given, labels: step.labels };
  const name = nameOf(given);
  if (name !== undefined) return { name, labels: given.labels ?? step.labels };
  const [only] = Object.entries(given);
  return { name: only[0], labels: only[1] };
}

/** `{ name: [address] }`, or the name and its addresses apart. */
function namesOf(given, step) {
  if (typeof given === "string") return { [given]: step.addresses ?? step.ips };
  const addresses = given.addresses ?? given.ips;
  return given.name !== undefined && addresses !== undefined ? { [given.name]: addresses } : given;
}

/** How many flows the verdict tables of a case have. */
export function countTableFlows({ tables = {} }) {
  const counts = Object.values(tables.identity ?? {}).map((rows) => rows.join("").replaceAll(".", "").length);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The flows of verdict tables: rows are sources, columns destinations, `.` is not asked. */
function* tableFlows(tables, { tableRows, tableColumns }) {
  for (const [name, rows] of Object.entries(tables)) {
    const [proto, port] = name.split("/");
    for (const [row, cells] of rows.entries()) {
      for (const [column, cell] of [...cells].entries()) {
        if (cell === ".") continue;
        const expected = cell === "1" ? "allow" : "deny";
        yield { src: tableRows[row], dst: tableColumns[column], proto, port: Number(port), expect: expected };
      }
    }
  }
}
