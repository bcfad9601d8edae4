/**
 * The three-way rule over records by key, and texts in lines. Pure: it runs in Node as well, so that unit tests need
 * no WebAssembly.
 */

/**
 * @typedef {object} MergedRecord One key of a merge. A side that lacks it is undefined.
 * @property {string} key
 * @property {*} base
 * @property {*} ours
 * @property {*} theirs
 * @property {boolean} clashes Both sides changed it, and differently.
 * @property {*} merged What the three-way rule says. Of a clash: what ours has. Undefined: the record is removed.
 */

/**
 * All keys of ours and theirs, in the order in which they stand in the result: ours' order, and what only theirs has
 * behind what precedes it in theirs. A value is never undefined.
 *
 * @param {Map<string, *>} base
 * @param {Map<string, *>} ours
 * @param {Map<string, *>} theirs
 * @param {(left: *, right: *) => boolean} same
 * @returns {MergedRecord[]}
 */
export function mergeRecords(base, ours, theirs, same = Object.is) {
  const equal = (left, right) => (left === undefined || right === undefined ? left === right : same(left, right));
  return mergeOrder([...ours.keys()], [...theirs.keys()]).map((key) => {
    const sides = { base: base.get(key), ours: ours.get(key), theirs: theirs.get(key) };
    const keepsOurs = equal(sides.ours, sides.theirs) || equal(sides.base, sides.theirs);
    const takesTheirs = equal(sides.base, sides.ours);
    return {
      key,
      ...sides,
      clashes: !keepsOurs && !takesTheirs,
      merged: takesTheirs && !keepsOurs ? sides.theirs : sides.ours,
    };
  });
}

/** Every key once: ours' order, and what only theirs has behind its predecessor in theirs. */
export function mergeOrder(ours, theirs) {
  const known = new Set(ours);
  const first = [];
  const behind = new Map();
  let place = first;
  for (const key of theirs) {
    if (!known.has(key)) {
      place.push(key);
      continue;
    }
    if (!behind.has(key)) behind.set(key, []);
    place = behind.get(key);
  }
  const order = first;
  for (const key of ours) {
    order.push(key);
    for (const added of behind.get(key) ?? []) order.push(added);
  }
  return order;
}

/** The keys whose values differ, each as `{ key, before, after }`: undefined where it is added or removed. */
export function diffRecords(before, after, same = Object.is) {
  return mergeOrder([...after.keys()], [...before.keys()])
    .map((key) => ({ key, before: before.get(key), after: after.get(key) }))
    .filter(({ before: old, after: now }) => old === undefined || now === undefined || !same(old, now));
}

/** The lines with their ends, which are `\n` or `\r\n`; joined again they are the text. */
export function splitLines(text) {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
