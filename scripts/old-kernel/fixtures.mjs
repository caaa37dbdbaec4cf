// Programs that tell profiles apart, as a file: random ones whose verdict on an older kernel is not what the newest profile says, with
// what that kernel said. A test holds the profiles against them without a machine.
import { Buffer } from "node:buffer";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { profileOf } from "../../dist/lib/verifier/profiles/index.js";
import { ask } from "../ask-verifier.mjs";
import { fromFixture, toFixture } from "../fuzz-verifier/fixture.mjs";
import { LOADERS } from "../fuzz-verifier/privileges.mjs";

const NEWEST = profileOf("6.18");
/** So many programs of each message of a kernel, without its numbers. */
const OF_EACH = 6;
/** Kernel functions have other ids on each kernel. */
const KERNEL_CALL = { code: 0x85, src: 2 };

/** Chooses programs of one kernel; `profile` is that which was compared. */
export class FixtureChoice {
  #chosen = new Map();

  constructor(profile, release) {
    this.profile = profile;
    this.release = release;
  }

  /** Takes the program where it tells something; `theirs` and `ours` are what the kernel and the profile said. */
  offer(id, request, theirs, ours) {
    if (ours.verdict !== theirs.verdict || callsKernel(request.code)) return;
    const key = `${theirs.verdict} ${(theirs.message ?? ours.reason ?? "").replaceAll(/-?(0x[\da-f]+|\d+)/g, "N")}`;
    const known = this.#chosen.get(key) ?? [];
    if (known.length === OF_EACH || ask(request, { kernel: NEWEST }).verdict === theirs.verdict) return;
    const { privileges } = LOADERS.root;
    const fixture = toFixture(request, { found: null, privileges, kernel: theirs, ours });
    if (ask(fromFixture(fixture, null), { kernel: this.profile }).verdict !== theirs.verdict) return;
    known.push({
      id,
      profile: this.profile.name,
      release: this.release,
      kernel: fixture.kernel,
      request: fixture.request,
    });
    this.#chosen.set(key, known);
  }

  /** Into `file`, packed JSON lines; what other profiles have there stays. */
  write(file) {
    const others = readFixtures(file).filter(({ profile }) => profile !== this.profile.name);
    const all = [...others, ...[...this.#chosen.values()].flat()];
    const lines = all.map((fixture) => `${JSON.stringify(fixture)}\n`).join("");
    writeFileSync(file, gzipSync(Buffer.from(lines), { level: 9 }));
    return all.length - others.length;
  }
}

function readFixtures(file) {
  if (!existsSync(file)) return [];
  const lines = gunzipSync(readFileSync(file)).toString().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

function callsKernel(code) {
  for (let at = 0; at < code.length; at += 8) {
    if (code[at] === KERNEL_CALL.code && code[at + 1] >> 4 === KERNEL_CALL.src) return true;
  }
  return false;
}
