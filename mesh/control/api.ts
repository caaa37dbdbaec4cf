/**
 * The agent's API: HTTP with JSON on a unix socket, for the command line, CNI plugins and whoever likes curl. ROUTES is the
 * table; a handler takes a request that is already taken apart and gives a value. `/metrics`, `/healthz` and `/readyz` are
 * served on a TCP address too, when one is asked for: nothing there tells who talks to whom, and nothing can be changed.
 *
 * Whoever may open the socket may do everything, so it is made with mode 0600.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect, isIP } from "node:net";
import type { AddressInfo } from "node:net";
import { DiagnosticError } from "ebpf-ts/diag";
import { FILTER_FIELDS } from "../observe/filter.ts";
import type { FilterKey, FlowFilter } from "../observe/filter.ts";
import { createMetrics } from "../observe/metrics.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Protocol } from "../objects/types.ts";
import { apiError, statusOfError } from "./api-diagnostics.ts";
import { endpointPolicyDocument, isReady, policyDocument, statusDocument } from "./documents.ts";
import { explainFlow } from "./explain.ts";
import type { Question } from "./explain.ts";
import type { AgentView, EndpointRegistration } from "./view.ts";

export interface ApiOptions {
  /** Path of the unix socket. */
  readonly socket: string;
  /** Where `/metrics` is served over TCP; null: nowhere. Port 0: any free one. */
  readonly metricsAddress?: { readonly host: string; readonly port: number } | null;
  /** Told of whatever made a request end with 500: for the log. */
  readonly onFault?: (error: unknown, request: string) => void;
}

export interface ApiServer {
  readonly socket: string;
  /** Where metrics are served over TCP. */
  readonly metricsAddress: { readonly host: string; readonly port: number } | null;
  /** Ends all requests, followers too, and removes the socket. */
  close(): Promise<void>;
}

/** A request, taken apart. */
interface Request {
  readonly agent: AgentView;
  readonly metrics: Metrics;
  /** What stands for `:name` in the route's path. */
  readonly names: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Reads the body as JSON. */
  readonly body: () => Promise<unknown>;
  /** Aborted when the client goes or the server closes. */
  readonly signal: AbortSignal;
}

type Answer = AnswerBody & {
  /** What is done once the answer is on its way: it ends the server. */
  readonly after?: () => Promise<void>;
};
type AnswerBody =
  | { readonly status: number; readonly json: unknown }
  | { readonly status: number; readonly text: string; readonly type: string }
  /** One JSON document a line. */
  | { readonly status: number; readonly lines: AsyncIterable<unknown> };

interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  /** Served over TCP too. */
  readonly open?: true;
  /** Parameters of the query; others are refused. */
  readonly query?: readonly string[];
  readonly handle: (request: Request) => Answer | Promise<Answer>;
}

const FLOW_QUERY = ["follow", "last", "since", ...FILTER_FIELDS.map((f) => f.key)];
const EXPLAIN_QUERY = ["source", "destination", "port", "protocol", "method", "path", "host", "header"];

// prettier-ignore
const ROUTES: readonly Route[] = [
  { method: "GET",    path: "/healthz",                        open: true, handle: () => json({ ok: true }) },
  { method: "GET",    path: "/readyz",                         open: true, handle: readiness },
  { method: "GET",    path: "/metrics",                        open: true, handle: async ({ metrics }) => ({ status: 200, text: await metrics.render(), type: metrics.contentType }) },
  { method: "GET",    path: "/v1/status",                      handle: async ({ agent }) => json(await statusDocument(agent)) },
  { method: "GET",    path: "/v1/endpoints",                   handle: ({ agent }) => json(agent.endpoints()) },
  { method: "GET",    path: "/v1/endpoints/:namespace/:name",  handle: getEndpoint },
  { method: "PUT",    path: "/v1/endpoints/:namespace/:name",  handle: putEndpoint },
  { method: "DELETE", path: "/v1/endpoints/:namespace/:name",  handle: deleteEndpoint },
  { method: "GET",    path: "/v1/policy",                      handle: ({ agent }) => json(policyDocument(agent)) },
  { method: "GET",    path: "/v1/policy/:namespace/:name",     handle: getPolicy },
  { method: "GET",    path: "/v1/explain",                     query: EXPLAIN_QUERY, handle: explain },
  { method: "GET",    path: "/v1/flows",                       query: FLOW_QUERY, handle: flows },
  { method: "GET",    path: "/v1/services",                    handle: ({ agent }) => json(agent.services()) },
  { method: "POST",   path: "/v1/refresh",                     handle: async ({ agent }) => json({ revision: await agent.refresh() }) },
  { method: "POST",   path: "/v1/uninstall",                   handle: ({ agent }) => ({ ...json({ ok: true }, 202), after: () => agent.uninstall() }) },
  { method: "POST",   path: "/v1/drift",                       handle: async ({ agent }) => json(await agent.checkDrift()) },
];

