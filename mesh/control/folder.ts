/**
 * A watched folder of YAML and JSON files as a source.
 *
 * What a person or a tool does to a file takes several steps, and only some of them are states that anybody meant. A file that
 * was put in place of another (rename) is whole. A file that is written in place may be half there: so what looks unfinished
 * (no line end, the size of a write buffer, errors, objects missing) is believed only after the file has been quiet for a while.
 * The rest is in force at once. A file that is gone may be on its way back, and is waited for in the same way.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { DiagnosticError } from "ebpf-ts/diag";
import { inputDiagnostic } from "../objects/diagnostics.ts";
import type { InputDiagnostic } from "../objects/diagnostics.ts";
import { FileParser } from "../objects/parse.ts";
import type { ParsedText } from "../objects/parse.ts";
import { Inputs } from "./inputs.ts";
import { Latest } from "./latest.ts";
import type { Source, SourceState } from "./source.ts";
import { isBelow, messageOf, statOf, Tree } from "./tree.ts";
import type { FileEvent } from "./tree.ts";

export interface FolderOptions {
  /** How long a file has to be quiet before what looks unfinished is believed; milliseconds, 50. */
  readonly settle?: number;
  /** How often everything is looked at although nothing was heard; milliseconds, 5000. */
  readonly rescan?: number;
}

const SETTLE = 50;
const RESCAN = 5000;
/** A file that is never quiet is believed after this many times `settle`. */
const PATIENCE = 20;
/** Files looked at in one turn of a rescan, so that an event does not wait for all of them. */
const SLICE = 64;
const MAX_SIZE = 64 << 20;
/** C libraries write buffers of multiples of this. */
const BUFFER = 4096;
const INPUT = /\.(ya?ml|json)$/;

interface File {
  readonly parser: FileParser;
  /** Of the content in force; null: it was never read, or could not be. */
  digest: string | null;
  /** As it was when last looked at. */
  signature: string;
  /** Of the file in force; empty: there is none, or it was seen to be gone. */
  inode: string;
  /** Since when it looks unfinished; null: it does not. */
  doubted: number | null;
  timer: NodeJS.Timeout | null;
}

/**
 * Reads the folder and goes on watching it. Throws when it cannot be read now; when that happens later, what is known stays in
 * force.
 */
export function watchFolder(folder: string, options: FolderOptions = {}): Source {
  try {
    if (!statSync(folder).isDirectory()) throw new Error("it is not a folder");
  } catch (error) {
    throw new DiagnosticError([reportUnreadable(folder, messageOf(error))]);
  }
  return new FolderSource(folder, options);
}

class FolderSource implements Source {
  private readonly folder: string;
  private readonly settle: number;
  private readonly inputs = new Inputs();
  private readonly files = new Map<string, File>();
  private readonly folderProblems = new Map<string, InputDiagnostic>();
  private readonly tree: Tree;
  private readonly latest: Latest<SourceState>;
  private readonly interval: NodeJS.Timeout;
  /** To be looked at now, with what was heard of it. */
  private readonly heard = new Map<string, readonly FileEvent[]>();
  /** To be looked at by and by. */
  private readonly stale = new Set<string>();
  private seen: number | null = null;
  private flushing: NodeJS.Immediate | null = null;
  private slicing: NodeJS.Immediate | null = null;
  private scanning = false;

  constructor(folder: string, { settle = SETTLE, rescan = RESCAN }: FolderOptions) {
    this.folder = folder;
    this.settle = settle;
    this.tree = new Tree(folder, {
      onFile: (path, event) => this.hear(path, event),
      onGone: (path) => this.hearBelow(path),
      onFolder: (path, problem) => this.setFolderProblem(path, problem),
    });
    const seen = performance.now();
    this.scan();
    for (const path of [...this.stale].toSorted()) this.examine(path, "settled");
    this.stale.clear();
    this.latest = new Latest<SourceState>({ ...this.look(), seen });
    this.interval = setInterval(() => this.rescan(), rescan);
    this.interval.unref();
  }

  get state(): SourceState {
    return this.latest.value;
  }

  states(): AsyncIterableIterator<SourceState> {
    return this.latest.read();
  }

  /** Whoever asks for it has finished writing: nothing is waited for. */
  refresh(): Promise<void> {
    this.scan();
    for (const path of new Set([...this.files.keys(), ...this.stale])) {
      const file = this.files.get(path);
      const stats = statOf(path);
      const isKnown =
        file !== undefined && file.timer === null && stats !== null && signatureOf(stats) === file.signature;
      if (!isKnown) this.examine(path, "settled");
    }
    this.stale.clear();
    this.publish();
    return Promise.resolve();
  }

  close(): void {
    clearInterval(this.interval);
    for (const { timer } of this.files.values()) clearTimeout(timer ?? undefined);
    clearImmediate(this.flushing ?? undefined);
    clearImmediate(this.slicing ?? undefined);
    this.tree.close();
    this.latest.close();
  }

  private hear(path: string, event: FileEvent | null): void {
    if (!INPUT.test(path)) return;
    if (this.scanning) {
      this.stale.add(path);
      return;
    }
    this.heard.set(path, [...(this.heard.get(path) ?? []), ...(event === null ? [] : [event])]);
    this.seen ??= performance.now();
    // Events come in bunches: all that the system has told by now are one change.
    this.flushing ??= setImmediate(() => {
      this.flushing = null;
      const heard = [...this.heard];
      this.heard.clear();
      for (const [file, events] of heard) this.examine(file, events);
      this.publish();
    });
  }

