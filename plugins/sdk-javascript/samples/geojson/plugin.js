/** geojson-merge: merges GeoJSON feature by feature. */

import * as geojson from "./geojson.js";
import { Changes, Decisions, done, json, readObject, readSides, wholeObject, writeObject } from "./sdk/host.js";
import { diffRecords } from "./sdk/records.js";
import { decode, encode } from "./sdk/utf8.js";

const OPTIONS = {
  type: "object",
  additionalProperties: false,
  properties: {
    key: { type: "string", minLength: 1, description: "the property that names a feature; else its id does" },
  },
};

export const about = {
  describe() {
    return {
      name: "geojson-merge",
      version: "1.0.0",
      summary: "Merges GeoJSON feature by feature, and features that both sides changed property by property.",
      claims: [
        {
          id: "features",
          unit: "object",
          patterns: ["*.geojson"],
          markers: [],
          mediaTypes: ["application/geo+json"],
          start: "three-way",
        },
      ],
      optionsSchema: JSON.stringify(OPTIONS),
    };
  },
};

const EMPTY = '{"type": "FeatureCollection", "features": []}';

/** A side's collection; a side without the object has an empty one. */
function parsed(bytes, options) {
  return geojson.parse(bytes === null ? EMPTY : decode(bytes), JSON.parse(options).key ?? null);
}

export const merger = {
  onMerge(input) {
    const { base, ours, theirs } = readSides(input);
    if (ours === null || theirs === null) {
      return wholeObject(input, "one side removed it, the other changed it", "removed-or-changed");
    }
    let sides;
    try {
      sides = [base, ours, theirs].map((bytes) => parsed(bytes, input.options));
    } catch (error) {
      return wholeObject(input, `it cannot be read: ${error.message}`, "unreadable");
    }
    const decisions = new Decisions(input, { rule: "features" });
    const ask = (id, part, record) =>
      decisions.settle(
        { ...record, clashes: true },
        {
          key: id === null ? "" : `{"id":${id}}`,
          column: part,
          message: `both sides changed ${part ?? "or removed"} of ${id === null ? "the collection" : `feature ${id}`}`,
          show: json,
          read: (value) => value,
        },
      );
    const merged = geojson.merge(...sides, ask);
    if (!decisions.open) writeObject(input.merged, encode(geojson.render(merged)));
    return done();
  },
};

export const differ = {
  onDiff(input) {
    const changes = new Changes(input);
    const contents = [input.before, input.after].map((side) => readObject(side));
    let sides;
    try {
      sides = contents.map((bytes) => parsed(bytes, input.options).features);
    } catch (error) {
      return changes.summary([`it cannot be read: ${error.message}`]);
    }
    const sameFeature = (left, right) => left.text === right.text || geojson.same(left.value, right.value);
    for (const { key, before, after } of diffRecords(...sides, sameFeature)) {
      if (!changes.add("row", key, json(before?.value), json(after?.value))) break;
    }
    return changes.summary();
  },
};
