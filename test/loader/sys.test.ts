/** The floor under the loader: attribute layouts, the shim's manners, the build of the shim. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { cgroupRootIn } from "../../loader/link/cgroup.ts";
import { countCpus } from "../../loader/map.ts";
import { buildAttr, COMMANDS, encodeName, readField } from "../../loader/sys/attr.ts";
import { describeErrno } from "../../loader/sys/errno.ts";
import { canLoad } from "../../loader/index.ts";
import { missingShim } from "../../loader/sys/shim.ts";

const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-sys-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("attributes", () => {
  test("values go where the table says, addresses apart", () => {
    const key = Uint8Array.of(1);
    const attr = buildAttr("map_update_elem", { map_fd: 7, key, flags: 2n });
    expect([attr.cmd, attr.bytes.length, attr.pointers]).toEqual([2, 32, [8, key]]);
    expect([readField("map_update_elem", attr, "map_fd"), attr.view.getBigUint64(24, true)]).toEqual([7, 2n]);
    expect(() => buildAttr("map_freeze", { map_fd: "x" })).toThrow(TypeError);
  });

  test("no two fields of a command overlap, and all lie inside", () => {
    const sizes: Record<string, number> = { u32: 4, u64: 8, ptr: 8, name: 16 };
    const bad = Object.entries(COMMANDS).flatMap(([name, { size, fields }]) => {
      const rows: readonly (readonly [number, string])[] = Object.values(fields);
      const spans = rows.map(([at, kind]) => ({ at, end: at + (sizes[kind] ?? 0) })).toSorted((a, b) => a.at - b.at);
      return spans
        .filter(({ at, end }, i) => at < (spans[i - 1]?.end ?? 0) || end > size)
        .map(({ at }) => `${name} at ${at}`);
    });
    expect(bad).toEqual([]);
  });

  test("names are cut and cleaned as the kernel wants them", () => {
    expect(new TextDecoder().decode(encodeName("a-very long name!"))).toBe("a_very_long_nam");
  });

  // Offsets as a C compiler sees them. The members' places in the union are spelled here once, for C.
  const MEMBERS: Record<string, string> = {
    btf_load: "",
    map_create: "",
    map_freeze: "",
    prog_test_run: "test.",
    obj_get_info_by_fd: "info.",
    link_create: "link_create.",
    link_update: "link_update.",
    link_detach: "link_detach.",
    map_lookup_batch: "batch.",
    map_update_batch: "batch.",
    map_delete_batch: "batch.",
    prog_query: "query.",
  };
  const SPELLINGS: Record<string, string> = { target: "target_fd" };
  const oracle = ["cc", "gcc", "clang"].find(
    (cc) => spawnSync(cc, ["--version"]).status === 0 && existsSync("/usr/include/linux/bpf.h"),
  );
  if (oracle === undefined)
    process.stderr.write(
      "skipped: attribute offsets against linux/bpf.h: no C compiler or no kernel headers (linux-libc-dev)\n",
    );
  test.skipIf(oracle === undefined)("offsets are those of linux/bpf.h", () => {
    const rows = Object.entries(COMMANDS).flatMap(([command, { fields }]) =>
      Object.entries<readonly [number, string]>(fields)
        .filter(([field]) => !field.endsWith("log_true_size")) // newer than many installed headers
        .map(([field, [offset]]) => ({
          name: `${command}.${field}`,
          member: `${MEMBERS[command] ?? ""}${SPELLINGS[field] ?? field}`,
          offset,
        })),
    );
    const checks = rows.map(
      ({ name, member, offset }) =>
        `_Static_assert(__builtin_offsetof(union bpf_attr, ${member}) == ${offset}, "${name}");`,
    );
    const file = join(folder, "offsets.c");
    writeFileSync(file, `#include <linux/bpf.h>\n${checks.join("\n")}\n`);
    expect(execFileSync(oracle ?? "", ["-fsyntax-only", file], { encoding: "utf8" })).toBe("");
  });

  test("errors are named, with what to look at", () => {
    expect(describeErrno(1)).toMatchObject({ name: "EPERM", remedy: expect.stringContaining("CAP_BPF") as string });
    expect(describeErrno(524).name).toBe("ENOTSUPP");
    expect(describeErrno(9999)).toEqual({ name: "errno 9999", text: "unknown error" });
  });
});

describe("texts of the system", () => {
  test.each([
    ["0\n", 1],
    ["0-3", 4],
    ["0-1,4,6-7\n", 5],
  ])("CPU list %j has %i", (list, count) => expect(countCpus(list)).toBe(count));

  test("the cgroup2 mount is found among others", () => {
    const mountinfo = [
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755",
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu",
      "41 31 0:38 / /sys/fs/uni\\040fied rw,relatime shared:9 - cgroup2 cgroup2 rw",
    ];
    expect(cgroupRootIn(mountinfo.join("\n"))).toBe("/sys/fs/uni fied");
    expect(cgroupRootIn(mountinfo.slice(0, 2).join("\n"))).toBeNull();
  });
});

const noShim = missingShim();
if (noShim !== null) process.stderr.write(`skipped: the native shim: ${noShim}\n`);
describe.skipIf(noShim !== null)("shim", () => {
  type Functions = Record<string, (...args: unknown[]) => unknown>;
  const shim = (): Functions => createRequire(import.meta.url)("../../build/shim.node") as Functions;
  const eight = new Uint8Array(8);

  // Wrong arguments are TypeErrors; nothing is written, nothing crashes.
  test.each<[string, unknown[]]>([
    ["bpf", []],
    ["bpf", [0]],
    ["bpf", [0, {}]],
    ["bpf", [0, new Uint8Array(0)]],
    ["bpf", [0, new Uint8Array(257)]],
    ["bpf", [-1, eight]],
    ["bpf", [1.5, eight]],
    ["bpf", [Number.NaN, eight]],
    ["bpf", ["0", eight]],
    ["bpf", [0, new Uint16Array(8)]],
    ["bpf", [0, eight, 0]],
    ["bpf", [0, eight, 1, eight]],
    ["bpf", [0, eight, -8, eight]],
    ["bpf", [0, new Uint8Array(4), 0, eight]],
    ["bpf", [0, eight, 0, "text"]],
    ["bpf", [0, eight, ...Array.from({ length: 9 }, () => [0, eight]).flat()]],
    ["mmap", [-1, 1, 0, true]],
    ["mmap", [0, 0, 0, true]],
    ["mmap", [0, 2 ** 40, 0, true]],
    ["mmap", [0, 4096, 0, 1]],
    ["unmap", [{}]],
    ["unmap", []],
    ["setns", ["x", 0]],
    ["setns", [0]],
    ["ifNameToIndex", [7]],
    ["startWaiting", ["x"]],
    ["watch", [0, 0]],
    ["watch", [0, -1]],
    ["keepAlive", [1]],
    ["unwatch", []],
  ])("%s(%o) is refused", (name, args) => {
    const before = eight.slice();
    expect(() => shim()[name]?.(...args)).toThrow(TypeError);
    expect(eight).toEqual(before);
  });

  test("errors are negated numbers", () => {
    expect(shim()["ifNameToIndex"]?.("no-such-if0")).toBe(-19);
    expect(shim()["mmap"]?.(2 ** 31 - 1, 4096, 0, false)).toBe(-9);
    expect(shim()["setns"]?.(2 ** 31 - 1, 0)).toBe(-9);
    expect(shim()["bpf"]?.(4000, new Uint8Array(8))).toBeLessThan(0);
  });

  test("without privilege, the reason says so", () => {
    const privileged = canLoad().ok && process.geteuid?.() === 0;
    if (privileged) process.seteuid?.(65534);
    try {
      expect(canLoad()).toEqual({ ok: false, reason: expect.stringMatching(/EPERM.*CAP_BPF/) as string });
    } finally {
      if (privileged) process.seteuid?.(0);
    }
  });
});

describe.skipIf(process.platform !== "linux")("build of the shim", () => {
  // A copy of the package with nothing but what the build needs.
  const root = join(folder, "package");
  const repository = resolve(import.meta.dirname, "../..");
  for (const file of ["scripts/build-shim.mjs", "loader/sys/shim.c", "package.json"])
    cpSync(join(repository, file), join(root, file));
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  const build = (CC?: string) =>
    spawnSync(process.execPath, [join(root, "scripts/build-shim.mjs")], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], ...(CC === undefined ? {} : { CC }) },
    });

  test("without a compiler it ends well and says what is lost and what to install", () => {
    const run = build("/no/such/cc");
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(
      /cannot be loaded into the kernel[^]*compile, disassemble, interpret[^]*no\/such\/cc[^]*apt-get install gcc libc6-dev/,
    );
    expect(existsSync(join(root, "build"))).toBe(false);
  });

  test("a compiler that fails leaves nothing behind and shows its words", () => {
    const broken = join(folder, "broken-cc");
    writeFileSync(broken, '#!/bin/sh\n[ "$1" = --version ] || { echo "stdlib.h: no such file" >&2; exit 1; }\n', {
      mode: 0o755,
    });
    const run = build(broken);
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(
      /cannot be loaded into the kernel[^]*could not compile[^]*stdlib\.h: no such file[^]*libc6-dev/,
    );
    expect(readdirSync(join(root, "build"))).toEqual([]);
  });

  const compiler = ["cc", "gcc", "clang"].find((cc) => spawnSync(cc, ["--version"]).status === 0);
  if (compiler === undefined) process.stderr.write("skipped: building the shim: no C compiler\n");
  test.skipIf(compiler === undefined)("built once, and again only when its source changes", () => {
    const target = join(root, "build/shim.node");
    expect(build().stderr).toBe("");
    const first = statSync(target).mtimeMs;
    build("/no/such/cc");
    expect(statSync(target).mtimeMs).toBe(first);
    expect(readdirSync(join(root, "build"))).toEqual(["shim.node"]);
    writeFileSync(join(root, "loader/sys/shim.c"), "#error broken\n");
    expect(build().stderr).toMatch(/could not compile[^]*#error broken/);
    expect(statSync(target).mtimeMs).toBe(first);
  });
});
