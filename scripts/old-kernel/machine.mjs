// A machine of its own for a kernel: qemu, all in software, with an initramfs that holds node, this package and what there is
// to judge. Nothing of the host is reached from there; what it has to say comes over the serial line as marked lines.
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { gunzipSync } from "node:zlib";
import { makeArchive } from "./cpio.mjs";
import { MARK } from "./line.mjs";

const ROOT = join(import.meta.dirname, "../..");
const QEMU = "qemu-system-x86_64";
const MEMORY_MB = 3072;
/** Folders of this package that the guest needs, and which of their files. */
const PARTS = [
  ["dist/lib", /\.js$/],
  ["dist/loader", /\.js$/],
  ["scripts", /\.mjs$/],
  ["build", /\.node$/],
];
/** What the first process runs: file systems, no limit on locked memory (maps counted there before 5.11), then the judge. */
const INIT = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
ulimit -l unlimited; ulimit -s unlimited; ulimit -n 100000
cd /package && node scripts/old-kernel/guest.mjs /task 2>&1
`;

/** The command, where it is there. */
export function missingMachine() {
  return spawnSync(QEMU, ["--version"]).status === 0
    ? null
    : `${QEMU} is needed and not there; Debian's package qemu-system-x86 has it`;
}

/**
 * Boots `kernel` (a bzImage with a serial console, an initramfs and BTF built in) with `files` ([name, bytes]) in /task, and gives
 * each message of the guest to `heard`. Gives what else the machine said, once it ended; an error after `minutes`.
 */
export async function runMachine(kernel, files, { heard, minutes }) {
  const folder = mkdtempSync(join(tmpdir(), "old-kernel-"));
  try {
    const archive = join(folder, "initramfs");
    writeFileSync(archive, makeArchive(contents(files)));
    return await boot(kernel, archive, heard, minutes);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// prettier-ignore
function boot(kernel, archive, heard, minutes) {
  const machine = [
    "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", String(MEMORY_MB), "-nic", "none", "-nographic", "-no-reboot",
    "-kernel", kernel, "-initrd", archive, "-append", "console=ttyS0 quiet loglevel=1 panic=-1 rdinit=/init",
  ];
  const child = spawn(QEMU, machine, { stdio: ["ignore", "pipe", "inherit"] });
  const limit = setTimeout(() => child.kill(), minutes * 60_000);
  const said = [];
  let rest = "";
  child.stdout.setEncoding("latin1");
  child.stdout.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const at = line.indexOf(MARK);
      if (at < 0) said.push(line.trimEnd());
      else heard(JSON.parse(gunzipSync(Buffer.from(line.slice(at + MARK.length).trim(), "base64")).toString()));
    }
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (_, signal) => {
      clearTimeout(limit);
      if (signal === null) resolve(said);
      else reject(new Error(`the machine was stopped after ${minutes} minutes; it said: ${said.slice(-5).join("\n")}`));
    });
  });
}

// ---- the initramfs

function contents(files) {
  const entries = new Map();
  const add = (path, content) => {
    for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) {
      if (!entries.has(folder)) entries.set(folder, null);
    }
    entries.set(path, content);
  };
  for (const folder of ["proc", "sys", "dev", "tmp"]) entries.set(folder, null);
  add("init", Buffer.from(INIT));
  for (const command of ["sh", "mount", "node"]) addCommand(command, add);
  add("package/package.json", readFileSync(join(ROOT, "package.json")));
  for (const [folder, pattern] of PARTS) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true })) {
      const path = join(ROOT, folder, name);
      if (pattern.test(name) && statSync(path).isFile()) add(posix.join("package", folder, name), readFileSync(path));
    }
  }
  for (const [name, bytes] of files) add(posix.join("task", name), bytes);
  return [...entries].toSorted(([a], [b]) => depth(a) - depth(b));
}

function depth(path) {
  return path.split("/").length;
}

/** A command of the host with the libraries that its loader names. */
function addCommand(command, add) {
  const path = command === "node" ? process.execPath : findCommand(command);
  add(`bin/${command}`, readFileSync(path));
  const libraries = spawnSync("ldd", [path], { encoding: "utf8" }).stdout.match(/\/\S+/g) ?? [];
  for (const library of libraries) add(library.slice(1), readFileSync(realpathSync(library)));
}

function findCommand(command) {
  const path = ["/bin", "/usr/bin", "/sbin", dirname(process.execPath)]
    .map((folder) => join(folder, command))
    .find(existsSync);
  if (path === undefined) throw new Error(`${command} is not there`);
  return path;
}
