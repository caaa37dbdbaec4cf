// What the running kernel and our own walk say of one mistake, and whether that names the right line and the right remedy.
import { compileSources } from "../../dist/codegen/index.js";
import { link } from "../../dist/lib/asm/index.js";
import { explainLog, requestOf, subjectOfProgram, verify } from "../../dist/lib/verifier/index.js";
import { profileOf } from "../../dist/lib/verifier/profiles/index.js";
import { VerifierError, load } from "../../dist/loader/index.js";
import { readKernelBtf } from "../corpus-verifier/read.mjs";
import { sourcesOf } from "./sources.mjs";

const profile = profileOf("6.18");
const kernelBtf = readKernelBtf(undefined, ".");

/**
 * `{ verdict }`: "compiler" (it is refused there), "accepted" (the kernel takes it, so it is no mistake), or "refused", then with
 * `kernel` and `own`, what is said of the kernel's log and of our walk; `own` is null where our walk does not know a part.
 */
export async function judge(mistake) {
  for (const { entry, texts } of sourcesOf(mistake)) {
    const { object } = await compileSources(texts, entry);
    if (object === null) return { verdict: "compiler" };
    const refused = await refusedBy(object);
    if (refused === null) continue;
    const { program: name, log } = refused;
    const told = explainLog(subjectOfProgram(link(object, name)), log, "");
    const own = verify(requestOf(object, name, { kernel: kernelBtf }), { kernel: profile });
    return { verdict: "refused", kernel: judged(mistake, told), own: ownAnswer(mistake, own) };
  }
  return { verdict: "accepted" };
}

/** The kernel's error about the first program that it refuses. */
async function refusedBy(object) {
  try {
    (await load(object)).close();
    return null;
  } catch (error) {
    if (error instanceof VerifierError) return error;
    throw error;
  }
}

function ownAnswer(mistake, { verdict, error }) {
  if (verdict === "unsupported") return null;
  return {
    verdict,
    ...(verdict === "reject" ? judged(mistake, error) : { line: false, remedy: false, says: "ACCEPTS" }),
  };
}

/** Whether line and remedy are right, and what is said. */
function judged(mistake, error) {
  const place = error.at.kind === "source" ? `${error.at.file}:${error.at.line}` : "nowhere";
  return {
    line: isRightLine(mistake, error),
    remedy: isRightRemedy(mistake, error),
    says: `${place}: ${error.code} ${error.reason}; ${error.suggestion}`,
  };
}

function isRightLine({ at, file }, error) {
  return error.at.kind === "source" && [at].flat().includes(error.at.line) && error.at.file.endsWith(file.name);
}

function isRightRemedy({ codes, remedy }, error) {
  return codes.includes(error.code) && remedy.test(error.suggestion);
}
