/** A packet of a capture file. */

export interface CapturedPacket {
  /** Since the epoch. */
  readonly nanoseconds: bigint;
  /** Length on the wire; `bytes` may be shorter. */
  readonly originalLength: number;
  /** LINKTYPE number of what `bytes` starts with; 1 is Ethernet. */
  readonly linkType: number;
  readonly bytes: Uint8Array;
}

/** LINKTYPE_ETHERNET. */
export const ETHERNET = 1;
