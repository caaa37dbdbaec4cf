/** The bed's side of a process in a pod: starts `hand.js` there and talks with it. */
import type { ChildProcess } from "node:child_process";
import { join, resolve } from "node:path";
import { bedError } from "./diagnostics.ts";
import type { Ended, Exchanged, Reply, Request, Service, TaskName, Tasks, Totals, Tried, Try } from "./hand.ts";
import { spawnIn } from "./process.ts";
import type { Place } from "./process.ts";

const START_LIMIT_MS = 20_000;
const ECHO_LIMIT_MS = 10_000;

/** A process inside a pod, a node or an outside host. */
export interface Hand {
  readonly pid: number;
  /** Serves on all its addresses; port 0 takes a free one. Gives the port. */
  listen(service: Service, port: number): Promise<number>;
  /** Tries to reach somebody; a refusal or a time-out is a result, not an error. Any number at once. */
  try(one: Try): Promise<Tried>;
  /** Connects and keeps the connection. */
  connect(address: string, port: number, limitMs: number): Promise<Tried & { readonly connection: number }>;
  /** Sends `rounds` messages of `size` bytes over a kept connection, waiting for each echo: by default, ten seconds. */
  exchange(connection: number, rounds: number, size: number, limitMs?: number): Promise<Exchanged>;
  /** Tries every so often until halted; gives the run's number. */
  repeat(one: Try, everyMs: number): Promise<number>;
  /** Sends messages over a kept connection until halted, each when the last one's echo is there, or so long after it was. */
  pump(connection: number, size: number, everyMs?: number): Promise<number>;
  /** Sends `count` datagrams at once, every so often, until halted. */
  flood(address: string, port: number, count: number, everyMs: number): Promise<number>;
  halt(run: number): Promise<Totals>;
  /** How many datagrams its UDP servers got, by the sender's address. */
  tally(): Promise<Readonly<Record<string, number>>>;
  /** Settles when a kept connection has ended. */
  ended(connection: number): Promise<Ended>;
  /** Closes a kept connection. */
  disconnect(connection: number): Promise<Ended>;
  /** Ends the process. */
  stop(): Promise<void>;
}

/** Compiled, because node runs it: beside this file, or in dist/ when this file runs from its source. */
function handScript(): string {
  const here = import.meta.dirname;
  return import.meta.filename.endsWith(".ts") ? resolve(here, "../../dist/mesh/bed/hand.js") : join(here, "hand.js");
}

/** Starts a hand in a place. Throws H005 when it does not come up. */
export async function startHand(place: Place): Promise<Hand> {
  const child = spawnIn(place, process.execPath, [handScript()], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const { hand, ready } = converse(child, place.name);
  await ready;
  return hand;
}

interface Waiting {
  readonly done: (gives: Tasks[TaskName]["gives"]) => void;
  readonly fail: (error: Error) => void;
}

function converse(child: ChildProcess, name: string): { readonly hand: Hand; readonly ready: Promise<void> } {
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let complaint = "";
  let ended: string | null = null;
  const failure = (why: string): Error =>
    bedError("H005", `the process in ${name} ${why}`, complaint === "" ? {} : { found: complaint.trim() });
  const end = (why: string): void => {
    ended ??= why;
    for (const { fail } of waiting.values()) fail(failure(ended));
    waiting.clear();
  };
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  child.on("error", (error) => end(error.message));
  // Not "close": that does not come when it was us who closed the channel.
  const exit = new Promise<string>((done) => {
    child.on("exit", (code, signal) => done(`ended with ${signal ?? `exit code ${code}`}`));
  });
  const quiet = new Promise<void>((done) => child.stderr?.once("end", done));
  const gone = Promise.all([exit, quiet]).then(([why]) => end(why));
  const ready = new Promise<void>((done, fail) => {
    const timer = setTimeout(() => end(`did not start within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const settled = (): void => clearTimeout(timer);
    waiting.set(0, { done: () => (settled(), done()), fail: (error) => (settled(), fail(error)) });
  });
  child.on("message", (reply: Reply) => {
    const id = reply.kind === "ready" ? 0 : reply.id;
    const one = waiting.get(id);
    waiting.delete(id);
    if (reply.kind === "error") one?.fail(failure(`says: ${reply.message}`));
    else one?.done(reply.kind === "done" ? reply.gives : { port: 0 });
  });

  const tell = <K extends TaskName>(task: K, ask: Tasks[K]["ask"]): Promise<Tasks[K]["gives"]> =>
    new Promise((done, fail) => {
      if (ended !== null) {
        fail(failure(ended));
        return;
      }
      const id = next++;
      waiting.set(id, { done, fail });
      child.send({ id, task, ask } as Request, (error) => void (error !== null && end(error.message)));
    });

  return {
    ready,
    hand: {
      pid: child.pid ?? 0,
      listen: async (service, port) => (await tell("listen", { service, port })).port,
      try: (one) => tell("try", one),
      connect: (address, port, limitMs) => tell("connect", { address, port, limitMs }),
      exchange: (connection, rounds, size, limitMs = ECHO_LIMIT_MS) =>
        tell("exchange", { connection, rounds, size, limitMs }),
      repeat: async (one, everyMs) => (await tell("repeat", { one, everyMs })).run,
      pump: async (connection, size, everyMs = 0) => (await tell("pump", { connection, size, everyMs })).run,
      flood: async (address, port, count, everyMs) => (await tell("flood", { address, port, count, everyMs })).run,
      tally: async () => (await tell("tally", {})).datagrams,
      halt: (run) => tell("halt", { run }),
      ended: (connection) => tell("ended", { connection }),
      disconnect: (connection) => tell("disconnect", { connection }),
      stop: async () => {
        if (child.connected) child.disconnect();
        await gone;
      },
    },
  };
}
