/**
 * Keys and values of the maps as bytes: the other half of `programs/mesh/tables.ts`, struct by struct, in its words.
 *
 * Written out, not through the loader's codecs, because a policy change is thousands of entries in a few milliseconds.
 * `test/mesh/datapath/layouts.test.ts` compares each with the codec of the compiled object's types.
 */

/** How one struct lies in memory. `put` writes all `size` bytes at `at`, which were zero. */
export interface Layout<T> {
  readonly size: number;
  put(view: DataView, at: number, value: T): void;
}

/** The bytes of many values, one behind the other. */
export function encodeAll<T>(layout: Layout<T>, values: readonly T[]): Uint8Array {
  const bytes = new Uint8Array(layout.size * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) layout.put(view, i * layout.size, value);
  return bytes;
}

/** The bytes of one value. */
export function encodeOne<T>(layout: Layout<T>, value: T): Uint8Array {
  return encodeAll(layout, [value]);
}

/** A key that is one u32: an index, a device, the number of a rule. */
export const U32: Layout<number> = { size: 4, put: (view, at, value) => view.setUint32(at, value, true) };

/** A key that is one u64: the cookie of a network namespace. */
export const U64: Layout<bigint> = { size: 8, put: (view, at, value) => view.setBigUint64(at, value, true) };

/** 16 bytes in network order, as `mapAddress` gives them. */
export const ADDRESS: Layout<Uint8Array> = {
  size: 16,
  put: (view, at, bytes) => new Uint8Array(view.buffer, at, 16).set(bytes),
};

export const PREFIX: Layout<{ readonly bits: number; readonly bytes: Uint8Array }> = {
  size: 20,
  put(view, at, { bits, bytes }) {
    view.setUint32(at, bits, true);
    new Uint8Array(view.buffer, at + 4, 16).set(bytes);
  },
};

export interface HostRow {
  readonly identity: number;
  /** Endpoint.id, or 0. */
  readonly endpoint: number;
  readonly local: boolean;
}

/** HostFlag.Local. */
const LOCAL = 1;

export const HOST: Layout<HostRow> = {
  size: 16,
  put(view, at, { identity, endpoint, local }) {
    view.setUint32(at, identity, true);
    view.setUint32(at + 4, endpoint, true);
    view.setUint32(at + 8, local ? LOCAL : 0, true);
  },
};

export function readHost(bytes: Uint8Array): HostRow {
  const view = viewOf(bytes);
  const [identity, endpoint, flags] = [0, 4, 8].map((at) => view.getUint32(at, true));
  return { identity: identity ?? 0, endpoint: endpoint ?? 0, local: ((flags ?? 0) & LOCAL) !== 0 };
}

/** EndpointFlag of the programs. */
export const EndpointFlag = { lockedDown: 1, waypointUp: 2, noShortcut: 4 } as const;

export interface EndpointRow {
  /** 16 bytes; null: it has none of the family. */
  readonly ipv4: Uint8Array | null;
  readonly ipv6: Uint8Array | null;
  readonly id: number;
  readonly identity: number;
  readonly generation: number;
  /** Bits of `EndpointFlag`. */
  readonly flags: number;
  /** Number in `judgements`; 0: none. */
  readonly policy: number;
}

export const ENDPOINT: Layout<EndpointRow> = {
  size: 56,
  put(view, at, row) {
    if (row.ipv4 !== null) ADDRESS.put(view, at, row.ipv4);
    if (row.ipv6 !== null) ADDRESS.put(view, at + 16, row.ipv6);
    view.setUint32(at + 32, row.id, true);
    view.setUint32(at + 36, row.identity, true);
    view.setUint32(at + 40, row.generation, true);
    view.setUint32(at + 44, row.flags, true);
    view.setUint32(at + 48, row.policy, true);
  },
};

/** What the agent needs of an entry that an earlier one wrote. */
export function readEndpoint(bytes: Uint8Array): Pick<EndpointRow, "id" | "generation" | "flags" | "policy"> {
  const view = viewOf(bytes);
  const [id, generation, flags, policy] = [32, 40, 44, 48].map((at) => view.getUint32(at, true));
  return { id: id ?? 0, generation: generation ?? 0, flags: flags ?? 0, policy: policy ?? 0 };
}

/** Of `judgements`. `direction`: 0 ingress, 1 egress. Identity 0: any that is not listed. */
export interface JudgementKeyRow {
  readonly policy: number;
  readonly identity: number;
  readonly direction: number;
}

