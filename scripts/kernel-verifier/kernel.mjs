// The running kernel's verifier, asked as `verify` is: a LoadRequest in, a verdict with the kernel's words and counts out. Loaded
// programs are closed at once; maps and types of a request stay, and serve other requests that have the same ones.
import { closeSync } from "node:fs";
import { encodeObjectInfo } from "../../dist/lib/object/program-info.js";
import { ATTACH_TYPES, MAP_TYPES, PROGRAM_TYPES } from "../../dist/lib/kernel/index.js";
import { buildAttr, encodeText } from "../../dist/loader/sys/attr.js";
import { mustBpf, runPatiently } from "../../dist/loader/sys/calls.js";
import { describeErrno } from "../../dist/loader/sys/errno.js";
import { shim } from "../../dist/loader/sys/shim.js";
import { textOf } from "../../dist/loader/program.js";
import { forKernel } from "../../dist/loader/types.js";

const SLOT_SIZE = 8;
const IMMEDIATE = 4;
/** Log level 4: the error and the statistics, without the walk. */
const STATISTICS = 4;
const LOG_SIZE = 1 << 16;
const FUNC_INFO_RECORD = 8;
const LINE_INFO_RECORD = 16;

/** Lines of the log that count; the last other one is the kernel's reason. */
const STATISTICS_LINE = /^(verification time|stack depth|processed \d+ insns)/;

export class KernelVerifier {
  #log = new Uint8Array(LOG_SIZE);
  /** Descriptors by what they were made of: a RequestMap or a Btf. */
  #maps = new Map();
  #types = new Map();
  #mappings = [];

  /**
   * {verdict, errno, message, log, processed, totalStates, peakStates, stackDepth, microseconds}. Throws when a map or type is
   * refused. `level`: what is in the log beside the error and statistics; 1 the walk, 2 its states, too.
   */
  load(request, level = 0) {
    const { types, ofRequest } = this.#describe(request);
    try {
      return this.#ask(this.#attributes(request, types), level);
    } finally {
      if (ofRequest !== null) closeSync(ofRequest);
    }
  }

  /** Descriptors of these maps and of their types, made now: for a process that may not make them. */
  prepare(maps) {
    return [...maps.map((map) => this.#mapFd(map)), ...typesOf(maps).map((btf) => this.#typesFd(btf))];
  }

  /** What `prepare` of the same maps gave, as descriptors from `first` on. */
  adopt(maps, first) {
    maps.forEach((map, i) => this.#maps.set(map, first + i));
    typesOf(maps).forEach((btf, i) => this.#types.set(btf, first + maps.length + i));
  }

  #ask(attributes, level) {
    this.#log[0] = 0;
    const result = runPatiently(
      buildAttr("prog_load", { ...attributes, log_level: STATISTICS | level, log_size: LOG_SIZE, log_buf: this.#log }),
    );
    if (result >= 0) closeSync(result);
    const log = textOf(this.#log);
    const count = (pattern) => Number(pattern.exec(log)?.[1] ?? 0);
    const said = log.split("\n").filter((line) => line.trim() !== "" && !STATISTICS_LINE.test(line));
    return {
      verdict: result >= 0 ? "accept" : "reject",
      errno: result >= 0 ? null : describeErrno(-result).name,
      message: result >= 0 ? null : (said.at(-1) ?? null),
      log: said.join("\n"),
      processed: count(/^processed (\d+) insns/m),
      totalStates: count(/total_states (\d+)/),
      peakStates: count(/peak_states (\d+)/),
      stackDepth: (/^stack depth ([\d+]+)/m.exec(log)?.[1] ?? "").split("+").map(Number),
      microseconds: count(/^verification time (\d+) usec/m),
    };
  }

  #attributes(request, types) {
    const target = request.target ?? { type: 0, member: null };
    return {
      prog_type: PROGRAM_TYPES[request.type],
      insn_cnt: request.code.length / SLOT_SIZE,
      insns: this.#patch(request),
      license: encodeText(request.license),
      prog_flags: request.flags,
      prog_name: request.name,
      expected_attach_type: target.member ?? (request.attach === null ? 0 : ATTACH_TYPES[request.attach]),
      attach_btf_id: target.type,
      ...types,
    };
  }

  /** The code with descriptors of maps in it. */
  #patch({ code, maps, mapReferences }) {
    const bytes = code.slice();
    const view = new DataView(bytes.buffer);
    for (const [slot, { map }] of mapReferences) {
      view.setInt32(slot * SLOT_SIZE + IMMEDIATE, this.#mapFd(maps[map]), true);
    }
    return bytes;
  }

  /** Types of the program, and the descriptor of those that only this request has: strings of lines are in them. */
  #describe(request) {
    if (request.btf === null) return { types: {}, ofRequest: null };
    const { btf, functions, lines } = request;
    const described = { functions: functions.map(({ slot, type }) => ({ slot, btfId: type })), lines };
    const info = encodeObjectInfo(forKernel(btf), [described]);
    const [{ funcInfo, lineInfo }] = info.records;
    const fd = lines.length === 0 ? this.#typesFd(btf) : loadTypes(info.btf);
    const types = {
      prog_btf_fd: fd,
      func_info: funcInfo,
      func_info_rec_size: FUNC_INFO_RECORD,
      func_info_cnt: functions.length,
      line_info: lineInfo,
      line_info_rec_size: LINE_INFO_RECORD,
      line_info_cnt: lineInfo.length / LINE_INFO_RECORD,
    };
    return { types, ofRequest: lines.length === 0 ? null : fd };
  }

  #typesFd(btf) {
    if (!this.#types.has(btf)) this.#types.set(btf, loadTypes(encodeObjectInfo(forKernel(btf), []).btf));
    return this.#types.get(btf);
  }

  #mapFd(map) {
    if (!this.#maps.has(map)) this.#maps.set(map, this.#createMap(map));
    return this.#maps.get(map);
  }

  #createMap(map) {
    const { spec, btf, inner } = map;
    const fd = mustBpf(`create the map ${spec.name}`, "map_create", {
      map_type: MAP_TYPES[spec.type],
      key_size: spec.keySize,
      value_size: spec.valueSize,
      max_entries: spec.maxEntries,
      map_flags: spec.flags,
      map_extra: BigInt(spec.extra ?? 0),
      map_name: spec.name,
      ...(btf === null
        ? {}
        : { btf_fd: this.#typesFd(btf), btf_key_type_id: spec.keyType, btf_value_type_id: spec.valueType }),
      ...(inner === null ? {} : { inner_map_fd: this.#mapFd(inner) }),
    });
    if (spec.initial !== null) {
      mustBpf(`fill ${spec.name}`, "map_update_elem", { map_fd: fd, key: new Uint8Array(4), value: spec.initial });
    }
    if (spec.type === "arena") this.#mappings.push(shim().mmap(fd, spec.maxEntries * shim().pageSize, 0, true));
    if (spec.frozen) mustBpf(`freeze ${spec.name}`, "map_freeze", { map_fd: fd });
    return fd;
  }

  close() {
    for (const fd of [...this.#maps.values(), ...this.#types.values()]) closeSync(fd);
    this.#maps.clear();
    this.#types.clear();
    for (const mapping of this.#mappings) if (typeof mapping !== "number") shim().unmap(mapping);
    this.#mappings = [];
  }
}

function typesOf(maps) {
  return [...new Set(maps.flatMap(({ btf }) => (btf === null ? [] : [btf])))];
}

function loadTypes(btf) {
  return mustBpf("load types", "btf_load", { btf, btf_size: btf.length });
}
