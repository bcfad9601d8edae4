import assert from "node:assert/strict";
import { test } from "node:test";

import { merge, parse, render } from "./geojson.js";

const feature = (id, coordinates, properties = {}) => ({
  type: "Feature",
  id,
  geometry: { type: "Point", coordinates },
  properties,
});

const collection = (features, more = {}) => JSON.stringify({ type: "FeatureCollection", ...more, features });

/** The merged text and what was asked; `answers` are the sides that are chosen, one a question. */
function merged(base, ours, theirs, { answers = [], key = null } = {}) {
  const asked = [];
  const ask = (id, part, record) => {
    asked.push(`${id} ${part}`);
    return record[answers[asked.length - 1] ?? "ours"];
  };
  const result = merge(...[base, ours, theirs].map((text) => parse(text, key)), ask);
  return { text: render(result), value: JSON.parse(render(result)), asked };
}

test("what is not touched stays as it is written", () => {
  for (const text of [
    '{ "type": "FeatureCollection",\n  "features": [\n    ' +
      '{"id": "a", "x": 1.0, "y": 12345678901234567890, "z": "\\u00e9]"}\n  ]\n}\n',
    '{"type": "FeatureCollection", "name": [1, {"a": "}"}], "features": []}',
  ]) {
    assert.equal(merged(text, text, text).text, text);
  }
});

test("a feature that both changed is written as ours is", () => {
  const text = (name, beds) =>
    '{"type": "FeatureCollection", "features": [\n' +
    `  {\n    "id": 1,\n    "properties": {"name": "${name}", "beds": ${beds}}\n  }\n]}\n`;
  const { text: result } = merged(text("x", 1), text("x", 2), text("y", 1));
  const expected = '  {\n    "id": 1,\n    "properties": {\n      "name": "y",\n      "beds": 2\n    }\n  }\n]}\n';
  assert.equal(result.slice(result.indexOf("\n") + 1), expected);
});

test("features of both sides are there", () => {
  const [a, b, c] = ["a", "b", "c"].map((id) => feature(id, [1, 2]));
  const { value, asked } = merged(collection([a]), collection([a, b]), collection([c, a]));
  assert.deepEqual(value.features.map(({ id }) => id), ["c", "a", "b"]);
  assert.deepEqual(asked, []);
});

test("properties and geometry of one feature merge", () => {
  const base = collection([feature("a", [1, 2], { name: "x", beds: 1 })]);
  const ours = collection([feature("a", [1, 3], { name: "x", beds: 2 })]);
  const theirs = collection([feature("a", [1, 2], { name: "y", beds: 3 })]);
  const { value, asked } = merged(base, ours, theirs, { answers: ["theirs"] });
  assert.deepEqual(value.features, [feature("a", [1, 3], { name: "y", beds: 3 })]);
  assert.deepEqual(asked, ['"a" properties.beds']);
});

test("a feature that one side removed and the other changed is asked about", () => {
  const sides = [collection([feature("a", [1, 2])]), collection([]), collection([feature("a", [1, 3])])];
  assert.deepEqual(merged(...sides).asked, ['"a" null']);
  assert.deepEqual(merged(...sides).value.features, []);
  assert.deepEqual(merged(...sides, { answers: ["theirs"] }).value.features.length, 1);
});

test("the box is that of the merged features", () => {
  const [a, b, c] = [feature("a", [1, 2]), feature("b", [-5, 7]), feature("c", [9, 0])];
  const sides = [[a], [a, b], [a, c]].map((features, index) => collection(features, { bbox: [index, 0, 0, 0] }));
  const { value, asked } = merged(...sides);
  assert.deepEqual([value.bbox, asked], [[-5, 0, 9, 7], []]);
});

test("a property can name the feature", () => {
  const one = (code, beds) => ({ ...feature(undefined, [1, 2], { code, beds }) });
  const sides = [[one("k", 1)], [one("k", 2)], [one("k", 1), one("l", 3)]].map((features) => collection(features));
  const { value } = merged(...sides, { key: "code" });
  assert.deepEqual(value.features.map(({ properties }) => [properties.code, properties.beds]), [["k", 2], ["l", 3]]);
});

test("a field of any name is only a field", () => {
  const text = '{"type":"FeatureCollection","features":[{"id":1,"properties":{"__proto__":1,"a":1}}]}';
  const { text: result } = merged(text, text.replace('"a":1', '"a":2'), text.replace('"__proto__":1', '"__proto__":3'));
  assert.match(result, /"__proto__":3,"a":2/);
});

test("what is no collection is said", () => {
  for (const [text, expected] of [
    ["[]", /no FeatureCollection/],
    ["{", /JSON/],
    [collection([{ type: "Feature" }]), /feature 1 has no id/],
    [collection([feature(1, []), feature(1, [])]), /two features have the id 1/],
    [collection([feature(1, JSON.parse("[".repeat(200) + "]".repeat(200)))]), /nested deeper/],
  ]) {
    assert.throws(() => parse(text), expected);
  }
});
