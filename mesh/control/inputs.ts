/**
 * What files say, held together: the objects in force, and all that is wrong. No I/O here.
 *
 * A file holds its objects. When it is read again, an object that is refused stays as it was last good; so does everything that
 * is not in the file any more while some document cannot even be told by name, since it might be that one. An object that two
 * files define is in force as the file has it that had it first, until that file gives it up.
 */
import { isDeepStrictEqual } from "node:util";
import { applyChanges, EMPTY_CLUSTER, keyOf } from "../objects/cluster.ts";
import type { ObjectChange } from "../objects/cluster.ts";
import { inputDiagnostic } from "../objects/diagnostics.ts";
import type { InputDiagnostic } from "../objects/diagnostics.ts";
import type { ParsedObject, ParsedText } from "../objects/parse.ts";
import type { Cluster } from "../objects/types.ts";

interface File {
  /** By `keyOf`. */
  objects: ReadonlyMap<string, ParsedObject>;
  /** What was wrong with its text, or with reading it. */
  diagnostics: readonly InputDiagnostic[];
}

const NO_FILE: File = { objects: new Map(), diagnostics: [] };

export class Inputs {
  private readonly files = new Map<string, File>();
  /** The files that define an object; the first one's is in force. */
  private readonly holders = new Map<string, readonly string[]>();
  /** Of which there are several holders. */
  private readonly shared = new Set<string>();
  /** Files with diagnostics. */
  private readonly faulty = new Set<string>();
  private current: Cluster = EMPTY_CLUSTER;
  /** Not in `current` yet: its tables are copied once for all that was read in the meantime. */
  private changes: ObjectChange[] = [];

  get cluster(): Cluster {
    if (this.changes.length > 0) this.current = applyChanges(this.current, this.changes);
    this.changes = [];
    return this.current;
  }

  get diagnostics(): readonly InputDiagnostic[] {
    const ofFiles = [...this.faulty].toSorted().flatMap((name) => this.files.get(name)?.diagnostics ?? []);
    return [...ofFiles, ...[...this.shared].flatMap((key) => this.reportHolders(key))];
  }

  /** Would reading this text take objects away? */
  takesAway(name: string, parsed: ParsedText): boolean {
    if (!parsed.complete) return false;
    const named = new Set([...parsed.objects.map(({ ref }) => ref), ...parsed.refused].map(keyOf));
    return [...(this.files.get(name)?.objects.keys() ?? [])].some((key) => !named.has(key));
  }

  /** The file was read. */
  update(name: string, parsed: ParsedText): void {
    this.replace(name, holdObjects(this.files.get(name)?.objects ?? new Map(), parsed));
  }

  /** The file cannot be read: its objects stay. */
  fail(name: string, diagnostic: InputDiagnostic): void {
    this.setFile(name, { ...(this.files.get(name) ?? NO_FILE), diagnostics: [diagnostic] });
  }

  /** The file is gone, and its objects with it. */
  remove(name: string): void {
    this.replace(name, NO_FILE);
    this.files.delete(name);
  }

  private setFile(name: string, file: File): void {
    this.files.set(name, file);
    if (file.diagnostics.length > 0) this.faulty.add(name);
    else this.faulty.delete(name);
  }

  private replace(name: string, file: File): void {
    const before = this.files.get(name)?.objects ?? new Map<string, ParsedObject>();
    this.setFile(name, file);
    for (const [key, held] of before) {
      if (!file.objects.has(key)) this.changes.push(...this.release(name, key, held));
    }
    for (const [key, held] of file.objects) {
      if (held.object !== before.get(key)?.object) this.changes.push(...this.hold(name, key, held));
    }
  }

  private hold(name: string, key: string, held: ParsedObject): readonly ObjectChange[] {
    const names = this.holders.get(key) ?? [];
    this.setHolders(key, names.includes(name) ? names : [...names, name]);
    return names[0] === undefined || names[0] === name ? [{ kind: "set", object: held.object }] : [];
  }

  /** The next file that defines the object, in the order of names, takes over. */
  private release(name: string, key: string, held: ParsedObject): readonly ObjectChange[] {
    const names = this.holders.get(key) ?? [];
    const others = names.filter((n) => n !== name);
    if (names[0] !== name) {
      this.setHolders(key, others);
      return [];
    }
    const [next, ...rest] = others.toSorted();
    this.setHolders(key, next === undefined ? [] : [next, ...rest]);
    const object = this.files.get(next ?? "")?.objects.get(key)?.object;
    return [object === undefined ? { kind: "delete", ref: held.ref } : { kind: "set", object }];
  }

  private setHolders(key: string, names: readonly string[]): void {
    if (names.length === 0) this.holders.delete(key);
    else this.holders.set(key, names);
    if (names.length > 1) this.shared.add(key);
    else this.shared.delete(key);
  }

  /** Each definition but the one in force. */
  private reportHolders(key: string): readonly InputDiagnostic[] {
    const [original, ...copies] = (this.holders.get(key) ?? []).map((name) => this.files.get(name)?.objects.get(key));
    if (original === undefined) return [];
    return copies.flatMap((copy) => (copy === undefined ? [] : [reportDuplicate(key, copy, original)]));
  }
}

function holdObjects(before: ReadonlyMap<string, ParsedObject>, parsed: ParsedText): File {
  const objects = new Map<string, ParsedObject>();
  const diagnostics = [...parsed.diagnostics];
  for (const held of parsed.objects) {
    const key = keyOf(held.ref);
    const first = objects.get(key);
    if (first !== undefined) diagnostics.push(reportDuplicate(key, held, first));
    else objects.set(key, keepEqual(before.get(key), held));
  }
  const stays = parsed.complete ? parsed.refused.map(keyOf) : before.keys();
  for (const key of stays) {
    const last = before.get(key);
    if (last !== undefined && !objects.has(key)) objects.set(key, last);
  }
  return { objects, diagnostics };
}

/**
 * The same value for the same content. Not for policies, which have places in them: comparing one takes as long as compiling it,
 * and it is the same value already where its text is.
 */
function keepEqual(before: ParsedObject | undefined, after: ParsedObject): ParsedObject {
  if (before === undefined || after.object.kind === "Policy") return after;
  return isDeepStrictEqual(before.object, after.object) ? { ...after, object: before.object } : after;
}

function reportDuplicate(key: string, copy: ParsedObject, original: ParsedObject): InputDiagnostic {
  const { file, line } = original.place;
  return inputDiagnostic("Y020", `${key} is defined already, at ${file}:${line}`, copy.place, null, {
    expected: "one definition",
    found: `${file}:${line} and ${copy.place.file}:${copy.place.line}`,
  });
}
