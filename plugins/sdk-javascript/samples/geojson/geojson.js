/**
 * GeoJSON feature collections (RFC 7946), feature by feature. Pure.
 *
 * - A feature is known by its `id`, or by a property that the option `key` names.
 * - What one side added, removed or changed is taken, as the text that stands there.
 * - Where both changed a feature, its geometry is one part and each property is one: parts that one side changed are
 *   taken, and a part that both changed differently is asked about.
 * - Everything else of the collection is merged field by field in the same way, but for its `bbox`: that is computed
 *   from the merged features.
 */

import { mergeRecords } from "./sdk/records.js";
import { fieldsOf, itemsOf, skipBlank } from "./scan.js";

/**
 * A collection: `rest` maps its fields other than the features to texts, `features` maps ids to
 * `{ text, value }`, and `layout` is how the file is written.
 *
 * Throws an Error for what is none, or has features that cannot be told apart.
 */
export function parse(text, key = null) {
  const document = JSON.parse(text);
  if (document?.type !== "FeatureCollection" || !Array.isArray(document.features)) {
    throw new Error("it is no FeatureCollection");
  }
  const fields = fieldsOf(text, skipBlank(text, 0));
  const rest = new Map(fields.map(({ name, start, end }) => [name, text.slice(start, end)]));
  const place = fields.findLast(({ name }) => name === "features");
  const items = itemsOf(text, place.start);
  const features = new Map();
  items.forEach(({ start, end }, index) => {
    const value = document.features[index];
    const id = key === null ? value?.id : value?.properties?.[key];
    const name = JSON.stringify(id);
    if (typeof id !== "string" && typeof id !== "number") {
      throw new Error(`feature ${index + 1} has no ${key === null ? "id" : `property ${key}`}`);
    }
    if (features.has(name)) throw new Error(`two features have the ${key ?? "id"} ${name}`);
    features.set(name, { text: text.slice(start, end), value });
  });
  rest.delete("features");
  return { rest, features, layout: layoutOf(text, fields, place, items) };
}

/** What stands around fields and features. */
function layoutOf(text, fields, place, items) {
  const brace = skipBlank(text, 0) + 1;
  const heads = new Map();
  fields.forEach(({ name, start }, index) => {
    const before = text.slice(index === 0 ? brace : fields[index - 1].end, start);
    heads.set(name, before.replace(/^\s*,/, ""));
  });
  const last = items[items.length - 1];
  return {
    begin: text.slice(0, brace),
    heads,
    // A collection without features gets one a line.
    indent: last === undefined ? "\n" : text.slice(place.start + 1, items[0].start),
    close: last === undefined ? "\n" : text.slice(last.end, place.end - 1),
    end: text.slice(fields[fields.length - 1].end),
  };
}

/** The text of a merged collection, written as its layout says. */
export function render({ rest, features, layout }) {
  const list = [...features.values()].map(({ text }) => text);
  const array = list.length === 0 ? "[]" : `[${layout.indent}${list.join(`,${layout.indent}`)}${layout.close}]`;
  const values = new Map([...rest, ["features", array]]);
  const blank = /^\s*/.exec([...layout.heads.values()][0])[0];
  const names = [...layout.heads.keys(), ...[...rest.keys()].filter((name) => !layout.heads.has(name))];
  const fields = names
    .filter((name) => values.has(name))
    .map((name) => (layout.heads.get(name) ?? `${blank || " "}${JSON.stringify(name)}: `) + values.get(name));
  return layout.begin + fields.join(",") + layout.end;
}

/** Whether two values are the same, in whatever order their fields stand. */
export function same(left, right) {
  if (typeof left !== "object" || left === null || typeof right !== "object" || right === null) return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]));
}

/**
 * The merged collection, in ours' layout. `ask(id, part, record)` settles a part that both changed differently: its
 * values are parsed JSON, undefined is a side that lacks it. Without a part it is the whole feature.
 */
