import assert from "node:assert/strict";
import { test } from "node:test";

import { mergeRecords } from "./sdk/records.js";
import { END, parse, render, withValue } from "./settings.js";

const TEXT = `\
# who answers
host = example.org

retries: 3
names = a, \\
    b
# the end
`;

test("a text is its records", () => {
  const records = parse(TEXT);
  assert.deepEqual([...records.keys()], ["host", "retries", "names", END]);
  assert.equal(records.get("host"), "# who answers\nhost = example.org\n");
  assert.equal(render([...records.values()]), TEXT);
});

test("what is no settings file is said", () => {
  assert.throws(() => parse("a = 1\na = 2\n"), /line 2 sets a again/);
  assert.throws(() => parse("= 1\n"), /line 1 has no key/);
});

test("a file without a last newline merges", () => {
  const sides = ["a = 1", "a = 1\nb = 2", "c = 3\na = 1"].map(parse);
  assert.equal(render(mergeRecords(...sides).map((record) => record.merged)), "c = 3\na = 1\nb = 2\n");
});

test("a value of one's own keeps the comments", () => {
  assert.equal(withValue("# why\na = 1\n", "a", "2"), "# why\na = 2\n");
  for (const value of ["2\nb = 3", 2, "\\"]) assert.throws(() => withValue("a = 1\n", "a", value), /one line/);
});