/** Listens; rejects with a `DiagnosticError` (Q003) where it cannot. */
export async function serveApi(
  agent: AgentView,
  { socket, metricsAddress = null, onFault }: ApiOptions,
): Promise<ApiServer> {
  const metrics = createMetrics(agent);
  const closing = new AbortController();
  const serve = (routes: readonly Route[]): Server =>
    createServer((incoming, response) => {
      void answer(routes, { agent, metrics, closing: closing.signal, onFault }, incoming, response);
    });
  const inside = serve(ROUTES);
  const outside = metricsAddress === null ? null : serve(ROUTES.filter((route) => route.open === true));
  const close = async (): Promise<void> => {
    closing.abort();
    metrics.close();
    await Promise.all([inside, ...(outside === null ? [] : [outside])].map(closeServer));
  };
  try {
    await listenAt(inside, socket);
    if (outside !== null && metricsAddress !== null) await listen(outside, metricsAddress);
  } catch (error) {
    await close();
    throw error;
  }
  const bound = outside?.address() as AddressInfo | null | undefined;
  return {
    socket,
    metricsAddress: bound === null || bound === undefined ? null : { host: bound.address, port: bound.port },
    close,
  };
}

/** sun_path of unix(7), without the zero at its end. Node cuts what is longer off, and listens somewhere else. */
const MAX_SOCKET_PATH = 107;

/** A socket file that nobody answers at was left by an agent that was killed, and goes. */
async function listenAt(server: Server, socket: string): Promise<void> {
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    throw apiError("Q003", "the socket's path is too long", { found: socket });
  if (await answers(socket)) throw apiError("Q003", `an agent answers at ${socket} already`);
  rmSync(socket, { force: true });
  // The file is made with the right mode, not changed to it: in between, anybody could connect.
  const before = process.umask(0o177);
  try {
    const listening = listen(server, { path: socket });
    process.umask(before);
    await listening;
  } finally {
    process.umask(before);
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    const end = (yes: boolean): void => {
      probe.destroy();
      resolve(yes);
    };
    probe.on("connect", () => end(true));
    probe.on("error", () => end(false));
  });
}

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

function listen(server: Server, where: Where): Promise<void> {
  const name = "path" in where ? where.path : `${where.host}:${where.port}`;
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(apiError("Q003", `cannot listen at ${name}`, { found: error.message })));
    server.listen(where, resolve);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

interface Serving {
  readonly agent: AgentView;
  readonly metrics: Metrics;
  readonly closing: AbortSignal;
  readonly onFault: ApiOptions["onFault"];
}

async function answer(
  routes: readonly Route[],
  { agent, metrics, closing, onFault }: Serving,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  try {
    const { pathname, searchParams: query } = new URL(incoming.url ?? "/", "http://agent");
    const { route, names } = findRoute(routes, incoming.method ?? "GET", pathname);
    for (const key of query.keys()) {
      if (route.query?.includes(key) === true) continue;
      const expected = route.query === undefined ? "none" : route.query.join(", ");
      throw apiError("Q004", `${route.path} takes no parameter ${key}`, { expected, found: key });
    }
    const given = await route.handle({ agent, metrics, names, query, body: () => readBody(incoming), signal });
    await send(response, given);
    if (given.after === undefined) return;
    if (!response.writableFinished) await once(response, "finish");
    await given.after();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) onFault?.(error, `${incoming.method} ${incoming.url}`);
    if (!response.headersSent) await send(response, refusal(error));
    response.destroy();
  }
}

