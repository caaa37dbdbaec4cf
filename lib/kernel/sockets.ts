/** Numbers of sockets: protocols and states. Source: include/uapi/linux/{in,tcp,bpf}.h, include/net/tcp_states.h. */

export const PROTOCOL = { tcp: 6, udp: 17 } as const;

/** `state` of struct bpf_sock: BPF_TCP_*. A socket of UDP that is not connected is in `close`. */
// prettier-ignore
export const TCP_STATE = {
  established: 1, synSent: 2, synRecv: 3, finWait1: 4, finWait2: 5, timeWait: 6, close: 7, closeWait: 8, lastAck: 9,
  listen: 10, closing: 11, newSynRecv: 12,
} as const;
