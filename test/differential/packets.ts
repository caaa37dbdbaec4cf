/** Random packets from a seed: mostly well-formed headers with values that the example programs tell apart, some damaged. */

/** Mulberry32: small, and the same everywhere. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** A seed for this run, or the one of EBPF_TS_SEED. */
export function chooseSeed(): number {
  const given = process.env["EBPF_TS_SEED"];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}

const PORTS = [22, 23, 53, 80, 443, 8080];
const ETHER_TYPES = [0x0800, 0x0800, 0x0800, 0x0800, 0x0800, 0x0806, 0x86dd, 0x8100];
const PROTOCOLS = [6, 6, 6, 17, 17, 1, 58, 132];

export function randomPacket(random: () => number): Uint8Array {
  const pick = (from: readonly number[]): number => from[random() % from.length] as number;
  const words = random() % 8 === 0 ? random() % 16 : 5 + (random() % 4 === 0 ? random() % 4 : 0);
  const length = 14 + Math.max(20, words * 4) + 20 + (random() % 40);
  const packet = new Uint8Array(length);
  for (let i = 0; i < length; i++) packet[i] = random();
  const view = new DataView(packet.buffer);
  view.setUint16(12, pick(ETHER_TYPES));
  view.setUint8(14, 0x40 | words);
  // The type behind a VLAN tag, or the length of an IPv4 packet.
  view.setUint16(16, view.getUint16(12) === 0x8100 ? pick(ETHER_TYPES) : length - 14);
  view.setUint16(20, random() % 6 === 0 ? random() & 0xffff : 0x4000);
  view.setUint8(23, pick(PROTOCOLS));
  // 10.0.x.y: a few hundred addresses, so that flows and prefixes repeat.
  view.setUint32(26, 0x0a000000 | ((random() % 4) << 8) | (random() % 8));
  view.setUint32(30, 0x0a000100 | (random() % 4));
  const transport = 14 + words * 4;
  if (transport + 14 <= length) {
    view.setUint16(transport, 1024 + (random() % 4));
    view.setUint16(transport + 2, pick(PORTS));
    view.setUint8(transport + 13, pick([2, 16, 18, 17, 4]));
  }
  // Cut short anywhere; BPF_PROG_TEST_RUN insists on an Ethernet header with something behind it.
  return random() % 5 === 0 ? packet.subarray(0, 15 + (random() % (length - 15))) : packet;
}

/** BPF_PROG_TEST_RUN of sched_cls refuses IPv4 and IPv6 packets without a whole IP header (seen on Linux 6.18). */
export function randomSkb(random: () => number): Uint8Array {
  for (;;) {
    const packet = randomPacket(random);
    const type = ((packet[12] ?? 0) << 8) | (packet[13] ?? 0);
    if (packet.length >= 14 + (type === 0x0800 ? 20 : type === 0x86dd ? 40 : 0)) return packet;
  }
}
