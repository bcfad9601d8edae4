/**
 * What plugins need of the server again and again: whole objects, pages, conflicts. It can be imported only inside a
 * component.
 *
 * Expected problems are thrown as `failure(...)`. Anything else that is thrown ends the call as well, with its message
 * and place in the report of the merge: never catch it to go on with half of the data.
 *
 * Sizes and offsets (`u64` in the contract) are numbers here, exact up to 2^53.
 */

import * as snapshots from "anabranch:merge/snapshots@0.1.0";

export const READ_BYTES = 1024 * 1024;
export const PAGE = 1000;
/** What one page of changes holds: one call to the server takes 16 MiB. */
const PAGE_BYTES = 1024 * 1024;
export const OBJECT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * What ends a call when it is thrown: `throw failure("unreadable", "line 3 has no key", "")`. `code` is one of the
 * contract's (`wit/merge.wit`, `failure`) or begins with `x-`.
 */
export function failure(code, message, path = null) {
  return { code, message, path };
}

/** A value to show: `text("a")`, or `json({ a: 1 })`. Null and undefined are a side that has none. */
export const text = (value) => (value == null ? null : { tag: "text", val: String(value) });
export const json = (value) => (value === undefined ? null : { tag: "json", val: JSON.stringify(value) });

/** All bytes of an object as a Uint8Array; null where the side lacks it. Above `limit` bytes the call fails. */
export function readObject(snapshot, path = "", limit = OBJECT_BYTES_MAX) {
  const entry = snapshot.stat(path);
  if (entry == null) return null;
  const size = Number(entry.size);
  if (size > limit) {
    throw failure("limit", `it has ${size} bytes on ${snapshot.label()}; at most ${limit} are read`, path);
  }
  const bytes = new Uint8Array(size);
  const opened = snapshot.open(path);
  for (let at = 0; at < size; ) {
    const piece = opened.read(at, Math.min(READ_BYTES, size - at));
    if (piece.length === 0) throw failure("unreadable", `it ends after ${at} of ${size} bytes`, path);
    bytes.set(piece, at);
    at += piece.length;
  }
  release(opened);
  return bytes;
}

/** The unit, which is one object, as `{ base, ours, theirs }`, each as `readObject` gives it. */
export function readSides(input, limit = OBJECT_BYTES_MAX) {
  const read = (side) => readObject(side, "", limit);
  return { base: read(input.base), ours: read(input.ours), theirs: read(input.theirs) };
}

/** Puts a new object at `path`. */
export function writeObject(merged, bytes, path = "") {
  const writer = merged.create();
  for (let at = 0; at < bytes.length; at += READ_BYTES) writer.write(bytes.subarray(at, at + READ_BYTES));
  const finished = writer.finish();
  merged.put(path, finished);
  release(finished);
  release(writer);
}

/** Every object whose path begins with `prefix`, in order of path. */
export function walk(snapshot, prefix = "") {
  return pages(snapshot.walk(prefix));
}

/** Every object that differs. */
export function changes(before, after, prefix = "") {
  return pages(snapshots.compare(before, after, prefix));
}

/** Every object that a side changed since the base. */
export function mergeChanges(input, prefix = "") {
  return pages(snapshots.compareMerge(input.base, input.ours, input.theirs, prefix));
}

function* pages(reader) {
  for (let page = reader.next(PAGE); page.length > 0; page = reader.next(PAGE)) yield* page;
  release(reader);
}

/** Gives a handle back early, which is polite where there are many; all end with the call. */
export function release(handle) {
  if (typeof handle[Symbol.dispose] === "function") handle[Symbol.dispose]();
}

/** The plugin has said all that it has to say. */
export function done(notes = [], rows = null) {
  return { verdict: "done", rows, notes };
}

/**
 * The unit, which is one object, cannot be merged within: people take one of its sides, or upload another. `rule` is
 * how the plugin's documentation names the reason. Returns what `onMerge` is to return.
 */
