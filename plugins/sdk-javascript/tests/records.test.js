import assert from "node:assert/strict";
import { test } from "node:test";

import { diffRecords, mergeOrder, mergeRecords, splitLines } from "../sdk/records.js";

const map = (object) => new Map(Object.entries(object));

function merged(base, ours, theirs) {
  const records = mergeRecords(map(base), map(ours), map(theirs));
  return {
    values: Object.fromEntries(records.filter((r) => r.merged !== undefined).map((r) => [r.key, r.merged])),
    clashes: records.filter((r) => r.clashes).map((r) => r.key),
  };
}

test("what one side changed is taken", () => {
  const base = { a: 1, b: 1, c: 1 };
  assert.deepEqual(merged(base, { a: 2, b: 1, c: 1 }, { a: 1, b: 3 }), { values: { a: 2, b: 3 }, clashes: [] });
});

test("the laws hold for every small merge", () => {
  const values = [undefined, 0, 1, 2];
  const one = (value) => (value === undefined ? {} : { k: value });
  for (const base of values) {
    for (const ours of values) {
      for (const theirs of values) {
        const forward = merged(one(base), one(ours), one(theirs));
        const backward = merged(one(base), one(theirs), one(ours));
        assert.equal(forward.clashes.length > 0, new Set([base, ours, theirs]).size === 3);
        if (forward.clashes.length > 0) assert.deepEqual(forward.values, one(ours));
        else assert.deepEqual(forward.values, backward.values);
        if (base === ours) assert.deepEqual(forward.values, one(theirs));
      }
    }
  }
});

test("what theirs added stands behind its predecessor", () => {
  assert.deepEqual(mergeOrder([..."abc"], [..."xaybzc"]), [..."xaybzc"]);
  assert.deepEqual(mergeOrder([..."cba"], [..."abxc"]), [..."cbxa"]);
  assert.deepEqual(mergeOrder([], [..."ab"]), [..."ab"]);
});

test("a diff names each key once", () => {
  assert.deepEqual(diffRecords(map({ a: 1, b: 1, c: 1 }), map({ a: 1, c: 2, d: 1 })), [
    { key: "b", before: 1, after: undefined },
    { key: "c", before: 1, after: 2 },
    { key: "d", before: undefined, after: 1 },
  ]);
});

test("lines keep their ends", () => {
  for (const text of ["", "a", "a\n", "a\r\nb\n\nc", "a\fb\u2028c\n"]) assert.equal(splitLines(text).join(""), text);
  assert.deepEqual(splitLines("a\r\nb\fc"), ["a\r\n", "b\fc"]);
});
