/**
 * Settings files: a `key = value` a line, with comments. Pure.
 *
 * A file is a list of records, one for each key, and a record is text: the comments above the key, and its line. So
 * what nobody changed stays byte for byte as it was.
 */

import { splitLines } from "./sdk/records.js";

/** The key of what stands below the last setting. Every file has it, so that it stays at the end. */
export const END = "";

/** The records by key, in order. Throws an Error where there is a line without a key, or a key twice. */
export function parse(text) {
  const records = new Map();
  let key = END;
  let record = "";
  let valueGoesOn = false;
  lines(text).forEach((line, index) => {
    record += line;
    if (!valueGoesOn) {
      if (isComment(line)) return;
      const end = line.search(/[=:]/);
      key = (end < 0 ? line : line.slice(0, end)).trim();
      if (key === END) throw new Error(`line ${index + 1} has no key`);
      if (records.has(key)) throw new Error(`line ${index + 1} sets ${key} again`);
    }
    valueGoesOn = goesOn(line);
    if (!valueGoesOn) {
      records.set(key, record);
      record = "";
    }
  });
  if (valueGoesOn) {
    records.set(key, record);
    record = "";
  }
  return records.set(END, record);
}

/** The text of records, which come in order. */
export function render(records) {
  return records.join("");
}

/** The record with another value. Throws an Error for one that cannot be a setting's. */
export function withValue(record, key, value) {
  if (typeof value !== "string" || /[\r\n]|\\$/.test(value)) {
    throw new Error("a value is a text of one line that does not end with a backslash");
  }
  const all = lines(record);
  const setting = all.findIndex((line) => !isComment(line));
  return `${all.slice(0, setting).join("")}${key} = ${value}\n`;
}

/** A `\` at the end means that the value goes on in the next line; `\\` is a backslash. */
function goesOn(line) {
  const stripped = line.trimEnd();
  return stripped.endsWith("\\") && stripped.match(/\\+$/)[0].length % 2 === 1;
}

function isComment(line) {
  return /^\s*([#!]|$)/.test(line);
}

function lines(text) {
  // A record that comes to stand behind the last one begins on a line of its own.
  return splitLines(text === "" || text.endsWith("\n") ? text : `${text}\n`);
}