export function wholeObject(input, message, rule) {
  const shown = (side) => {
    const entry = side.stat("");
    return entry == null ? null : json({ size: Number(entry.size), id: entry.id });
  };
  const decision = input.merged.conflict({
    kind: "object-conflict",
    path: "",
    key: "",
    column: null,
    message,
    rule,
    base: shown(input.base),
    ours: shown(input.ours),
    theirs: shown(input.theirs),
    choices: [
      { id: "ours", label: "keep the destination's object" },
      { id: "theirs", label: "take the source's object" },
      { id: "base", label: "go back to the object of the merge base" },
      { id: "object", label: "take an object that you upload" },
    ],
  });
  if (decision == null) return done();
  if (decision.choice !== "object") input.merged.take("", decision.choice);
  else if (decision.object != null) input.merged.put("", decision.object);
  else throw failure("bad-options", "the choice object came without an object", "");
  return done();
}

/** Settles records that clash. While `open` is true there is nothing to write: the conflicts are the answer. */
export class Decisions {
  constructor(input, { rule, kind = "row-conflict", path = "" }) {
    this.input = input;
    this.rule = rule;
    this.kind = kind;
    this.path = path;
    this.open = false;
  }

  /**
   * What a record of `mergeRecords` is to be; undefined removes it. Of one that is open: what ours has.
   *
   * `key` names it for people: a JSON object, a JSON pointer or any text, and with `column` once in a merge. `show`
   * makes a value presentable (`text`, `json`). With `read` people may also give a value of their own, which comes as
   * parsed JSON; it throws an Error for one that cannot be.
   */
  settle(record, { key, message, show = text, read = null, column = null }) {
    if (!record.clashes) return record.merged;
    const { merged, prefer } = this.input;
    // The caller said who wins, so nobody is asked.
    if (prefer === "ours" || prefer === "theirs") return record[prefer];
    const choices = [
      { id: "ours", label: "keep the destination's" },
      { id: "theirs", label: "take the source's" },
      { id: "base", label: "go back to the merge base" },
    ];
    if (read !== null) choices.push({ id: "value", label: "take the value that you give" });
    const shown = (value) => (value === undefined ? null : show(value));
    const decision = merged.conflict({
      kind: this.kind,
      path: this.path,
      key,
      column,
      message,
      rule: this.rule,
      base: shown(record.base),
      ours: shown(record.ours),
      theirs: shown(record.theirs),
      choices,
    });
    if (decision == null) {
      this.open = true;
      return record.ours;
    }
    return decision.choice === "value" ? this.#given(decision, key, read) : record[decision.choice];
  }

  #given(decision, key, read) {
    if (decision.value == null) {
      throw failure("bad-options", `the choice value of ${key} came without a value`, this.path);
    }
    try {
      // The host hands every given value over as JSON.
      return read(JSON.parse(decision.value.val));
    } catch (error) {
      throw failure("bad-options", `the value given for ${key} does not fit: ${error.message}`, this.path);
    }
  }
}

/** Hands changes of a diff over in pages, and counts them. */
export class Changes {
  constructor(input) {
    this.sink = input.sink;
    // Where only totals are wanted the sink takes nothing, and counting goes on to the end.
    this.wanted = input.detail === "changes";
    this.counts = { added: 0, removed: 0, modified: 0 };
    this.page = [];
    this.pageBytes = 0;
    this.complete = true;
  }

  /**
   * One change; `before` and `after` are what `text` and `json` make. `what` is one of the contract's or begins with
   * `x-`. False: nobody reads on, so return.
   */
  add(what, key, before, after, path = "") {
    const kind = before == null ? "added" : after == null ? "removed" : "modified";
    this.counts[kind] += 1;
    if (this.wanted) {
      this.page.push({ kind, what, path, key, before, after });
      this.pageBytes += (before?.val.length ?? 0) + (after?.val.length ?? 0);
      if (this.page.length >= PAGE || this.pageBytes >= PAGE_BYTES) this.complete = this.#flush();
    }
    return this.complete;
  }

  #flush() {
    const page = this.page;
    this.page = [];
    this.pageBytes = 0;
    return page.length === 0 || this.sink.emit(page) === "more";
  }

  /** The end of the diff: what `onDiff` returns. */
  summary(notes = []) {
    this.#flush();
    return { ...this.counts, rows: null, complete: this.complete, notes };
  }
}