export const JUDGEMENT_KEY: Layout<JudgementKeyRow> = {
  size: 12,
  put(view, at, { policy, identity, direction }) {
    view.setUint32(at, policy, true);
    view.setUint32(at + 4, identity, true);
    view.setUint32(at + 8, direction, true);
  },
};

/** Action and JudgementFlag of the programs. */
export const ACTIONS = { deny: 0, allow: 1, redirect: 2 } as const;
export const JudgementFlag = { exact: 1, ranges: 2, anyPort: 4 } as const;

export interface JudgementRow {
  /** Number of a port table; 0: none. */
  readonly ports: number;
  readonly rule: number;
  readonly action: keyof typeof ACTIONS;
  /** Bits of `JudgementFlag`. */
  readonly flags: number;
  readonly l7: number;
}

export const JUDGEMENT: Layout<JudgementRow> = {
  size: 16,
  put(view, at, { ports, rule, action, flags, l7 }) {
    view.setUint32(at, ports, true);
    view.setUint32(at + 4, rule, true);
    view.setUint8(at + 8, ACTIONS[action]);
    view.setUint8(at + 9, flags);
    view.setUint16(at + 10, l7, true);
  },
};

/** Of `verdicts`; port 0: any port of the protocol. */
export interface PortKeyRow {
  readonly ports: number;
  readonly protocol: number;
  readonly port: number;
}

export const PORT_KEY: Layout<PortKeyRow> = {
  size: 8,
  put(view, at, { ports, protocol, port }) {
    view.setUint32(at, ports, true);
    view.setUint16(at + 4, port, true);
    view.setUint8(at + 6, protocol);
  },
};

/** Of `portRanges`; `bits` of the port, 0 to 16. */
export interface PortPrefixRow extends PortKeyRow {
  readonly bits: number;
}

/** Bits of the table's number and the protocol, which every range has in full. */
const BEFORE_PORT = 40;

export const PORT_PREFIX: Layout<PortPrefixRow> = {
  size: 12,
  put(view, at, { ports, protocol, port, bits }) {
    view.setUint32(at, BEFORE_PORT + bits, true);
    view.setUint32(at + 4, ports, false);
    view.setUint8(at + 8, protocol);
    view.setUint16(at + 9, port, false);
  },
};

export interface VerdictRow {
  readonly rule: number;
  readonly action: keyof typeof ACTIONS;
  readonly l7: number;
}

export const VERDICT: Layout<VerdictRow> = {
  size: 8,
  put(view, at, { rule, action, l7 }) {
    view.setUint32(at, rule, true);
    view.setUint8(at + 4, ACTIONS[action]);
    view.setUint16(at + 6, l7, true);
  },
};

/** SettingsFlag of the programs. */
export const SettingsFlag = { flowEvents: 1, audit: 2, shortcut: 4 } as const;

export interface SettingsRow {
  readonly identities: number;
  /** Bits of `SettingsFlag`. */
  readonly flags: number;
  readonly waypointPort: number;
}

export const SETTINGS: Layout<SettingsRow> = {
  size: 16,
  put(view, at, { identities, flags, waypointPort }) {
    view.setUint32(at, identities, true);
    view.setUint32(at + 4, flags, true);
    view.setUint32(at + 8, waypointPort, true);
  },
};

export function readSettings(bytes: Uint8Array): SettingsRow {
  const view = viewOf(bytes);
  const [identities, flags, waypointPort] = [0, 4, 8].map((at) => view.getUint32(at, true));
  return { identities: identities ?? 0, flags: flags ?? 0, waypointPort: waypointPort ?? 0 };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where a u32 lies in a key or a value. */
export interface U32At {
  readonly at: number;
  readonly bigEndian: boolean;
}

export function readU32(bytes: Uint8Array, { at, bigEndian }: U32At): number {
  return viewOf(bytes).getUint32(at, !bigEndian);
}

/** What is read back of entries: where the number lies that says whose they are. */
export const OWNERS = {
  /** The policy. */
  judgements: { at: 0, bigEndian: false },
  /** The port table. */
  verdicts: { at: 0, bigEndian: false },
  portRanges: { at: 4, bigEndian: true },
  /** In the value: the endpoint. */
  flow: { at: 64, bigEndian: false },
} as const satisfies Record<string, U32At>;
