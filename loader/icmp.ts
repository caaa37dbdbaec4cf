/** Raw ICMP sockets, which Node does not have: messages to and from one host. */
import { readSync, writeSync } from "node:fs";
import { check } from "./errors.ts";
import { Handle } from "./handle.ts";
import { closeFd } from "./sys/calls.ts";
import { withNetns } from "./sys/netns.ts";
import { shim } from "./sys/shim.ts";
import { AF_INET6, encodeSockaddr } from "./sys/sockaddr.ts";
import { forgetFd, waitReadable } from "./sys/wait.ts";

// include/uapi/linux/in.h, in6.h
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const MAX_MESSAGE = 2048;

export interface IcmpOptions {
  /** IPv4 or IPv6. */
  readonly address: string;
  /** File of the network namespace; default: this thread's own. */
  readonly netns?: string;
}

/** Needs CAP_NET_RAW. Sees every ICMP message of the other host, whoever asked for it. */
export class IcmpSocket extends Handle {
  private readonly ipv6: boolean;

  constructor(fd: number, { address }: IcmpOptions, ipv6: boolean) {
    super(fd, `ICMP socket to ${address}`);
    this.ipv6 = ipv6;
  }

  /** `message`: type, code and all that follows. Its checksum must be right for IPv4; the kernel writes that of IPv6. */
  send(message: Uint8Array): void {
    writeSync(this.fd, message);
  }

  /** The next message, without IP header; null when the signal is aborted before one comes. */
  async receive(signal: AbortSignal): Promise<Uint8Array | null> {
    while (!signal.aborted) {
      const message = this.read();
      if (message !== null) return message;
      await waitReadable(this.fd, signal);
    }
    return null;
  }

  private read(): Uint8Array | null {
    const bytes = new Uint8Array(MAX_MESSAGE);
    try {
      const packet = bytes.subarray(0, readSync(this.fd, bytes));
      // IPv4 sockets give the header too; its length is in words.
      return this.ipv6 ? packet : packet.subarray(((packet[0] ?? 0) & 15) * 4);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return null;
      throw error;
    }
  }

  override close(): void {
    if (this.closed) return;
    forgetFd(this.fd);
    super.close();
  }
}

/** Throws L002: EPERM without CAP_NET_RAW, ENETUNREACH without a route. */
export function connectIcmp(options: IcmpOptions): IcmpSocket {
  const address = encodeSockaddr({ address: options.address, port: 0 });
  const family = new DataView(address.buffer).getUint16(0, true);
  const ipv6 = family === AF_INET6;
  const protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  const fd = withNetns(options.netns, () => shim().socket(family, SOCK_RAW, protocol));
  check(fd, "make an ICMP socket");
  try {
    check(shim().connect(fd, address), `connect to ${options.address}`);
    return new IcmpSocket(fd, options, ipv6);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
