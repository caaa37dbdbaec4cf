/** The bed's side of a process in a pod: starts `peer.js` there and talks with it in JSON lines. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";
import { environmentError } from "../diagnostics.ts";
import type { EnvironmentError } from "../diagnostics.ts";
import type { ConnectResult, Exchanged, Listening, Reply, Request } from "./peer.ts";
import { findTool } from "./tools.ts";

const START_LIMIT_MS = 15_000;
/** Over the longest thing a peer does by itself, its connect time-out. */
const REPLY_LIMIT_MS = 15_000;

/** A process inside a pod. */
export interface Peer {
  readonly pid: number;
  /** Accepts connections and echoes what comes in. */
  listen(port: number): Promise<Listening>;
  /** Tries to connect; a refusal or a time-out is a result, not an error. The connection stays open. */
  connect(address: string, port: number, timeoutMs: number): Promise<ConnectResult>;
  /** Sends `rounds` messages of `size` bytes over connection `id`, waiting for each echo. */
  exchange(id: number, rounds: number, size: number): Promise<Exchanged>;
  /** Closes connection `id`. */
  disconnect(id: number): Promise<void>;
  /** Ends the process. */
  stop(): Promise<void>;
}

/** Where a process starts: a namespace to enter and a cgroup to join. */
export interface Place {
  readonly name: string;
  readonly netns: string;
  readonly cgroup: string;
}

/** Compiled, because node runs it: beside this file, or in dist/ when this file runs from its source. */
function peerScript(): string {
  const here = import.meta.dirname;
  return import.meta.filename.endsWith(".ts") ? resolve(here, "../../dist/cli/demo/peer.js") : join(here, "peer.js");
}

/** Starts a peer in a pod. Throws `EnvironmentError` M005 when it does not come up. */
export async function startPeer(place: Place): Promise<Peer> {
  // The shell joins the cgroup before node exists, so that every socket of node is born inside it.
  const script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
  const shell = [findTool("sh"), "-c", script, "sh", place.cgroup];
  const args = [`--net=${place.netns}`, ...shell, process.execPath, peerScript()];
  const child = spawn(findTool("nsenter"), args, { stdio: ["pipe", "pipe", "pipe"] });
  const peer = converse(child, place.name);
  await peer.ready;
  return peer;
}

function converse(child: ChildProcess, name: string): Peer & { readonly ready: Promise<Reply> } {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new TypeError("the child has no pipes");
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  let complaint = "";
  let ended: string | null = null;
  const fail = (why: string): EnvironmentError =>
    environmentError("M005", `the process in pod ${name} ${why}`, complaint === "" ? {} : { found: complaint.trim() });
  const end = (why: string): void => {
    ended ??= why;
    for (const one of waiting.splice(0)) one.reject(fail(why));
  };
  stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  stdin.on("error", () => end("closed its input"));
  child.on("error", (error) => end(error.message));
  const closed = new Promise<void>((done) => {
    child.on("close", (code, signal) => {
      end(`ended with ${signal ?? `exit code ${code}`}`);
      done();
    });
  });
  createInterface({ input: stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line) as Reply));

  const expectReply = (limit: number): Promise<Reply> => {
    const reply = new Promise<Reply>((resolve, reject) => {
      if (ended === null) waiting.push({ resolve, reject });
      else reject(fail(ended));
    });
    const timer = setTimeout(() => end(`did not answer within ${limit} ms`), limit);
    return reply.finally(() => clearTimeout(timer));
  };
  const ask = async <K extends Reply["kind"]>(request: Request, kind: K): Promise<Extract<Reply, { kind: K }>> => {
    const reply = expectReply(REPLY_LIMIT_MS);
    stdin.write(`${JSON.stringify(request)}\n`);
    const got = await reply;
    if (got.kind !== kind) throw fail(`answered ${JSON.stringify(got)} to ${JSON.stringify(request)}`);
    return got as Extract<Reply, { kind: K }>;
  };

  return {
    pid: child.pid ?? 0,
    ready: expectReply(START_LIMIT_MS),
    listen: (port) => ask({ do: "listen", port }, "listening"),
    connect: (address, port, timeoutMs) => ask({ do: "connect", address, port, timeoutMs }, "connect"),
    exchange: (id, rounds, size) => ask({ do: "exchange", id, rounds, size }, "exchanged"),
    disconnect: async (id) => {
      await ask({ do: "disconnect", id }, "disconnected");
    },
    stop: async () => {
      stdin.end();
      await closed;
    },
  };
}