function refusal(error: unknown): Answer {
  const { diagnostics } =
    error instanceof DiagnosticError
      ? error
      : apiError("Q007", `the request failed: ${error instanceof Error ? error.message : String(error)}`);
  return { status: statusOfError(error), json: { ok: false, diagnostics } };
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly names: Readonly<Record<string, string>> } {
  const there = routes.flatMap((route) => {
    const names = matchPath(route.path, path);
    return names === null ? [] : [{ route, names }];
  });
  if (there.length === 0)
    throw apiError("Q005", `there is no ${path} here`, { expected: routes.map((r) => r.path).join(", ") });
  const found = there.find(({ route }) => route.method === method);
  if (found !== undefined) return found;
  const expected = there.map(({ route }) => route.method).join(", ");
  throw apiError("Q006", `${path} does not take ${method}`, { expected, found: method });
}

/** The names in a path; null: it is another path. */
function matchPath(pattern: string, path: string): Record<string, string> | null {
  const parts = pattern.split("/");
  const given = path.split("/");
  if (parts.length !== given.length) return null;
  const names: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const text = given[i] ?? "";
    if (part.startsWith(":")) names[part.slice(1)] = text;
    else if (part !== text) return null;
  }
  return names;
}

async function send(response: ServerResponse, given: Answer): Promise<void> {
  if ("json" in given) return sendText(response, given.status, `${JSON.stringify(given.json)}\n`, "application/json");
  if ("text" in given) return sendText(response, given.status, given.text, given.type);
  response.writeHead(given.status, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  for await (const line of given.lines) {
    if (response.destroyed) break;
    if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
  }
  response.end();
}

function sendText(response: ServerResponse, status: number, text: string, type: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) }).end(text);
}

