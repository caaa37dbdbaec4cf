// Mistakes that authors make, as changes of a right program's text. An operator gives, for a file's lines, mistakes
// `{ lines, at, codes, remedy }`: the changed lines, the line (from 1) that has to change to mend it, the reasons that may be told,
// and what the remedy has to say. What a mistake's line is: of something that is missing, where it was made necessary (a socket
// that is not given back: where it was looked up; an index that is not checked: where it is used).

const CHECK = /^(\s*if \()(\w+) (>=|>|==) (\d+)(\).*)$/;
const LOOP = /^(\s*for \(let (\w+): u32 = 0; \w+ < )(\d+)(; \w+\+\+\).*)$/;

const PLACES = ["R224", "R225", "R220", "R221", "R223", "R117", "R118", "R230", "R231"];
const SIZES = ["R250", "R251", "R252", "R221", "R223", "R225", "R230", "R231"];
const GIVEN_BACK = ["R211", "R311", "R313", "R411", "R412", "R416", "R101"];

/** The line (index) where a variable is declared, searched upwards. */
function declarationOf(lines, name, from) {
  for (let i = from; i >= 0; i--) if (new RegExp(`\\b(?:const|let) ${name}\\b`).test(lines[i])) return i;
  return -1;
}

/** What the program that a line is in returns first. */
function someReturn(lines, at) {
  let start = at;
  while (start > 0 && !/^export const \w+ = \w+\(/.test(lines[start])) start--;
  for (let i = start; i < lines.length; i++) {
    const found = /return ((?:\w+\.\w+|\d+));/.exec(lines[i]);
    if (found !== null) return found[1];
  }
  return null;
}

/** Something that the verifier cannot know. */
function withDice(lines) {
  const at = lines.findIndex((line) => line.startsWith("import {"));
  return lines.with(at, lines[at].replace("import {", "import { random as dice,"));
}

const removed = (lines, at) => lines.with(at, "");
const inserted = (lines, at, line) => lines.toSpliced(at, 0, line);

/** Each line that matches, with what `mistake` makes of it; null: none here. */
function perLine(pattern, mistake) {
  return (lines) =>
    lines.flatMap((line, at) => {
      const match = pattern.exec(line);
      const made = match === null ? null : mistake(lines, at, match);
      return made === null ? [] : [made].flat();
    });
}

/** Lines (from 1) where what is given back from here on in the program was acquired. */
function heldAt(lines, at) {
  const rest = lines.slice(at);
  const end = rest.findIndex((line) => line.startsWith("});"));
  const names = rest.slice(0, end).flatMap((line) => {
    const match = GIVES.exec(line);
    return match === null ? [] : [match[1] ?? match[2]];
  });
  return names.map((name) => declarationOf(lines, name, at) + 1).filter((line) => line > 0);
}

/** What is given back on a line: a socket, cgroup or task, or a ring buffer's record. */
const GIVES = /^\s*(?:else )?(?:(\w+)\.release\(\)|\w+\.(?:submit|discard)\((\w+)\));$/;
const giveBack = (name, line) =>
  line.includes("release")
    ? new RegExp(`${name}\\.release\\(\\)`)
    : new RegExp(`submit\\(${name}\\) or discard\\(${name}\\)`);

/** Where a checked number is used as an address or as a size. */
function useOf(lines, name, from) {
  for (let i = from; i < lines.length && !lines[i].startsWith("});"); i++) {
    if (new RegExp(`<usize>\\(?${name}\\b|, ${name}\\)`).test(lines[i])) return i;
  }
  return -1;
}

const isSize = (line) => !line.includes("+ <usize>");
const aboutIndex = (name, line) =>
  isSize(line)
    ? { codes: SIZES, remedy: new RegExp(`\\b${name}\\b|bytes`) }
    : { codes: PLACES, remedy: new RegExp(`\\b${name}\\b`) };

export const OPERATORS = {
  "not given back": perLine(GIVES, (lines, at, [line, name, record]) => {
    const what = name ?? record;
    return {
      lines: removed(lines, at),
      at: declarationOf(lines, what, at) + 1,
      codes: ["R601"],
      remedy: giveBack(what, line),
    };
  }),

  "left before it is given back": perLine(GIVES, (lines, at, [line]) => {
    const value = someReturn(lines, at);
    if (value === null || line.trimStart().startsWith("else")) return null;
    const changed = withDice(inserted(lines, at, `  if (dice() == 13) return ${value};`));
    return { lines: changed, at: heldAt(lines, at), codes: ["R601"], remedy: /release\(\)|submit\(/ };
  }),

  "given back twice": perLine(GIVES, (lines, at, [line]) => {
    if (line.trimStart().startsWith("else")) return null;
    return {
      lines: inserted(lines, at, line),
      at: at + 2,
      codes: GIVEN_BACK,
      remedy: new RegExp(`given back already at line ${at + 1}`),
    };
  }),

  "used after it is given back": perLine(GIVES, (lines, at, [line, name, record]) => {
    const what = name ?? record;
    if (line.trimStart().startsWith("else")) return null;
    for (let i = at - 1; i >= 0 && !lines[i].startsWith("export const"); i--) {
      const used = new RegExp(`\\b${what}\\.(\\w+)\\b(?!\\()`).exec(lines[i]);
      const value = someReturn(lines, at);
      if (used === null || used[1] === "release") continue;
      const use =
        record === undefined ? `  if (${what}.${used[1]} == 4242) return ${value};` : `  ${what}.${used[1]} = 1;`;
      return {
        lines: inserted(lines, at + 1, use),
        at: at + 2,
        codes: GIVEN_BACK,
        remedy: new RegExp(`given back at line ${at + 1}`),
      };
    }
    return null;
  }),

  "given back though it is not one's own": perLine(/^\s*const (\w+) = ctx\.socket;$/, (lines, at, [, name]) => {
    return {
      lines: inserted(lines, at + 2, `  ${name}.release();`),
      at: at + 3,
      codes: ["R313"],
      remedy: /give back only what/,
    };
  }),

  "another program is called with it in hand": perLine(/^\s*(\w+)\.release\(\);$/, (lines, at, [, name]) => {
    if (!lines.some((line) => line.includes("next.tailCall"))) return null;
    return {
      lines: inserted(lines, at, "  next.tailCall(skb, 2);"),
      at: declarationOf(lines, name, at) + 1,
      codes: ["R601"],
      remedy: new RegExp(`${name}\\.release\\(\\)`),
    };
  }),

  "wrong verdict": perLine(
    /^(.*return )(Verdict|BindVerdict|SkAction|CgroupAction)\.\w+;(.*)$/,
    (lines, at, [, before, type, after]) => ({
      lines: lines.with(at, `${before}<${type}>9;${after}`),
      at: at + 1,
      codes: ["R140"],
      remedy: /return .*\d \(?|Loop/,
    }),
  ),

  "verdict that is computed": perLine(
    /^(\s*)return (Verdict|BindVerdict|SkAction|CgroupAction)\.\w+;$/,
    (lines, at, [, indent, type]) => ({
      lines: withDice(lines.with(at, `${indent}return <${type}>(dice() & 7);`)),
      at: at + 1,
      codes: ["R140"],
      remedy: /return .*\d \(?/,
    }),
  ),

  "wrong verdict of a callback": perLine(/^(.*)Loop\.(?:Continue|Break);$/, (lines, at, [, before]) => ({
    lines: lines.with(
      at,
      `${before.replace(/ \? .*/, "")}${before.includes("?") ? " ? <Loop>2 : <Loop>3" : "<Loop>7"};`,
    ),
    at: at + 1,
    codes: ["R140"],
    remedy: /Loop\.Continue/,
  })),

  "check that is missing": perLine(CHECK, (lines, at, [line, before, name, , , after]) => {
    const use = useOf(lines, name, at);
    if (use < 0) return null;
    const without = line.trimEnd().endsWith("{")
      ? lines.with(at, `${before}${name} == 4242${after}`)
      : removed(lines, at);
    return { lines: without, at: use + 1, ...aboutIndex(name, lines[use]) };
  }),

  "check that lets one too many pass": perLine(CHECK, (lines, at, [, before, name, op, number, after]) => {
    const use = useOf(lines, name, at);
    if (use < 0 || op === "==") return null;
    return {
      lines: lines.with(at, `${before}${name} ${op} ${Number(number) + 1}${after}`),
      at: use + 1,
      ...aboutIndex(name, lines[use]),
    };
  }),

  "check of something else": perLine(CHECK, (lines, at, [, before, name, op, number, after]) => {
    const use = useOf(lines, name, at);
    if (use < 0 || op === "==") return null;
    const changed = withDice(lines.with(at, `${before}dice() ${op} ${number}${after}`));
    return { lines: changed, at: use + 1, ...aboutIndex(name, lines[use]) };
  }),

  "check that comes too late": perLine(CHECK, (lines, at, [line, , name]) => {
    const use = useOf(lines, name, at);
    if (use !== at + 1 || line.trimEnd().endsWith("{")) return null;
    return { lines: lines.with(at, lines[use]).with(use, line), at: at + 1, ...aboutIndex(name, lines[use]) };
  }),

  "one before the first": perLine(/^(.*<usize>)(\w+)(\).*|, .*)$/, (lines, at, [, before, name, after]) => {
    if (!before.endsWith("+ <usize>")) return null;
    return { lines: lines.with(at, `${before}(${name} - 1)${after}`), at: at + 1, ...aboutIndex(name, lines[at]) };
  }),

  "wider than what was checked": perLine(
    /^(.*(?:load|store)<)u(8|16|32)(>\(.*<usize>(\w+).*)$/,
    (lines, at, [, before, , after, name]) => ({
      lines: lines.with(at, `${before}u64${after.replace(/, (\w+)\);$/, ", <u64>$1);")}`),
      at: at + 1,
      ...aboutIndex(name, lines[at]),
    }),
  ),

  "size that does not fit": perLine(/^(.*changetype<usize>\(\w+\), )32(\).*)$/, (lines, at, [, before, after]) => ({
    lines: lines.with(at, `${before}48${after}`),
    at: at + 1,
    codes: SIZES,
    remedy: /48 bytes/,
  })),

  "wrong map": perLine(/^(.*redirect_map\(changetype<usize>\()\w+(\).*)$/, (lines, at, [, before, after]) => ({
    lines: lines.with(at, `${before}plain${after}`),
    at: at + 1,
    codes: ["R331"],
    remedy: /map's own methods/,
  })),

  "licence that forbids it": perLine(/printk\(|cgroupOf\(|taskOf\(/, (lines, at) => {
    const start = lines.slice(0, at).findLastIndex((line) => line.startsWith("export const"));
    if (lines.slice(start, at).some((line) => /printk\(|cgroupOf\(|taskOf\(/.test(line))) return null;
    const imports = lines.findIndex((line) => line.startsWith("import {"));
    const plain = lines.map((line) => (line.startsWith("license(") ? "" : line));
    const changed = plain.with(imports, plain[imports].replace("import {", "import { license as licence,"));
    // the licence is the whole file's: each use is wrong
    const uses = lines.flatMap((line, i) => (/printk\(|cgroupOf\(|taskOf\(/.test(line) ? [i + 1] : []));
    return { lines: [...changed, 'licence("Proprietary");'], at: uses, codes: ["R303", "R403"], remedy: /license\(/ };
  }),

  "loop that does not count": perLine(LOOP, (lines, at, [line, , name]) => ({
    lines: lines.with(at, line.replace(`; ${name}++)`, "; )")),
    at: at + 1,
    codes: ["R015", "R016"],
    remedy: /count in the loop|bound/,
  })),

  "loop whose end is not known": perLine(LOOP, (lines, at) => ({
    lines: withDice(lines.with(at, lines[at].replace(/ < \d+;/, " < dice();"))),
    at: at + 1,
    codes: ["R015", "R016"],
    remedy: /count in the loop|bound/,
  })),

  "loop that is too long": perLine(LOOP, (lines, at) => ({
    lines: lines.with(at, lines[at].replace(/ < \d+;/, " < 3000000;")),
    at: at + 1,
    codes: ["R015", "R016"],
    remedy: /count in the loop|bound/,
  })),

  "waiting for luck": perLine(/^(\s*while \()\w+ < \d+(\) \{)$/, (lines, at, [, before, after]) => ({
    lines: withDice(lines.with(at, `${before}dice() != 8${after}`)),
    at: at + 1,
    codes: ["R015", "R016"],
    remedy: /count in the loop|bound/,
  })),

  "packet written where it is read-only": perLine(
    /^\s*const (\w+) = skb\.at<(Ipv4|Ipv6|Udp|Tcp)>\(/,
    (lines, at, [, name, type]) => {
      const field = { Ipv4: "ttl", Ipv6: "hopLimit", Udp: "dport", Tcp: "dport" }[type];
      const hook = lines.slice(0, at).findLast((line) => line.startsWith("export const")) ?? "";
      if (!hook.includes("cgroupSkb")) return null;
      return {
        lines: inserted(lines, at + 2, `  ${name}.${field} = 3;`),
        at: at + 3,
        codes: ["R202", "R240"],
        remedy: /may write|storeBytes/,
      };
    },
  ),
};
