/** The forms of names, labels and annotations: Kubernetes' (apimachinery, util/validation), with Cilium's label sources. */
import type { Labels } from "./types.ts";
import type { Value } from "./value.ts";

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_NAME = /^(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?=.{0,63}$)([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
/** RFC 6335 §5.1: letters, digits and single hyphens, at least one letter, at most 15. */
const SERVICE_NAME = /^(?=.{1,15}$)(?=.*[A-Za-z])[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;

export const isLabelValue = (text: string): boolean => LABEL_VALUE.test(text);
export const isServiceName = (text: string): boolean => SERVICE_NAME.test(text);

/** `prefix/name`, or `name`. */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf("/");
  return slash === -1
    ? LABEL_NAME.test(key)
    : SUBDOMAIN.test(key.slice(0, slash)) && LABEL_NAME.test(key.slice(slash + 1));
}

/** Name of an object: a DNS subdomain. */
export function readName(value: Value): string {
  const name = value.string();
  if (!SUBDOMAIN.test(name)) value.report("Y011", `${JSON.stringify(name)} is no name of an object`, NAME_FORM);
  return name;
}

/** Name of a namespace: a DNS label. */
export function readNamespaceName(value: Value): string {
  const name = value.string();
  if (!DNS_LABEL.test(name)) value.report("Y011", `${JSON.stringify(name)} is no name of a namespace`, NAME_FORM);
  return name;
}

const NAME_FORM = { expected: "lower-case letters, digits and hyphens", remedy: "correct the name" };

/** Without a prototype: a label may be called `constructor`. */
export function readLabels(value: Value | undefined): Labels {
  const labels: Record<string, string> = {};
  for (const [key, text, at] of value?.map() ?? []) {
    if (!isLabelKey(key)) at.report("Y011", `${JSON.stringify(key)} is no label key`, { found: key });
    labels[key] = readLabelValue(text);
  }
  return Object.setPrototypeOf(labels, null) as Labels;
}

export function readLabelValue(value: Value): string {
  const text = value.string();
  if (!isLabelValue(text)) value.report("Y011", `${JSON.stringify(text)} is no label value`, { found: text });
  return text;
}

/** Name of a port, as containers and services have them; in lower case, because they compare so. */
export function readPortName(value: Value): string {
  const name = value.string();
  if (!isServiceName(name)) {
    value.report("Y014", `${JSON.stringify(name)} is no name of a port`, {
      expected: "at most 15 letters, digits and single hyphens, one of them a letter",
      found: name,
    });
  }
  return name.toLowerCase();
}