export function merge(base, ours, theirs, ask) {
  const features = new Map();
  const sameFeature = (left, right) => left.text === right.text || same(left.value, right.value);
  for (const record of mergeRecords(base.features, ours.features, theirs.features, sameFeature)) {
    const merged = record.clashes ? mergeFeature(record, ask) : record.merged;
    if (merged !== undefined) features.set(record.key, merged);
  }
  const rest = new Map();
  const sameText = (left, right) => left === right || same(JSON.parse(left), JSON.parse(right));
  for (const record of mergeRecords(base.rest, ours.rest, theirs.rest, sameText)) {
    let text = record.merged;
    if (record.key === "bbox") text = boundsText(record, features);
    else if (record.clashes) text = settled(record, (value) => ask(null, record.key, value), JSON.parse);
    if (text !== undefined) rest.set(record.key, text);
  }
  return { rest, features, layout: ours.layout };
}

/** The box of the merged features, as a side writes it where it is the same; none where there are no positions. */
function boundsText({ ours, theirs }, features) {
  const bounds = boundsOf(features);
  const known = [ours, theirs].find((text) => text !== undefined && same(JSON.parse(text), bounds));
  return bounds.length === 0 ? undefined : (known ?? JSON.stringify(bounds));
}

/** Asks about values that are kept as something else. */
function settled(record, ask, read) {
  const side = (value) => (value === undefined ? undefined : read(value));
  const values = { ...record, base: side(record.base), ours: side(record.ours), theirs: side(record.theirs) };
  const chosen = ask(values);
  return chosen === undefined ? undefined : JSON.stringify(chosen);
}

function mergeFeature(record, ask) {
  const { key, base, ours, theirs } = record;
  const wrapped = (value) => (value === undefined ? undefined : { text: JSON.stringify(value), value });
  if (ours === undefined || theirs === undefined) {
    const values = { ...record, base: base?.value, ours: ours?.value, theirs: theirs?.value };
    const chosen = ask(key, null, values);
    const side = [ours, theirs, base].find((known) => known !== undefined && known.value === chosen);
    return side ?? wrapped(chosen);
  }
  const sides = [base?.value ?? {}, ours.value, theirs.value];
  const value = mergeFields(sides, (name, field) => ask(key, name, field), "properties");
  return { text: writtenAs(ours.text, value), value };
}

/** Merges objects field by field, and the object `inner` in them. */
function mergeFields(sides, ask, inner = null) {
  const maps = sides.map((side) => new Map(Object.entries(side ?? {})));
  const merged = {};
  for (const record of mergeRecords(...maps, same)) {
    const { key: name } = record;
    const objects = [record.ours, record.theirs].every((value) => typeof value === "object" && value !== null);
    let value = record.merged;
    if (record.clashes && name === inner && objects) {
      value = mergeFields([record.base, record.ours, record.theirs], (field, of) => ask(`${inner}.${field}`, of));
    } else if (record.clashes) {
      value = ask(name, record);
    }
    // Not by assignment, to which a field `__proto__` would be something else.
    if (value !== undefined) Object.defineProperty(merged, name, { value, enumerable: true });
  }
  return merged;
}

/** JSON on one line or on many, as `text` is. */
function writtenAs(text, value) {
  const second = /\n([ \t]*)/.exec(text);
  if (second === null) return JSON.stringify(value);
  const last = /^[ \t]*/.exec(text.slice(text.lastIndexOf("\n") + 1))[0];
  return JSON.stringify(value, null, second[1].slice(last.length) || " ").replaceAll("\n", `\n${last}`);
}

/** The smallest box around all positions; of none, an empty array. */
export function boundsOf(features) {
  const low = [];
  const high = [];
  const add = (coordinates) => {
    if (!Array.isArray(coordinates)) return;
    if (typeof coordinates[0] !== "number") return coordinates.forEach(add);
    coordinates.slice(0, 3).forEach((number, axis) => {
      low[axis] = Math.min(low[axis] ?? number, number);
      high[axis] = Math.max(high[axis] ?? number, number);
    });
  };
  const geometry = (shape) => {
    add(shape?.coordinates);
    if (Array.isArray(shape?.geometries)) shape.geometries.forEach(geometry);
  };
  for (const { value } of features.values()) geometry(value.geometry);
  return [...low, ...high];
}
