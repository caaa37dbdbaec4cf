import { expect, test } from "vitest";
import { sockmapErrata } from "../../../mesh/services/index.ts";

test.each<[string, number]>([
  ["5.4.0-150-generic", 3],
  ["5.10.0-28-amd64", 3],
  ["5.17.0", 3],
  ["6.1.0-13-amd64", 3],
  ["6.12.48", 2],
  ["6.13.0-rc1", 1],
  ["6.17.9", 1],
  ["6.18.44-fc-v657", 0],
  ["6.100.1", 0],
  ["7.0.0", 0],
  ["something else", 3],
])("%s: %i of them", (release, count) => {
  expect(sockmapErrata(release)).toHaveLength(count);
});
