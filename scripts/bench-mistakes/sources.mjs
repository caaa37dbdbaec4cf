// Right programs, the mistakes that the operators put into them, and what has to be compiled to see one of them.
//
// A file may hold many programs, and all of the mesh's take half a minute to compile, so a mistake is compiled with one program at a
// time: the one that it stands in, or else those of the file one by one, until the kernel refuses one. What is left out becomes
// empty lines, so that lines keep their numbers.
import { readFileSync, readdirSync } from "node:fs";
import { OPERATORS } from "./operators.mjs";

const ROOT = new URL("../../", import.meta.url);
const FOLDERS = ["test/files/mistakes", "programs/examples", "test/files/language", "programs/mesh"];
/** Of one operator, so that no kind of mistake is most of them. */
const MOST = 24;

/**
 * All mistakes that the operators find a place for, in an order that the seed makes: operators by turns, each up to its share.
 * Each has its operator's name, the file (`folder/name`), the file's changed lines, and what is expected (operators.mjs).
 */
export function mistakes(seed) {
  const random = numbersFrom(seed);
  const files = FOLDERS.flatMap(readFolder);
  const found = Object.entries(OPERATORS).map(([operator, apply]) => {
    const all = files.flatMap((file) =>
      apply(file.texts[file.name].split("\n")).map((m) => ({ operator, file, ...m })),
    );
    return shuffle(all, random);
  });
  return Array.from({ length: MOST }, (_, turn) => found.flatMap((all) => all.slice(turn, turn + 1))).flat();
}

function readFolder(folder) {
  const names = readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith(".ts"));
  const texts = Object.fromEntries(
    names.map((name) => [name, readFileSync(new URL(`${folder}/${name}`, ROOT), "utf8")]),
  );
  return names.map((name) => ({ folder, name, texts }));
}

export const nameOf = ({ operator, file, at }) => `${operator} (${file.folder}/${file.name}:${at})`;

/** What to compile for a mistake, one after the other: `{ entry, texts }` with one program each. */
export function* sourcesOf({ file, lines, at }) {
  const texts = { ...file.texts, [file.name]: lines.join("\n") };
  const entry = entryFor(file.name, texts);
  const all = programsIn(texts[entry]);
  const around =
    entry === file.name ? all.filter(({ from, to }) => [at].flat().some((line) => from < line && line <= to)) : [];
  for (const program of around.length > 0 ? around : all) {
    const bare = Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [name, without(text, name === entry ? program : null)]),
    );
    yield { entry, texts: bare };
  }
}

/** The file itself if it has programs, else the shortest file with programs that imports it, however far away. */
function entryFor(name, texts) {
  const reaches = (from, seen = new Set([from])) => {
    for (const [, imported] of texts[from].matchAll(/from "\.\/([\w-]+)"/g)) {
      const next = `${imported}.ts`;
      if (seen.has(next)) continue;
      seen.add(next);
      reaches(next, seen);
    }
    return seen;
  };
  const entries = Object.keys(texts).filter((each) => programsIn(texts[each]).length > 0 && reaches(each).has(name));
  return entries.includes(name) ? name : entries.toSorted((a, b) => texts[a].length - texts[b].length)[0];
}

/** Programs of a file: the lines (indices, `to` is the one behind) of `export const name = hook(...);`. */
function programsIn(text) {
  const lines = text.split("\n");
  return lines.flatMap((line, from) => {
    if (!/^export const \w+ = \w+\(/.test(line)) return [];
    return [{ from, to: lines.findIndex((each, i) => i >= from && /^\}?\);$|^export const .*\);$/.test(each)) + 1 }];
  });
}

/** The text without its programs but one. */
function without(text, kept) {
  const lines = text.split("\n");
  for (const { from, to } of programsIn(text)) if (from !== kept?.from) lines.fill("", from, to);
  return lines.join("\n");
}

/** mulberry32 */
function numbersFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return (x ^ (x >>> 14)) >>> 0;
  };
}

function shuffle(list, random) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random() % (i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}
