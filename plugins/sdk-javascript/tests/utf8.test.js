import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "../sdk/utf8.js";

test("texts become what the platform's own encoder makes of them, and come back", () => {
  const edges = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfeff, 0xffff, 0x10000, 0x10ffff];
  const text = edges.map((code) => String.fromCodePoint(code)).join("x").repeat(3000);
  const bytes = encode(text);
  assert.deepEqual(bytes, new TextEncoder().encode(text));
  assert.equal(decode(bytes), text);
  assert.equal(decode(encode("")), "");
});

test("all that starts with up to three bytes is judged as the platform's own decoder does", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee];
  edges.push(0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  const outcome = (read, bytes) => {
    try {
      return read(bytes);
    } catch {
      return undefined;
    }
  };
  for (const a of edges) {
    for (const b of edges) {
      for (const c of edges) {
        for (const tail of [[], [0x80], [0xbf, 0x41]]) {
          const bytes = Uint8Array.from([a, b, c, ...tail]);
          assert.equal(outcome(decode, bytes), outcome((given) => strict.decode(given), bytes), `${bytes}`);
        }
      }
    }
  }
});

test("half a character is refused in both directions", () => {
  assert.throws(() => encode("a\ud800b"), /half a character at 1/);
  assert.throws(() => decode(Uint8Array.from([0x61, 0xc3])), /not UTF-8 at byte 1/);
});
