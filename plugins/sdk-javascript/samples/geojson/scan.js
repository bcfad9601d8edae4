/**
 * Where the parts of a JSON text stand. Pure.
 *
 * JSON.parse makes 1 of 1.0 and rounds long numbers. So what a merge does not touch is taken over as text.
 */

/** The deepest nesting that is read: the engine's stack is small. */
const DEPTH_MAX = 100;

/** The fields of the object at `at`: `{ name, start, end }` of each value. Assumes that the text is JSON. */
export function fieldsOf(text, at) {
  const fields = [];
  each(text, at, (start) => {
    const afterName = skipValue(text, start);
    const value = skipBlank(text, skipBlank(text, afterName) + 1);
    const end = skipValue(text, value);
    fields.push({ name: JSON.parse(text.slice(start, afterName)), start: value, end });
    return end;
  });
  return fields;
}

/** The items of the array that begins at `at`: `{ start, end }` of each. Assumes that the text is JSON. */
export function itemsOf(text, at) {
  const items = [];
  each(text, at, (start) => {
    const end = skipValue(text, start);
    items.push({ start, end });
    return end;
  });
  return items;
}

/** Calls `take` with where each part of an object or array begins; it gives where the part ends. */
function each(text, at, take) {
  let place = skipBlank(text, at + 1);
  while (place < text.length && text[place] !== "}" && text[place] !== "]") {
    place = skipBlank(text, take(place));
    if (text[place] === ",") place = skipBlank(text, place + 1);
  }
}

export function skipBlank(text, at) {
  const blank = /[ \t\r\n]*/y;
  blank.lastIndex = at;
  blank.test(text);
  return blank.lastIndex;
}

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const SCALAR = /[^ \t\r\n,\]}]+/y;
const INSIDE = /[^"[\]{}]*/y;

/** Where the value that begins at `at` ends. */
function skipValue(text, at) {
  const opening = text[at];
  if (opening !== "{" && opening !== "[") return skip(opening === '"' ? STRING : SCALAR, text, at);
  let open = 1;
  let place = at + 1;
  while (open > 0) {
    place = skip(INSIDE, text, place);
    const mark = text[place];
    if (mark === undefined) throw new Error("it ends within a value");
    if (mark === '"') {
      place = skip(STRING, text, place);
      continue;
    }
    open += mark === "{" || mark === "[" ? 1 : -1;
    if (open > DEPTH_MAX) throw new Error(`it is nested deeper than ${DEPTH_MAX}`);
    place += 1;
  }
  return place;
}

function skip(pattern, text, at) {
  pattern.lastIndex = at;
  if (!pattern.test(text)) throw new Error(`it is no JSON at character ${at}`);
  return pattern.lastIndex;
}
