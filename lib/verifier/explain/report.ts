/**
 * The report on a rejection that Linux 7.3 adds to its log (kernel/bpf/diagnostics.c, series "Redesign Verification Errors"):
 * sections of indented lines under a title, wrapped at 100 columns.
 *
 *     Verification failed: Register Type Safety: Unreadable register
 *     Reason:                  sentences
 *     At:                      `name @ file:line:column` or `insn 5`, lines around it, `^-- error: what is wrong`
 *     Causal path:             such places again, oldest first, with `^-- branch: ...`, `^-- acquired: ...`, `^-- invalidated: ...`
 *     Suggestion:              sentences
 *
 * A log may hold several (a leak each); the first one counts. The kernel's line of old stands before the report.
 */

export interface Report {
  /** `Register Type Safety`. */
  readonly category: string;
  /** `Unreadable register`; empty where the title has none. */
  readonly problem: string;
  readonly reason: string;
  readonly suggestion: string;
  readonly place: ReportPlace | null;
  readonly slot: number | null;
  readonly path: readonly ReportPlace[];
}

export interface ReportPlace {
  readonly file: string | null;
  readonly line: number;
  readonly column: number;
  readonly slot: number | null;
  /** `branch: took the true branch of this conditional, goto followed`. */
  readonly note: string;
}

const TITLE = /^Verification failed: ([^:]*)(?:: (.*))?$/;
const SECTION = /^(Reason|At|Causal path|Active lock|Suggestion):$/;
const PLACE = /^ {2}(?:\S+ @ )?(\S.*):(\d+):(\d+)$/;
const INSN = /^ {2}insn (\d+)$/;
const MARKED = />>> *(\d+) \| \([0-9a-f]{2}\)/;
const NOTE = /^ +\| +\^-- (.*)$/;
const NOTE_CONTINUED = /^ +\| {2,}(\S.*)$/;

type Sections = Map<string, string[]>;

/** The first report of a log, and the log's lines without any report. */
export function readReport(lines: readonly string[]): { report: Report | null; rest: readonly string[] } {
  if (!lines.some((line) => TITLE.test(line))) return { report: null, rest: lines };
  const rest: string[] = [];
  let first: { title: RegExpExecArray; sections: Sections } | null = null;
  let sections: Sections | null = null;
  let section: string[] = [];
  for (const line of lines) {
    const title = TITLE.exec(line);
    const heading = SECTION.exec(line);
    if (title !== null) {
      sections = new Map();
      section = [];
      first ??= { title, sections };
    } else if (sections !== null && heading !== null) {
      section = [];
      sections.set(heading[1] as string, section);
    } else if (sections !== null && (line === "" || line.startsWith("  "))) {
      section.push(line);
    } else {
      sections = null;
      rest.push(line);
    }
  }
  return { report: first === null ? null : reportOf(first.title, first.sections), rest };
}

function reportOf(title: RegExpExecArray, sections: Sections): Report {
  const [place = null] = placesOf(sections.get("At") ?? []);
  return {
    category: title[1] as string,
    problem: title[2] ?? "",
    reason: textOf(sections.get("Reason")),
    suggestion: textOf(sections.get("Suggestion")),
    place,
    slot: place?.slot ?? null,
    path: placesOf(sections.get("Causal path") ?? []),
  };
}

function textOf(lines: readonly string[] = []): string {
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}

function placesOf(lines: readonly string[]): ReportPlace[] {
  const places: { -readonly [K in keyof ReportPlace]: ReportPlace[K] }[] = [];
  let isNote = false;
  for (const line of lines) {
    const place = PLACE.exec(line);
    const insn = INSN.exec(line);
    if (place !== null) {
      places.push({ file: place[1] as string, line: Number(place[2]), column: Number(place[3]), slot: null, note: "" });
    } else if (insn !== null) {
      places.push({ file: null, line: 0, column: 0, slot: Number(insn[1]), note: "" });
    }
    const last = places.at(-1);
    if (last === undefined) continue;
    const note = NOTE.exec(line);
    const more: RegExpExecArray | null = isNote ? NOTE_CONTINUED.exec(line) : null;
    if (note !== null) last.note = note[1] as string;
    else if (more !== null) last.note += ` ${more[1]}`;
    isNote = note !== null || more !== null;
    const marked = MARKED.exec(line);
    if (marked !== null) last.slot = Number(marked[1]);
  }
  return places;
}
