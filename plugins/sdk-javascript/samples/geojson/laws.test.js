import assert from "node:assert/strict";
import { test } from "node:test";

import { merge, parse, render, same } from "./geojson.js";

/** Numbers below `n`, the same in each run. */
function numbers(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % n;
  };
}

const SCALARS = ["1.0", "12345678901234567890", '"a"', '"\\u00e9\\"}]"', "null", "true", "[]", "{}"];
const BLANKS = ["", " ", "\n", "\n  ", "\t", "\r\n"];

/** A collection of up to four features, in some way of writing. */
function collection(random) {
  const blank = () => BLANKS[random(BLANKS.length)];
  const value = (depth) => {
    const items = (item) => Array.from({ length: random(3) }, (_, index) => blank() + item(index)).join(`${blank()},`);
    const kind = depth > 2 ? 0 : random(4);
    if (kind < 2) return SCALARS[random(SCALARS.length)];
    if (kind === 2) return `[${items(() => value(depth + 1))}${blank()}]`;
    return `{${items((index) => `"k${index}"${blank()}:${blank()}${value(depth + 1)}`)}${blank()}}`;
  };
  const feature = (id) =>
    `{${blank()}"id":${id},${blank()}"properties":{"p":${value(0)},${blank()}"q":${value(0)}},` +
    `"geometry":${blank()}{"type":"Point","coordinates":[${random(9)},${random(9)}]}}`;
  const features = [0, 1, 2, 3].filter(() => random(2) === 0).map(feature);
  const more = random(2) === 0 ? `,${blank()}"name"${blank()}:${value(0)}` : "";
  const list = features.join(`${blank()},`);
  return `${blank()}{"type":"FeatureCollection",${blank()}"features":${blank()}[${list}]${more}}\n`;
}

/** What a text says, whatever the order of its features. */
function content(text) {
  const document = JSON.parse(text);
  document.features.sort((left, right) => left.id - right.id);
  return document;
}

test("the laws of a merge hold for collections of every kind", () => {
  const random = numbers(7);
  for (let round = 0; round < 1000; round += 1) {
    const [base, ours, theirs] = [collection(random), collection(random), collection(random)];
    const merged = (sides, side) => {
      const [one, two, three] = sides.map((text) => parse(text));
      return content(render(merge(one, two, three, (id, part, of) => of[side])));
    };
    const told = `${base}${ours}${theirs}`;
    assert.ok(same(merged([ours, ours, ours], "ours"), content(ours)), `merged with itself: ${ours}`);
    assert.ok(same(merged([base, base, theirs], "ours"), content(theirs)), `an unchanged side: ${told}`);
    const swapped = merged([base, theirs, ours], "theirs");
    assert.ok(same(merged([base, ours, theirs], "ours"), swapped), `swapped sides: ${told}`);
  }
});
