/** A client of the agent's socket (`api.ts`), with types: what the command line and the test bed use. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";
import type { FlowFilter } from "../observe/filter.ts";
import type { Followed } from "../observe/log.ts";
import { apiError } from "./api-diagnostics.ts";
import type { EndpointPolicyDocument, PolicyDocument, StatusDocument } from "./documents.ts";
import type { Explained, Question } from "./explain.ts";
import type { Check, Drift, EndpointRegistration, EndpointView, ServiceView } from "./view.ts";

/** Milliseconds. */
const UNINSTALL_LIMIT = 30_000;
const UNINSTALL_POLL = 50;

export interface FlowsOptions {
  readonly filter?: FlowFilter;
  readonly last?: number;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** Every method rejects with a `DiagnosticError`: the agent's, or Q001, Q002, Q008. */
export class AgentClient {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  status(): Promise<StatusDocument> {
    return this.json("GET", "/v1/status");
  }

  /** Answers whether it is ready or not. */
  async readiness(): Promise<{ readonly ready: boolean; readonly checks: readonly Check[] }> {
    const response = await this.open("GET", "/readyz");
    return parse(await textOf(response));
  }

  endpoints(): Promise<readonly EndpointView[]> {
    return this.json("GET", "/v1/endpoints");
  }

  /** Resolves when policy is in force for the pod. */
  register({ namespace, name, ...rest }: EndpointRegistration): Promise<EndpointView> {
    return this.json("PUT", `/v1/endpoints/${namespace}/${name}`, rest);
  }

  async unregister(namespace: string, name: string): Promise<void> {
    await this.json("DELETE", `/v1/endpoints/${namespace}/${name}`);
  }

  policy(): Promise<PolicyDocument> {
    return this.json("GET", "/v1/policy");
  }

  endpointPolicy(namespace: string, name: string): Promise<EndpointPolicyDocument> {
    return this.json("GET", `/v1/policy/${namespace}/${name}`);
  }

  explain({ source, destination, port, protocol, http }: Question): Promise<Explained> {
    const query = new URLSearchParams({ source, destination, port, protocol });
    if (http !== null) {
      query.set("method", http.method);
      query.set("path", http.path);
      query.set("host", http.host);
      for (const [name, value] of http.headers) query.append("header", `${name}: ${value}`);
    }
    return this.json("GET", `/v1/explain?${query.toString()}`);
  }

  services(): Promise<readonly ServiceView[]> {
    return this.json("GET", "/v1/services");
  }

  async metrics(): Promise<string> {
    return textOf(await this.open("GET", "/metrics"));
  }

  /** Has the agent read its sources now; resolves with the revision that is in force then. */
  async refresh(): Promise<number> {
    const { revision } = await this.json<{ revision: number }>("POST", "/v1/refresh");
    return revision;
  }

  /** Ends the agent and takes everything out of the kernel; resolves when it does not answer any more. */
  async uninstall(): Promise<void> {
    await this.json("POST", "/v1/uninstall");
    for (const end = Date.now() + UNINSTALL_LIMIT; await this.answers(); await sleep(UNINSTALL_POLL)) {
      if (Date.now() > end)
        throw apiError("Q007", `the agent at ${this.socket} still answers after ${UNINSTALL_LIMIT} ms`);
    }
  }

  private async answers(): Promise<boolean> {
    try {
      await textOf(await this.open("GET", "/healthz"));
      return true;
    } catch {
      return false;
    }
  }

  checkDrift(): Promise<readonly Drift[]> {
    return this.json("POST", "/v1/drift");
  }

  /** Flows, and how many were lost in between; with `follow` until the signal or the agent's end. */
  async *flows({ filter = {}, last, follow = false, signal }: FlowsOptions = {}): AsyncGenerator<Followed> {
    const response = await this.open(
      "GET",
      `/v1/flows?${flowQuery(filter, last, follow).toString()}`,
      undefined,
      signal,
    );
    let rest = "";
    response.setEncoding("utf8");
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) yield parse<Followed>(line);
      }
    } catch (error) {
      if (signal?.aborted === true) return;
      throw error instanceof DiagnosticError ? error : apiError("Q001", `the agent at ${this.socket} went away`);
    } finally {
      response.destroy();
    }
  }

  private async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.open(method, path, body);
    const document = parse<T | Refusal>(await textOf(response));
    if ((response.statusCode ?? 500) < 400) return document as T;
    const { diagnostics } = document as Refusal;
    if (!Array.isArray(diagnostics)) throw apiError("Q008", `${method} ${path} answered ${response.statusCode}`);
    throw new DiagnosticError(diagnostics);
  }

  private open(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = {
        socketPath: this.socket,
        agent: false,
        method,
        path,
        ...(signal === undefined ? {} : { signal }),
      };
      const sent = request(options, resolve);
      sent.on("error", (error: NodeJS.ErrnoException) => reject(this.absent(error)));
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  private absent(error: NodeJS.ErrnoException): DiagnosticError {
    if (error.code === "EACCES" || error.code === "EPERM") {
      return apiError("Q002", `the socket ${this.socket} may not be used`, { found: error.message });
    }
    return apiError("Q001", `no agent answers at ${this.socket}`, { found: error.message });
  }
}

interface Refusal {
  readonly diagnostics: readonly Diagnostic[];
}

function flowQuery({ since, ...fields }: FlowFilter, last: number | undefined, follow: boolean): URLSearchParams {
  const query = new URLSearchParams();
  for (const [key, values] of Object.entries(fields)) for (const value of values) query.append(key, value);
  if (since !== undefined) query.set("since", String(since));
  if (last !== undefined) query.set("last", String(last));
  if (follow) query.set("follow", "true");
  return query;
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  return text;
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw apiError("Q008", "the agent's answer is no JSON", { found: text.slice(0, 80) });
  }
}
