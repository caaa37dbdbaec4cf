/** Judges imports by the tables of `rules.ts`; pure, so that it can be tried on made-up breaches. */
import { NEVER, PROJECTS } from "./rules.ts";
import type { Never, Project } from "./rules.ts";
import type { Import } from "./scan.ts";

/** Where a relative specifier leads, from the root, without `.ts`; a package's name for a bare one; `node:…` as is. */
export function resolveTarget(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return packageOf(specifier);
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/").replace(/\.ts$/, "");
}

function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/** The project that a path belongs to: the longest row that holds it. */
export function projectOf(path: string, projects: readonly Project[] = PROJECTS): Project | undefined {
  const holds = (p: Project): boolean =>
    `${path}/`.startsWith(`${p.folder}/`) || path === p.folder.replace(/\.ts$/, "");
  return projects.filter(holds).toSorted((a, b) => b.folder.length - a.folder.length)[0];
}

/** One line per breach, empty when all is well: place, what was imported, the rule and its reason. */
export function findBreaches(
  imports: readonly Import[],
  projects: readonly Project[] = PROJECTS,
  never: readonly Never[] = NEVER,
): string[] {
  const breaches: string[] = [];
  for (const item of imports) {
    const target = resolveTarget(item.file, item.specifier);
    const say = (text: string): void => {
      breaches.push(`${item.file}:${item.line}: imports ${JSON.stringify(item.specifier)}: ${text}`);
    };
    for (const { rule, why, breach } of never) if (breach(item, target)) say(`${rule} (${why})`);
    const from = projectOf(item.file.replace(/\.ts$/, ""), projects);
    if (from === undefined) say("the importing file belongs to no row of PROJECTS");
    else judgeByTable(item, target, from, projects, say);
  }
  return breaches;
}

function judgeByTable(
  item: Import,
  target: string,
  from: Project,
  projects: readonly Project[],
  say: (text: string) => void,
): void {
  if (item.specifier.startsWith(".")) {
    if (target.endsWith(".node")) return;
    const to = projectOf(target, projects);
    if (to === undefined) say("the target belongs to no row of PROJECTS");
    else if (to !== from && !from.may.includes(to.folder)) say(`${from.folder} may not import ${to.folder}`);
  } else if (target.startsWith("node:")) {
    if (!from.node) say(`${from.folder} uses no node: modules`);
  } else if (!from.packages.includes(target)) {
    say(`${from.folder} may not import the package ${target}`);
  }
}
