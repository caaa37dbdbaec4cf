/**
 * The programs in the kernel, loaded against the pinned maps, and pinned themselves under `programs/` in bpffs: the next agent takes
 * them as they are when it is of the same version and the maps are the same, and need not have them verified again, which
 * takes a second.
 *
 * All are loaded at once, which is the common case; when the kernel refuses, one by one, so that an optional program that this kernel
 * is too old for is left out, with its reason, and nothing else is.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DiagnosticError } from "ebpf-ts/diag";
import { load, openProgram } from "ebpf-ts/loader";
import type { LoadedObject, Program } from "ebpf-ts/loader";
import { agentError } from "./diagnostics.ts";
import { hookOf, rankOf } from "./hooks.ts";
import type { ObjectSpec } from "./object.ts";

/** An optional program that is not there. */
export interface Missing {
  readonly program: string;
  /** The kernel's words. */
  readonly reason: string;
  readonly without: string;
}

export interface ProgramSource {
  readonly spec: ObjectSpec;
  /** The object file. */
  readonly bytes: Uint8Array;
  /** The maps, open. */
  readonly maps: LoadedObject["maps"];
}

export interface ProgramHome {
  readonly bpffs: string;
  readonly stateDir: string;
}

/** Who the pinned programs are: kept beside the agent's state, written when all of it is true. */
interface Note {
  readonly object: string;
  /** Ids of the maps that they use. */
  readonly maps: Readonly<Record<string, number>>;
  readonly missing: readonly Missing[];
}

export const programsFolder = (bpffs: string): string => join(bpffs, "programs");
/** What a datapath keeps beside the agent's state: the object whose maps and programs are pinned, and who they are. */
export const STATE_FILES = { object: "programs.o", note: "programs.json" } as const;
const notePath = ({ stateDir }: ProgramHome): string => join(stateDir, STATE_FILES.note);

export class Programs {
  /** In the order of replacing. */
  readonly all: readonly Program[];
  readonly missing: readonly Missing[];
  private readonly owned: readonly { close(): void }[];

  private constructor(all: readonly Program[], missing: readonly Missing[], owned: readonly { close(): void }[]) {
    this.all = all.toSorted((a, b) => rankOf(a.type) - rankOf(b.type));
    this.missing = missing;
    this.owned = owned;
  }

  /** Those that are pinned, or loads them. Throws N002 when one is refused that the mesh cannot do without. */
  static async open(source: ProgramSource, home: ProgramHome): Promise<Programs> {
    return Programs.pinned(source, home) ?? (await Programs.load(source));
  }

  /** Null: they are of another version, use other maps, or are not there. */
  private static pinned({ spec, bytes, maps }: ProgramSource, home: ProgramHome): Programs | null {
    const note = readNote(home);
    if (note === null || JSON.stringify(note) !== JSON.stringify(noteOf(bytes, maps, note.missing))) return null;
    const programs: Program[] = [];
    const wanted = wantedOf(spec).filter(({ name }) => !note.missing.some(({ program }) => program === name));
    for (const program of wanted) {
      const path = join(programsFolder(home.bpffs), program.name);
      if (existsSync(path)) programs.push(openProgram(path, program));
    }
    if (programs.length === wanted.length) return new Programs(programs, note.missing, programs);
    for (const program of programs) program.close();
    return null;
  }

  private static async load({ spec, maps }: ProgramSource): Promise<Programs> {
    const names = wantedOf(spec).map(({ name }) => name);
    const shared = Object.fromEntries(maps) as never;
    try {
      return Programs.of([await load(spec, { programs: names, maps: shared })], []);
    } catch {
      return Programs.loadEach(spec, shared, names);
    }
  }

  private static async loadEach(spec: ObjectSpec, maps: never, names: readonly string[]): Promise<Programs> {
    const objects: LoadedObject[] = [];
    const missing: Missing[] = [];
    try {
      for (const name of names) {
        const loaded = await load(spec, { programs: [name], maps }).catch((failure: unknown) => reasonOf(failure));
        if (typeof loaded !== "string") objects.push(loaded);
        else missing.push(missingOf(spec, name, loaded));
      }
      return Programs.of(objects, missing);
    } catch (failure) {
      for (const object of objects) object.close();
      throw failure;
    }
  }

  private static of(objects: readonly LoadedObject[], missing: readonly Missing[]): Programs {
    return new Programs(
      objects.flatMap((object) => [...object.programs.values()]),
      missing,
      objects,
    );
  }

  /** Pins them in place of those that were there; to be called when those are attached nowhere any more. */
  pin({ bytes, maps }: ProgramSource, home: ProgramHome): void {
    const note = noteOf(bytes, maps, this.missing);
    if (
      JSON.stringify(readNote(home)) === JSON.stringify(note) &&
      this.owned.every((one) => this.all.includes(one as Program))
    )
      return;
    rmSync(notePath(home), { force: true });
    removePrograms(home.bpffs);
    mkdirSync(programsFolder(home.bpffs), { recursive: true });
    for (const program of this.all) program.pin(join(programsFolder(home.bpffs), program.name));
    writeFileSync(`${notePath(home)}.new`, JSON.stringify(note));
    renameSync(`${notePath(home)}.new`, notePath(home));
  }

  close(): void {
    for (const one of this.owned) one.close();
  }
}

/** Removes the pins; programs that are attached stay. */
export function removePrograms(bpffs: string): void {
  const folder = programsFolder(bpffs);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  rmdirSync(folder);
}

function wantedOf(spec: ObjectSpec): ObjectSpec["programs"] {
  return spec.programs.filter(({ type }) => hookOf(type) !== undefined);
}

function noteOf(bytes: Uint8Array, maps: LoadedObject["maps"], missing: readonly Missing[]): Note {
  const object = createHash("sha256").update(bytes).digest("hex");
  // Global data is made for each load and belongs to it.
  const shared = [...maps].filter(([name]) => !name.startsWith("."));
  return { object, maps: Object.fromEntries(shared.map(([name, map]) => [name, map.id])), missing };
}

/** Null: there is none, or nobody can read it. */
function readNote(home: ProgramHome): Note | null {
  try {
    return JSON.parse(readFileSync(notePath(home), "utf8")) as Note;
  } catch {
    return null;
  }
}

function missingOf(spec: ObjectSpec, name: string, reason: string): Missing {
  const type = spec.programs.find((program) => program.name === name)?.type;
  const hook = type === undefined ? undefined : hookOf(type);
  if (hook === undefined || hook.needed) {
    throw agentError("N002", `the kernel refused program ${JSON.stringify(name)}: ${reason}`);
  }
  return { program: name, reason, without: hook.without };
}

/** One line; what is no refusal of the kernel's is a fault, and thrown on. */
function reasonOf(failure: unknown): string {
  if (!(failure instanceof DiagnosticError)) throw failure;
  return failure.message.split("\n")[0] ?? failure.message;
}
