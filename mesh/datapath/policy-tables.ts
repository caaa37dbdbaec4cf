/**
 * Policies and port tables of the engine as entries of `judgements`, `verdicts` and `portRanges`.
 *
 * What does not fit is not written in part: `acquire` says null, and the endpoint is locked down. Every policy denies
 * `Identity.Unfit`, the addresses that the maps have no room for.
 */
import type { DirectionPolicy, EndpointPolicy, Judgement, PortEntry, PortTable } from "../policy/types.ts";
import {
  JUDGEMENT,
  JUDGEMENT_KEY,
  JudgementFlag,
  OWNERS,
  PORT_KEY,
  PORT_PREFIX,
  VERDICT,
  encodeAll,
} from "./layouts.ts";
import type { JudgementKeyRow, JudgementRow, PortPrefixRow } from "./layouts.ts";
import type { Gauge, RawMap } from "./maps.ts";
import { NumberedSets } from "./numbered.ts";
import type { Block } from "./numbered.ts";

/** Identity.Unfit of the programs. */
export const UNFIT_IDENTITY = 0xffffffff;
/** The key for identities that are not listed. */
const ANY_IDENTITY = 0;
const DIRECTIONS = { ingress: 0, egress: 1 } as const;
/** Whole length of a port; an entry of it is one port. */
const PORT_BITS = 16;

export interface PolicyMaps {
  readonly judgements: RawMap;
  readonly verdicts: RawMap;
  readonly portRanges: RawMap;
}

export class PolicyTables {
  private readonly policies: NumberedSets<EndpointPolicy>;
  private readonly ports: NumberedSets<PortTable>;

  /** Reads what an earlier agent left in the maps. */
  constructor({ judgements, verdicts, portRanges }: PolicyMaps) {
    this.ports = new NumberedSets<PortTable>({
      maps: [
        { map: verdicts, owner: OWNERS.verdicts },
        { map: portRanges, owner: OWNERS.portRanges },
      ],
      identify: (table) => table.number,
      encode: (table, number) => encodePorts({ verdicts, portRanges }, table, number),
    });
    this.policies = new NumberedSets<EndpointPolicy>({
      maps: [{ map: judgements, owner: OWNERS.judgements }],
      identify: (policy) => policy,
      encode: (policy, number) => [
        encodePolicy(judgements, policy, number, (table) => this.ports.numberOf(table) ?? 0),
      ],
    });
  }

  /** The number for `Endpoint.policy`, in the maps with all that it names. Null: it does not fit. Each call wants one `release`. */
  acquire(policy: EndpointPolicy): number | null {
    const tables = portTablesOf(policy);
    const held = tables.filter((table) => this.ports.acquire(table) !== null);
    const number = held.length === tables.length ? this.policies.acquire(policy) : null;
    if (number === null) for (const table of held) this.ports.release(table);
    return number;
  }

  /** No endpoint may name it any more by this call. */
  release(policy: EndpointPolicy): void {
    if (this.policies.numberOf(policy) === undefined) return;
    this.policies.release(policy);
    for (const table of portTablesOf(policy)) this.ports.release(table);
  }

  /** Deletes what an earlier agent left and nobody has asked for since. */
  forgetFound(): void {
    this.policies.forgetFound();
    this.ports.forgetFound();
  }

  gauges(): readonly Gauge[] {
    return [...this.policies.gauges(), ...this.ports.gauges()];
  }
}

/** The tables that a policy names, each once. */
function portTablesOf(policy: EndpointPolicy): readonly PortTable[] {
  const tables = new Map<number, PortTable>();
  for (const { otherwise, identities } of [policy.ingress, policy.egress]) {
    if (otherwise.ports !== null) tables.set(otherwise.ports.number, otherwise.ports);
    for (const { ports } of identities.values()) if (ports !== null) tables.set(ports.number, ports);
  }
  return [...tables.values()];
}

type NumberOf = (table: PortTable) => number;

function encodePolicy(map: RawMap, policy: EndpointPolicy, number: number, numberOf: NumberOf): Block {
  const keys: JudgementKeyRow[] = [];
  const values: JudgementRow[] = [];
  const add = (direction: number, identity: number, value: JudgementRow): void => {
    keys.push({ policy: number, identity, direction });
    values.push(value);
  };
  for (const [direction, { otherwise, identities }] of directionsOf(policy)) {
    add(direction, ANY_IDENTITY, rowOf(otherwise, numberOf));
    add(direction, UNFIT_IDENTITY, DENIED);
    for (const [identity, judgement] of identities) add(direction, identity, rowOf(judgement, numberOf));
  }
  return { map, keys: encodeAll(JUDGEMENT_KEY, keys), values: encodeAll(JUDGEMENT, values) };
}

function directionsOf({ ingress, egress }: EndpointPolicy): readonly (readonly [number, DirectionPolicy])[] {
  return [
    [DIRECTIONS.ingress, ingress],
    [DIRECTIONS.egress, egress],
  ];
}

const DENIED: JudgementRow = { ports: 0, rule: 0, action: "deny", flags: 0, l7: 0 };

function rowOf({ verdict, ports }: Judgement, numberOf: NumberOf): JudgementRow {
  return ports === null
    ? { ports: 0, flags: 0, ...verdict }
    : { ports: numberOf(ports), flags: flagsOf(ports), ...verdict };
}

/** Which lookups a table needs. */
function flagsOf({ entries }: PortTable): number {
  return entries.reduce((flags, entry) => flags | FLAGS[lookupOf(entry)], 0);
}

const FLAGS = { exact: JudgementFlag.exact, any: JudgementFlag.anyPort, range: JudgementFlag.ranges } as const;

/** In which map, and how, the programs look for an entry. Port 0 itself is a range of one: its key means any port. */
function lookupOf({ bits, port }: PortEntry): "exact" | "any" | "range" {
  if (bits === 0) return "any";
  return bits === PORT_BITS && port !== 0 ? "exact" : "range";
}

function encodePorts(
  { verdicts, portRanges }: Pick<PolicyMaps, "verdicts" | "portRanges">,
  { entries }: PortTable,
  number: number,
): readonly Block[] {
  const ranges = entries.filter((entry) => lookupOf(entry) === "range");
  const singles = entries.filter((entry) => lookupOf(entry) !== "range");
  const valuesOf = (some: readonly PortEntry[]): Uint8Array =>
    encodeAll(
      VERDICT,
      some.map((entry) => entry.verdict),
    );
  return [
    {
      map: verdicts,
      keys: encodeAll(
        PORT_KEY,
        singles.map((e) => keyOf(e, number)),
      ),
      values: valuesOf(singles),
    },
    {
      map: portRanges,
      keys: encodeAll(
        PORT_PREFIX,
        ranges.map((e) => keyOf(e, number)),
      ),
      values: valuesOf(ranges),
    },
  ];
}

function keyOf({ protocol, port, bits }: PortEntry, ports: number): PortPrefixRow {
  return { ports, protocol, port: bits === 0 ? 0 : port, bits };
}
