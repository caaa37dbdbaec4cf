// Types as an older kernel takes them: kinds that it does not know become ones of the same size that it does, as libbpf makes
// them. Else a program would be judged by its types alone.
import { makeProfile, nameOf } from "../../dist/lib/verifier/profiles/index.js";

const EVERY_KIND = 6018;
const plain = new Map();

/** The request with such types for the program and its maps. */
export function plainTypes(request, version) {
  if (version >= EVERY_KIND) return request;
  const profile = makeProfile(nameOf(version), version);
  const types = (btf) => (btf === null ? null : plainBtf(btf, profile));
  const map = (row) => ({ ...row, btf: types(row.btf), inner: row.inner === null ? null : map(row.inner) });
  return { ...request, btf: types(request.btf), maps: request.maps.map(map) };
}

/** The same types for the same BTF, so that the kernel has to load them once. */
function plainBtf(btf, profile) {
  if (!plain.has(btf)) plain.set(btf, { types: btf.types.map((type) => plainType(type, profile)) });
  return plain.get(btf);
}

function unsigned({ name, value }) {
  return { name, value: BigInt.asUintN(32, value) };
}

function plainType(type, profile) {
  const { kind, name, size } = type;
  switch (kind) {
    case "float":
      return profile.has("float_types") ? type : { kind: "struct", name, size, members: [] };
    case "decl_tag":
      return profile.has("declaration_tags") ? type : { kind: "int", name: "tag", size: 1, encoding: "unsigned" };
    case "type_tag":
      return profile.has("type_tags") ? type : { kind: "const", type: type.type };
    case "enum64":
      return profile.has("wide_enums") ? type : { kind: "union", name, size, members: [] };
    case "enum":
      return profile.has("wide_enums") ? type : { ...type, signed: false, values: type.values.map(unsigned) };
    default:
      return type;
  }
}
