// Compiles the native shim (loader/sys/shim.c) into build/shim.node; npm runs this at install.
//
// Only loading programs into the kernel needs the shim. So whatever is missing (Linux, a C compiler, the C library's
// headers), the installation goes on, and this script says what is lost and how to get it.
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "loader", "sys", "shim.c");
const target = join(root, "build", "shim.node");

const LOST = [
  "ebpf-ts: programs cannot be loaded into the kernel from this installation.",
  "  Everything else works: compile, disassemble, interpret, unit tests on the simulator.",
];
const REMEDY = [
  "  To load programs, install a C compiler and build again:",
  "    Debian, Ubuntu:  apt-get install gcc libc6-dev",
  "    Fedora, RHEL:    dnf install gcc glibc-devel",
  "    Alpine:          apk add gcc musl-dev",
  "    then:            npm rebuild ebpf-ts   (in a checkout: node scripts/build-shim.mjs)",
];

function say(lines) {
  process.stderr.write(`${lines.join("\n")}\n`);
}

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The shim is newer than what it is made from. */
function upToDate() {
  return modified(target) > Math.max(modified(source), modified(fileURLToPath(import.meta.url)));
}

/** The first compiler that runs, or null. $CC may hold arguments too ("ccache gcc"). */
function findCompiler() {
  const candidates = process.env.CC ? [process.env.CC.trim().split(/\s+/)] : [["cc"], ["gcc"], ["clang"]];
  return candidates.find(([command, ...args]) => spawnSync(command, [...args, "--version"]).status === 0) ?? null;
}

/** Null, or what went wrong. Written beside the target and renamed, so a process that uses the old file keeps it. */
function compile([command, ...args]) {
  const include = createRequire(import.meta.url)("node-api-headers").include_dir;
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  const flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror"];
  const run = spawnSync(command, [...args, ...flags, "-I", include, "-o", temporary, source], { encoding: "utf8" });
  if (run.status === 0) {
    renameSync(temporary, target);
    return null;
  }
  rmSync(temporary, { force: true });
  return run.stderr || String(run.error ?? `${command} ended with status ${run.status}`);
}

function main() {
  if (process.platform !== "linux")
    return say([...LOST, `  The bpf(2) system call is Linux's; this is ${process.platform}.`]);
  if (upToDate()) return;
  const compiler = findCompiler();
  if (compiler === null) {
    const tried = process.env.CC ? `CC=${process.env.CC}` : "cc, gcc, clang";
    return say([...LOST, `  No C compiler was found (tried ${tried}).`, ...REMEDY]);
  }
  const problem = compile(compiler);
  if (problem !== null)
    say([...LOST, `  ${compiler.join(" ")} could not compile ${source}:`, problem.trimEnd(), ...REMEDY]);
}

main();