  private hearBelow(folder: string): void {
    for (const path of this.files.keys()) if (isBelow(path, folder)) this.hear(path, null);
  }

  private setFolderProblem(path: string, problem: string | null): void {
    if (problem === null) this.folderProblems.delete(path);
    else this.folderProblems.set(path, reportUnreadable(path, problem));
  }

  /** Everything that is there goes to `stale`. */
  private scan(): void {
    this.scanning = true;
    this.tree.scan();
    this.scanning = false;
  }

  private rescan(): void {
    if (this.slicing !== null) return;
    this.scan();
    for (const path of this.files.keys()) this.stale.add(path);
    this.slice();
  }

  private slice(): void {
    const paths = [...this.stale].slice(0, SLICE);
    for (const path of paths) {
      this.stale.delete(path);
      const stats = statOf(path);
      if (stats === null || signatureOf(stats) !== this.files.get(path)?.signature) this.examine(path, []);
    }
    this.publish();
    this.slicing = this.stale.size === 0 ? null : setImmediate(() => this.slice());
  }

  /** Looks at what is at the path now. `events` were heard; `settled`: it has been quiet, so it is as somebody meant it. */
  private examine(path: string, events: readonly FileEvent[] | "settled"): void {
    const file = this.files.get(path);
    clearTimeout(file?.timer ?? undefined);
    const stats = statOf(path);
    if (stats === null) {
      // Without the folder nothing can be said about its files.
      if (file === undefined || statOf(this.folder) === null) return;
      file.inode = "";
      if (events === "settled" || this.isImpatient(file)) this.remove(path);
      else this.wait(path, file);
      return;
    }
    this.read(path, stats, file ?? this.add(path), events);
  }

  private add(path: string): File {
    const file: File = {
      parser: new FileParser(path),
      digest: null,
      signature: "",
      inode: "",
      doubted: null,
      timer: null,
    };
    this.files.set(path, file);
    return file;
  }

  private remove(path: string): void {
    this.files.delete(path);
    this.inputs.remove(path);
  }

  private read(path: string, stats: Stats, file: File, events: readonly FileEvent[] | "settled"): void {
    // Put in place of the other, in one step: one that was removed, created and written took several.
    const replaced = file.inode !== "" && file.inode !== inodeOf(stats) && (events.length === 0 || isRename(events));
    file.signature = signatureOf(stats);
    const text = readText(path, stats);
    if (typeof text !== "string") {
      file.digest = null;
      file.inode = inodeOf(stats);
      this.inputs.fail(path, text);
      return;
    }
    const digest = createHash("sha1").update(text).digest("base64");
    if (digest !== file.digest) {
      const parsed = file.parser.parse(text);
      const whole =
        events === "settled" || replaced || this.isImpatient(file) || !this.looksUnfinished(path, text, parsed);
      if (!whole) {
        this.wait(path, file);
        return;
      }
      this.inputs.update(path, parsed);
      file.digest = digest;
    }
    file.inode = inodeOf(stats);
    file.doubted = null;
    file.timer = null;
  }

  private looksUnfinished(path: string, text: string, parsed: ParsedText): boolean {
    return (
      !text.endsWith("\n") ||
      Buffer.byteLength(text) % BUFFER === 0 ||
      parsed.diagnostics.some((d) => d.severity === "error") ||
      this.inputs.takesAway(path, parsed)
    );
  }

  private isImpatient({ doubted }: File): boolean {
    return doubted !== null && performance.now() - doubted > PATIENCE * this.settle;
  }

  private wait(path: string, file: File): void {
    const seen = performance.now();
    file.doubted ??= seen;
    file.timer = setTimeout(() => {
      this.seen ??= seen;
      this.examine(path, "settled");
      this.publish();
    }, this.settle);
  }

  private look(): Omit<SourceState, "seen"> {
    const folders = [...this.folderProblems.values()];
    return { cluster: this.inputs.cluster, diagnostics: [...folders, ...this.inputs.diagnostics] };
  }

  private publish(): void {
    const before = this.latest.value;
    const now = this.look();
    const seen = this.seen ?? performance.now();
    this.seen = null;
    if (now.cluster === before.cluster && isSame(now.diagnostics, before.diagnostics)) return;
    this.latest.set({ ...now, seen });
  }
}

const isRename = (events: readonly FileEvent[] | "settled"): boolean => events.length === 1 && events[0] === "rename";

/** The text, or why it cannot be read. */
function readText(path: string, stats: Stats): string | InputDiagnostic {
  if (!stats.isFile()) return reportUnreadable(path, "it is not a file");
  if (stats.size > MAX_SIZE) return reportUnreadable(path, `it has more than ${MAX_SIZE} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    return reportUnreadable(path, error instanceof TypeError ? "it is not UTF-8" : messageOf(error));
  }
}

function reportUnreadable(path: string, problem: string): InputDiagnostic {
  const place = { file: path, line: 1, column: 1, path: "" };
  return inputDiagnostic("Y022", `${path} cannot be read: ${problem}`, place, null, { found: problem });
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return (
    a.length === b.length && a.every((value, i) => value === b[i] || JSON.stringify(value) === JSON.stringify(b[i]))
  );
}

const inodeOf = (stats: Stats): string => `${stats.dev}:${stats.ino}`;
const signatureOf = (stats: Stats): string => `${inodeOf(stats)}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
