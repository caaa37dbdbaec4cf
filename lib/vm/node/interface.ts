/**
 * Network interfaces: `lo`, ends of veth pairs, and physical ones, whose wire is the test: what they send is captured,
 * what they receive the test injects.
 */
import type { Attachment } from "./attach.ts";
import { AttachmentList } from "./attach.ts";
import { familyOf, parsePrefix } from "./endpoint.ts";
import type { Prefix } from "./endpoint.ts";
import type { Namespace } from "./namespace.ts";

export type InterfaceKind = "lo" | "veth" | "physical";

/** A frame seen on an interface; of the shape that `writePcap` takes. */
export interface CapturedFrame {
  readonly nanoseconds: bigint;
  readonly originalLength: number;
  readonly bytes: Uint8Array;
  readonly direction: "in" | "out";
}

/** MTU by kind: as Linux sets it. */
const MTU = { lo: 65_536, veth: 1500, physical: 1500 } as const satisfies Record<InterfaceKind, number>;

export class Interface {
  /** Where it is: interfaces do not move. */
  readonly namespace: Namespace;
  readonly name: string;
  readonly kind: InterfaceKind;
  readonly ifindex: number;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** Packets to and through it are lost while it is down. */
  up = true;
  /** The other end of a veth pair. */
  peer: Interface | null = null;
  readonly addresses: Prefix[] = [];
  /** All frames, in the order in which they passed. */
  readonly captured: CapturedFrame[] = [];
  /** The XDP program. */
  xdp: Attachment | null = null;
  // bpf_mprog_attach: EEXIST for a program that is there, ERANGE beyond 64.
  readonly tcx = {
    ingress: new AttachmentList({ twice: "EEXIST", full: "ERANGE" }),
    egress: new AttachmentList({ twice: "EEXIST", full: "ERANGE" }),
  };
  /** Frames go out that the test takes from here; only physical interfaces have a wire of their own. */
  readonly wire: Uint8Array[] = [];

  /** Made by `Namespace`. */
  constructor(namespace: Namespace, name: string, kind: InterfaceKind, ifindex: number, mac: Uint8Array, mtu?: number) {
    this.namespace = namespace;
    this.name = name;
    this.kind = kind;
    this.ifindex = ifindex;
    this.mac = mac;
    this.mtu = mtu ?? MTU[kind];
  }

  /** Gives it an address, with the length of the network that is on the link: `10.0.0.1/24`. Throws V011. */
  addAddress(text: string): this {
    this.addresses.push(parsePrefix(text));
    return this;
  }

  /** Its first address of the family, or null. */
  address(family: "inet" | "inet6"): string | null {
    return this.addresses.find(({ address }) => familyOf(address) === family)?.address ?? null;
  }

  hasAddress(address: string): boolean {
    return this.addresses.some((own) => own.address === address);
  }

  /** Can frames pass: it is up, and so is the other end. */
  get running(): boolean {
    return this.up && (this.peer === null || this.peer.up);
  }
}
