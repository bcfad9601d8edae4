/** {{name}}: merges settings files key by key. */

import { Changes, Decisions, done, readObject, readSides, text, wholeObject, writeObject } from "./sdk/host.js";
import { diffRecords, mergeRecords } from "./sdk/records.js";
import { decode, encode } from "./sdk/utf8.js";
import * as settings from "./settings.js";

export const about = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Merges settings files key by key.",
      claims: [
        {
          id: "settings",
          unit: "object",
          patterns: ["*.properties"],
          markers: [],
          mediaTypes: [],
          start: "three-way",
        },
      ],
      optionsSchema: null,
    };
  },
};

/** The records of a side; a side without the object has none. */
function parsed(bytes) {
  return settings.parse(decode(bytes ?? new Uint8Array()));
}

/** What a value that somebody gives becomes; null where only a side can be chosen. */
function reader({ key, ours, theirs }) {
  return key === settings.END ? null : (value) => settings.withValue(ours ?? theirs, key, value);
}

export const merger = {
  onMerge(input) {
    const { base, ours, theirs } = readSides(input);
    if (ours === null || theirs === null) {
      return wholeObject(input, "one side removed it, the other changed it", "removed-or-changed");
    }
    let sides;
    try {
      sides = [base, ours, theirs].map(parsed);
    } catch (error) {
      // Not UTF-8, or no settings file: people take a side whole.
      return wholeObject(input, `it cannot be read: ${error.message}`, "unreadable");
    }
    const decisions = new Decisions(input, { rule: "settings" });
    const records = mergeRecords(...sides).map((record) =>
      decisions.settle(record, {
        key: JSON.stringify({ key: record.key }),
        message: `both sides changed ${record.key || "the end of the file"}`,
        read: reader(record),
      }),
    );
    if (!decisions.open) {
      writeObject(input.merged, encode(settings.render(records.filter((record) => record !== undefined))));
    }
    return done();
  },
};

export const differ = {
  onDiff(input) {
    const changes = new Changes(input);
    let sides;
    try {
      sides = [input.before, input.after].map((side) => parsed(readObject(side)));
    } catch (error) {
      // A failure of the server is not of this file.
      if (!(error instanceof Error)) throw error;
      return changes.summary([`it cannot be read: ${error.message}`]);
    }
    for (const { key, before, after } of diffRecords(...sides)) {
      // The end of a file is always there, and may be empty.
      if (!changes.add("property", key, text(before || null), text(after || null))) break;
    }
    return changes.summary();
  },
};
