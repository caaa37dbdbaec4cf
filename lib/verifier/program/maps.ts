/**
 * Maps as the walk knows them: the request's, with the special fields of their values found.
 */
import type { RequestMap } from "../request.ts";
import type { Record as FieldRecord } from "../types/record.ts";

export interface VerifierMap {
  /** Index into `LoadRequest.maps`; -1 for the template of an inner map. */
  readonly index: number;
  readonly map: RequestMap;
  /** Special fields of the value: locks, timers, kptrs, lists, trees ... */
  readonly record: FieldRecord;
  /** The template of the maps in a map of maps. */
  readonly inner: VerifierMap | null;
}
