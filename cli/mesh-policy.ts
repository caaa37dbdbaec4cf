/** `ebpf-ts mesh policy …`: what is in force, why a flow would pass or not, and whether a folder of policies is in order. */
import { Option } from "commander";
import type { Command } from "commander";
import { DiagnosticError, formatDiagnostic } from "../lib/diag/index.ts";
import type { AgentClient } from "../mesh/control/client.ts";
import type {
  DirectionDocument,
  EffectiveRule,
  EndpointPolicyDocument,
  PolicyDocument,
} from "../mesh/control/documents.ts";
import type { Explained, ExplainedEnd, Question } from "../mesh/control/explain.ts";
import type { Protocol } from "../mesh/objects/types.ts";
import type { Explanation } from "../mesh/policy/types.ts";
import type { Attach } from "./cli.ts";
import { usageError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";
import { addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import { bytesText, httpRuleText, labelTexts, objectName, placeText } from "./mesh-words.ts";
import { report } from "./output.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

export function addPolicy(mesh: Command, attach: Attach): void {
  const policy = mesh.command("policy").description("the policies: what is in force, and why");
  addGet(policy, attach);
  addExplain(policy, attach);
  addValidate(policy, attach);
}

const GET_MORE = `
Without a pod: the policies in force, and the rules of every endpoint. Rules are printed as far as they decide something:
what a deny rule covers is gone from the others. Packets and bytes are the rule's on this node, for all endpoints.

Examples:
  ebpf-ts mesh policy get
  ebpf-ts mesh policy get default/backend --json`;

function addGet(policy: Command, attach: Attach): void {
  const command = addAskOptions(
    policy
      .command("get")
      .description("the rules in force for endpoints, with their packets, bytes and places")
      .argument("[pod]", "namespace/name, or a name in the namespace default"),
    "print {policy, endpoints} as a JSON document",
  ).addHelpText("after", GET_MORE);
  attach<AskOptions>(command, ([pod], options, out) => get(pod, options, out));
}

async function get(pod: string | undefined, options: AskOptions, out: Output): Promise<number> {
  const client = clientOf(options);
  const policy = await client.policy();
  const endpoints = pod === undefined ? await policiesOfAll(client) : [await client.endpointPolicy(...splitName(pod))];
  if (pod === undefined) out.say(`${formatPolicy(policy)}\n`);
  out.say(endpoints.map(formatEndpointPolicy).join("\n\n"));
  if (!out.json && policy.problems.length > 0) report(out, policy.problems);
  out.emit({ policy, endpoints });
  return EXIT.ok;
}

/** Of those that have a policy: one that was registered a moment ago may have none yet, or be gone again. */
async function policiesOfAll(client: AgentClient): Promise<readonly EndpointPolicyDocument[]> {
  const documents: EndpointPolicyDocument[] = [];
  for (const { namespace, name } of await client.endpoints()) {
    const document = await client.endpointPolicy(namespace, name).catch((error: unknown) => {
      if (error instanceof DiagnosticError && error.diagnostics[0]?.code === "Q005") return null;
      throw error;
    });
    if (document !== null) documents.push(document);
  }
  return documents;
}

function splitName(pod: string): readonly [string, string] {
  const [namespace = "", name, ...more] = pod.split("/");
  if (more.length > 0) throw usageError(`${pod} is no pod: namespace/name`);
  return name === undefined ? ["default", namespace] : [namespace, name];
}

export function formatPolicy({ revision, objects, problems }: PolicyDocument): string {
  const counted = `revision ${revision}, ${objects.length === 0 ? "no policies: everything is allowed" : `${objects.length} in force`}`;
  return [
    problems.length === 0 ? counted : `${counted}, ${problems.length} refused (below)`,
    ...(objects.length === 0
      ? []
      : [
          formatTable(
            ["KIND", "NAME"],
            objects.map((o) => [o.kind, objectName(o)]),
          ),
        ]),
  ].join("\n");
}

export function formatEndpointPolicy({ endpoint, revision, directions }: EndpointPolicyDocument): string {
  const part = (name: "ingress" | "egress"): string => {
    const { otherwise, rules } = directions[name];
    const fallback = `${name}: ${defaultText(directions[name])}`;
    return rules.length === 0 ? `  ${fallback}` : `  ${fallback}\n${indent(ruleTable(rules, otherwise))}`;
  };
  return [`${endpoint} (revision ${revision})`, part("ingress"), part("egress")].join("\n");
}

function defaultText({ otherwise, rules }: DirectionDocument): string {
  if (otherwise === "deny") return "denied, except";
  return rules.length === 0 ? "allowed, no policy closes it" : "allowed, except";
}

function ruleTable(rules: readonly EffectiveRule[], otherwise: "allow" | "deny"): string {
  const header = ["ACTION", "PEER", "PORTS", "HTTP", "RULE", "PLACE", "PACKETS", "BYTES"];
  return formatTable(
    header,
    rules.map(({ action, peers, ports, http, rule, traffic }) => [
      action,
      peerText(peers),
      ports.join(","),
      http.map(httpRuleText).join(" | "),
      rule === null ? DEFAULTS[otherwise] : `${objectName(rule.object)} ${rule.at}`,
      rule === null ? "" : placeText(rule.place),
      traffic === null ? "" : String(traffic.packets),
      traffic === null ? "" : bytesText(traffic.bytes),
    ]),
  );
}

/** What no rule decides and differs from the direction's default: the own node is let in always. */
const DEFAULTS = { deny: "always allowed", allow: "default" } as const;

/** How many peers are named before the rest is counted. */
const NAMED_PEERS = 3;

function peerText(peers: EffectiveRule["peers"]): string {
  const names = peers.map(({ identity, labels }) =>
    identity === 0 ? "anybody else" : labelTexts(labels) || String(identity),
  );
  const more = names.length - NAMED_PEERS;
  return more <= 0 ? names.join(" | ") : `${names.slice(0, NAMED_PEERS).join(" | ")} and ${more} more`;
}

const indent = (text: string): string => text.replaceAll(/^/gm, "    ");

type ExplainOptions = AskOptions & {
  readonly offline?: string;
  readonly protocol: Protocol;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly header?: readonly string[];
};

const EXPLAIN_MORE = `
Both ends are asked: the source's egress and the destination's ingress, as far as the agent's node has them. A service
is judged by its backend. With --method, --path, --host or --header the HTTP rules are asked too. With --offline no agent
is asked: the folder's pods, services and policies say it all. Exits with 1 when the flow would be denied.

Examples:
  ebpf-ts mesh policy explain frontend backend 80
  ebpf-ts mesh policy explain default/frontend default/backend 80 --method GET --path /admin
  ebpf-ts mesh policy explain 192.0.2.7 backend 53 --protocol UDP
  ebpf-ts mesh policy explain frontend backend 80 --offline ./policies`;

function addExplain(policy: Command, attach: Attach): void {
  const command = policy
    .command("explain")
    .description("whether a flow would pass: verdict, object, rule and reason of both ends")
    .argument("<source>", "pod, node or address")
    .argument("<destination>", "pod, service, node or address")
    .argument("<port>", "number, name of a port of the pod or service, or ICMP type")
    .addOption(
      new Option("--protocol <name>", "transport").choices(["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"]).default("TCP"),
    )
    .option("--method <method>", "of a request (default with the others: GET)")
    .option("--path <path>", "of a request, with its query (default with the others: /)")
    .option("--host <host>", "of a request (default with the others: the destination as written)")
    .addOption(new Option("--header <header>", 'of a request, "Name: value"; may be repeated').argParser(collect));
  command.option("--offline <folder>", "judge by the YAML files of a folder, without an agent");
  addAskOptions(command, "print the explanation as a JSON document").addHelpText("after", EXPLAIN_MORE);
  attach<ExplainOptions>(command, ([source = "", destination = "", port = ""], options, out) =>
    explain(
      { source, destination, port, protocol: options.protocol, http: requestOf(destination, options) },
      options,
      out,
    ),
  );
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function requestOf(destination: string, { method, path, host, header }: ExplainOptions): Question["http"] {
  if (method === undefined && path === undefined && host === undefined && header === undefined) return null;
  return {
    method: method ?? "GET",
    path: path ?? "/",
    host: host ?? destination,
    headers: (header ?? []).map((text) => {
      const colon = text.indexOf(":");
      if (colon < 1) throw usageError(`${text} is no header: "Name: value"`);
      return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()] as const;
    }),
  };
}

async function explain(question: Question, options: ExplainOptions, out: Output): Promise<number> {
  const explained =
    options.offline === undefined
      ? await clientOf(options).explain(question)
      : await explainFolder(options.offline, question, out);
  out.say(formatExplained(explained));
  out.emit(explained);
  return explained.verdict === "allow" || explained.verdict === "redirect" ? EXIT.ok : EXIT.input;
}

async function explainFolder(folder: string, question: Question, out: Output): Promise<Explained> {
  const { explainOffline, readFolder } = await import("./mesh-offline.ts");
  const { cluster, diagnostics } = readFolder(folder);
  for (const diagnostic of diagnostics) out.note(formatDiagnostic(diagnostic));
  return explainOffline(cluster, question);
}

// prettier-ignore
const VERDICT_TEXTS: Record<Explanation["verdict"], string> = {
  allow:    "ALLOWED",
  redirect: "ALLOWED, and HTTP rules decide each request (give --method and --path to ask them)",
  http403:  "DENIED: the connection is allowed, the request is answered 403",
  deny:     "DENIED",
};

export function formatExplained({
  source,
  destination,
  protocol,
  port,
  http,
  verdict,
  ends,
  elsewhere,
}: Explained): string {
  const request = http === null ? "" : `, ${http.method} ${http.path} of ${http.host}`;
  return [
    `${endText(source)} -> ${endText(destination)} port ${port}/${protocol}${request}`,
    ...ends.map((end) => `  ${explanationText(end)}`),
    ...elsewhere.map((node) => `  another end is judged on ${node}: ask the agent there`),
    VERDICT_TEXTS[verdict],
  ].join("\n");
}

function endText({ address, pod, service, identity, labels }: ExplainedEnd): string {
  const name = pod ?? labels.find((l) => l.startsWith("reserved:"))?.slice("reserved:".length) ?? "unknown";
  const by = service === null ? "" : ` as service ${service}`;
  return `${name}${by} (${address}, identity ${identity})`;
}

function explanationText({ direction, endpoint, verdict, rule, object, reason }: Explanation): string {
  const at = `${direction} of ${endpoint}: ${verdict}`;
  if (rule !== null) {
    const index = `${rule.spec === 0 ? "" : `specs[${rule.spec}].`}${rule.section}[${rule.index}]`;
    return `${at}, ${reason}: ${objectName(rule.object)} ${index} (${placeText(rule.place)})`;
  }
  return object === null ? `${at}, ${reason}` : `${at}, ${reason}: no rule of ${objectName(object)} allows it`;
}

const VALIDATE_MORE = `
Reads the folder as the agent would and tells everything that is wrong, with file, line and field. What is refused would keep
its last good version; here there is none. Exits with 1 when there is an error.

Examples:
  ebpf-ts mesh policy validate ./policies
  ebpf-ts mesh policy validate ./policies --json | jq '.diagnostics[].place'`;

interface ValidateOptions {
  readonly json?: true;
}

function addValidate(policy: Command, attach: Attach): void {
  const command = policy
    .command("validate")
    .description("whether a folder of YAML files is in order; needs no agent and no privilege")
    .argument("<folder>", "with policies, and whatever pods, namespaces, services and nodes there are")
    .option("--json", "print {ok, objects, diagnostics} as a JSON document")
    .addHelpText("after", VALIDATE_MORE);
  attach<ValidateOptions>(command, ([folder = ""], _options, out) => validate(folder, out));
}

async function validate(folder: string, out: Output): Promise<number> {
  const { readFolder } = await import("./mesh-offline.ts");
  const { cluster, diagnostics } = readFolder(folder);
  for (const diagnostic of diagnostics) out.note(formatDiagnostic(diagnostic));
  const errors = diagnostics.filter((d) => d.severity === "error").length;
  const objects = Object.fromEntries(
    Object.entries(cluster).map(([kind, all]: [string, ReadonlyMap<string, unknown>]) => [kind, all.size]),
  );
  const found = Object.entries(objects).filter(([, n]) => n > 0);
  const counts =
    found.length === 0 ? "no objects" : found.map(([kind, n]) => `${KIND_NAMES[kind] ?? kind} ${n}`).join(", ");
  const warnings = diagnostics.length - errors;
  out.say(
    `${counts}; ${errors === 0 ? "no errors" : `${errors} errors`}${warnings === 0 ? "" : `, ${warnings} warnings`}`,
  );
  out.emit({ ok: errors === 0, objects, diagnostics });
  return errors === 0 ? EXIT.ok : EXIT.input;
}

/** Tables of a cluster as people call them. */
const KIND_NAMES: Readonly<Record<string, string>> = { endpointSlices: "endpoint slices", cidrGroups: "CIDR groups" };
