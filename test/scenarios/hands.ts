/**
 * The process behind player.c, asked line by line. It is compiled once into `build/`, with the compiler that builds the
 * native shim; whoever has the shim has one.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("player.c", import.meta.url));
const FOLDER = fileURLToPath(new URL("../../build/", import.meta.url));
const BINARY = `${FOLDER}scenario-player`;

/** Null, or why player.c cannot be compiled. */
export function whyNoHands(): string | null {
  const made = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (made(BINARY) > made(SOURCE)) return null;
  const candidates = process.env.CC ? [process.env.CC.trim().split(/\s+/)] : [["cc"], ["gcc"], ["clang"]];
  const found = candidates.find(([command = "", ...args]) => spawnSync(command, [...args, "--version"]).status === 0);
  if (found === undefined) return "no C compiler (tried cc, gcc, clang and $CC)";
  mkdirSync(FOLDER, { recursive: true });
  const temporary = `${BINARY}.${process.pid}`;
  const [command = "", ...args] = found;
  const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", temporary, SOURCE];
  const ran = spawnSync(command, [...args, ...flags], { encoding: "utf8" });
  if (ran.status !== 0) return `${command} could not compile ${SOURCE}: ${ran.stderr}`;
  renameSync(temporary, BINARY);
  return null;
}

/** What a request was answered: the number, or the negated errno, and the words after it. */
export interface Answer {
  readonly result: number;
  readonly words: readonly string[];
}

/** Longer than the longest wait of any verb. */
const ANSWER_LIMIT_MS = 10_000;

export class Hands implements AsyncDisposable {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private rest = "";
  private waiting: { readonly resolve: (line: string) => void; readonly reject: (why: Error) => void } | null = null;

  constructor() {
    this.child = spawn(BINARY, { stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => this.take(text));
    this.child.on("exit", (code, signal) => this.fail(new Error(`the player ended (${signal ?? code})`)));
    this.child.stdin.on("error", (error) => this.fail(error));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Asks a task; one request at a time. */
  async ask(task: number, verb: string, ...args: readonly (string | number)[]): Promise<Answer> {
    const request = [task, verb, ...args].join(" ");
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => this.fail(new Error(`no answer to ${request}`)), ANSWER_LIMIT_MS);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          this.waiting = null;
          settle(value);
        };
      this.waiting = { resolve: settled(resolve), reject: settled(reject) };
      this.child.stdin.write(`${request}\n`);
    });
    const [result, ...words] = line.split(" ");
    return { result: Number(result), words: words.map((word) => (word === "-" ? "" : word)) };
  }

  /** As `ask`, of the hub, for what cannot fail. */
  async must(verb: string, ...args: readonly (string | number)[]): Promise<number> {
    const { result } = await this.ask(0, verb, ...args);
    if (result < 0) throw new Error(`${verb} ${args.join(" ")}: ${nameErrno(-result)}`);
    return result;
  }

  private take(text: string): void {
    this.rest += text;
    const end = this.rest.indexOf("\n");
    if (end < 0) return;
    const line = this.rest.slice(0, end);
    this.rest = this.rest.slice(end + 1);
    this.waiting?.resolve(line);
  }

  private fail(why: Error): void {
    this.child.kill("SIGKILL");
    this.waiting?.reject(why);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin.end();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 2000);
    await new Promise((resolve) => this.child.once("exit", resolve));
    clearTimeout(timer);
  }
}

// Names that share a number: the one that the manual pages of sockets use.
const SECOND_NAMES: ReadonlySet<string> = new Set(["EWOULDBLOCK", "ENOTSUP"]);
// ENOTSUPP is the kernel's own (include/linux/errno.h) and leaks to user space; libc has no name for it.
const ERRNO_NAMES = new Map<number, string>([
  ...Object.entries(constants.errno)
    .filter(([name]) => !SECOND_NAMES.has(name))
    .map(([name, number]): [number, string] => [number, name]),
  [524, "ENOTSUPP"],
]);

/** The name of a positive error number. */
export function nameErrno(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}