/** Until what was written is on its way, or nobody wants it any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      response.off("drain", end).off("close", end);
      resolve();
    };
    response.on("drain", end).on("close", end);
  });
}

/** A registration has a few hundred bytes. */
const MAX_BODY = 64 * 1024;

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw apiError("Q004", `the body has more than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw apiError("Q004", "the body is not JSON", { found: error instanceof Error ? error.message : String(error) });
  }
}

const json = (value: unknown, status = 200): Answer => ({ status, json: value });

function readiness({ agent }: Request): Answer {
  const ready = isReady(agent);
  return json({ ready, checks: agent.checks() }, ready ? 200 : 503);
}

const keyOf = ({ names }: Request): string => `${names["namespace"] ?? ""}/${names["name"] ?? ""}`;

function getEndpoint(request: Request): Answer {
  const key = keyOf(request);
  const found = request.agent.endpoints().find((e) => `${e.namespace}/${e.name}` === key);
  if (found === undefined) throw apiError("Q005", `there is no endpoint ${key} on ${request.agent.node}`);
  return json(found);
}

async function putEndpoint(request: Request): Promise<Answer> {
  const { namespace = "", name = "" } = request.names;
  return json(await request.agent.register(registrationOf(namespace, name, await request.body())));
}

async function deleteEndpoint(request: Request): Promise<Answer> {
  const { namespace = "", name = "" } = request.names;
  if (await request.agent.unregister(namespace, name)) return json({ ok: true });
  throw apiError("Q005", `there is no endpoint ${keyOf(request)} on ${request.agent.node}`);
}

/** As Kubernetes names namespaces (RFC 1123 label) and pods (RFC 1123 subdomain). */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

function registrationOf(namespace: string, name: string, body: unknown): EndpointRegistration {
  const wrong = (field: string, expected: string, found: unknown): DiagnosticError =>
    apiError("Q004", `${field} of the registration`, { expected, found: JSON.stringify(found) ?? "nothing" });
  for (const [field, value] of Object.entries({ namespace, name })) {
    if (!NAME.test(value)) throw wrong(field, "a Kubernetes name", value);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw wrong("the body", "a JSON object", body);
  const { interface: device, netns, cgroup = null, addresses, ...rest } = body as Record<string, unknown>;
  for (const [field, value] of Object.entries(rest)) {
    throw wrong(field, "no such field; interface, netns, cgroup, addresses", value);
  }
  if (typeof device !== "string" || !/^[^/\s]{1,15}$/.test(device)) {
    throw wrong("interface", "the name of a network interface", device);
  }
  if (typeof netns !== "string" || !netns.startsWith("/")) throw wrong("netns", "an absolute path", netns);
  if (cgroup !== null && (typeof cgroup !== "string" || !cgroup.startsWith("/"))) {
    throw wrong("cgroup", "an absolute path, or null", cgroup);
  }
  if (
    !Array.isArray(addresses) ||
    addresses.length === 0 ||
    !addresses.every((a) => typeof a === "string" && isIP(a) !== 0)
  ) {
    throw wrong("addresses", "a list of IP addresses", addresses);
  }
  return { namespace, name, interface: device, netns, cgroup, addresses: addresses as string[] };
}

function getPolicy(request: Request): Answer {
  const document = endpointPolicyDocument(request.agent, keyOf(request));
  if (document !== undefined) return json(document);
  throw apiError("Q005", `there is no endpoint ${keyOf(request)} with a policy on ${request.agent.node}`);
}

const PROTOCOLS: readonly Protocol[] = ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"];

function explain({ agent, query }: Request): Answer {
  const question = questionOf(query);
  return json(
    explainFlow({ cluster: agent.cluster(), services: agent.services(), engines: () => [agent.engine] }, question),
  );
}

function questionOf(query: URLSearchParams): Question {
  const needed = (name: string): string => {
    const value = query.get(name);
    if (value === null || value === "") throw apiError("Q004", `the parameter ${name} is missing`);
    return value;
  };
  const asked = query.get("protocol") ?? "TCP";
  const protocol = PROTOCOLS.find((p) => p.toLowerCase() === asked.toLowerCase());
  if (protocol === undefined)
    throw apiError("Q004", "an unknown protocol", { expected: PROTOCOLS.join(", "), found: asked });
  const destination = needed("destination");
  const isHttp = ["method", "path", "host", "header"].some((name) => query.has(name));
  return {
    source: needed("source"),
    destination,
    port: needed("port"),
    protocol,
    http: isHttp
      ? {
          method: query.get("method") ?? "GET",
          path: query.get("path") ?? "/",
          host: query.get("host") ?? destination,
          headers: query.getAll("header").map(headerOf),
        }
      : null,
  };
}

function headerOf(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw apiError("Q004", "a header", { expected: "Name: value", found: text });
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function flows({ agent, query, signal }: Request): Answer {
  const filter = filterOf(query);
  const last = numberOf(query, "last");
  if (query.get("follow") === "true") {
    return { status: 200, lines: agent.flows.follow({ filter, last: last ?? 0, signal }) };
  }
  return { status: 200, lines: each(agent.flows.recent(filter, last ?? Infinity).map((flow) => ({ flow }))) };
}

async function* each(values: readonly unknown[]): AsyncGenerator<unknown> {
  yield* values;
}

function filterOf(query: URLSearchParams): FlowFilter {
  const fields: { [K in FilterKey]?: readonly string[] } = {};
  for (const { key } of FILTER_FIELDS) {
    const values = query.getAll(key);
    if (values.length > 0) fields[key] = values;
  }
  const since = numberOf(query, "since");
  return since === undefined ? fields : { ...fields, since };
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text === "" || !Number.isFinite(value) || value < 0) {
    throw apiError("Q004", `the parameter ${name}`, { expected: "a number", found: text });
  }
  return value;
}
