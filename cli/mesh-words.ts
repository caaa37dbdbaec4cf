/** Words that several mesh commands use for the same things. */
import type { ObjectRef, Place } from "../mesh/objects/types.ts";
import type { HttpRule } from "../mesh/objects/types.ts";

export const objectName = ({ namespace, name }: Pick<ObjectRef, "namespace" | "name">): string =>
  namespace === null ? name : `${namespace}/${name}`;

export const placeText = ({ file, line }: Place): string => `${file}:${line}`;

/** Labels without what most of them share: the source `k8s:`, and the namespace's own. */
export function labelTexts(labels: readonly string[]): string {
  const own = labels.filter((label) => !label.startsWith("k8s:io."));
  return own.map((label) => label.replace(/^k8s:/, "")).join(",");
}

/** `GET /public/.*`, with host and headers where they are asked. */
export function httpRuleText({ method, path, host, headers }: HttpRule): string {
  const parts = [method ?? "any method", path ?? "any path", ...(host === null ? [] : [`host ${host}`])];
  const asked = headers.map((h) => `header ${h.name}${h.value === null ? "" : `: ${h.value}`}`);
  return [...parts, ...asked].join(" ");
}

/** `3d 4h`, `12m 5s`, `8s`: the two largest units. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([n]) => n > 0);
  return (first < 0 ? units.slice(-1) : units.slice(first, first + 2)).map(([n, unit]) => `${n}${unit}`).join(" ");
}

/** `12.3 kB`: powers of 1000. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 5);
  return `${(bytes / 1000 ** power).toFixed(1)} ${["B", "kB", "MB", "GB", "TB", "PB"][power]}`;
}
