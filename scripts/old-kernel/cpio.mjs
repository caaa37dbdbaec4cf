// An initramfs: files in the archive that the kernel unpacks at boot ("newc" of cpio, which its documentation specifies in
// driver-api/early-userspace/buffer-format).
import { Buffer } from "node:buffer";

const MAGIC = "070701";
const ALIGNMENT = 4;
const MODE = { folder: 0o040755, file: 0o100755, link: 0o120777 };

/** `entries`: [path without leading slash, content: bytes, or { link } to a path, or null for a folder]; folders first. */
export function makeArchive(entries) {
  const parts = entries.flatMap(([path, content], index) => entryOf(path, content, index + 1));
  return Buffer.concat([...parts, ...entryOf("TRAILER!!!", null, 0)]);
}

function entryOf(path, content, inode) {
  const [mode, data] =
    content === null
      ? [MODE.folder, Buffer.alloc(0)]
      : content.link === undefined
        ? [MODE.file, content]
        : [MODE.link, Buffer.from(content.link)];
  const name = Buffer.from(`${path}\0`);
  // inode, mode, uid, gid, links, time, size, device (major, minor), device it is (major, minor), length of the name, check
  const numbers = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(MAGIC + numbers.map((number) => number.toString(16).padStart(8, "0")).join(""));
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

function padding(length) {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}
