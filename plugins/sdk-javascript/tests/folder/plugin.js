/** Counts what the helpers for folders give, in pages; for the SDK's tests. */

import { Changes, changes, done, failure, mergeChanges, text, walk, writeObject } from "./sdk/host.js";
import { encode } from "./sdk/utf8.js";

export const about = {
  describe() {
    const claim = { id: "folder", unit: "folder", patterns: ["*/"], markers: [], mediaTypes: [], start: "three-way" };
    return {
      name: "folder-test",
      version: "0.1.0",
      summary: "Counts what is in a folder.",
      claims: [claim],
      optionsSchema: null,
    };
  },
};

const count = (items) => [...items].length;

export const merger = {
  onMerge(input) {
    if (input.theirs.stat("FAIL") != null) throw failure("x-test", "asked to fail", "FAIL");
    if (input.theirs.stat("TRAP") != null) throw new TypeError("asked to trap");
    const walked = count(walk(input.ours));
    const compared = count(changes(input.base, input.theirs));
    const merged = count(mergeChanges(input));
    writeObject(input.merged, encode(`${walked} ${compared} ${merged}\n`), "COUNT");
    return done();
  },
};

export const differ = {
  onDiff(input) {
    const found = new Changes(input);
    for (const { path, before, after } of changes(input.before, input.after)) {
      if (!found.add("object", "", text(before?.id), text(after?.id), path)) break;
    }
    return found.summary();
  },
};
