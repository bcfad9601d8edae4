/** UTF-8 to texts and back: the engine that runs a plugin has no TextDecoder and no TextEncoder. Pure. */

/** How many bytes are looked at together: a call takes only so many arguments. */
const CHUNK = 8192;

/**
 * The text of bytes. Throws a RangeError with the place where they are not UTF-8: nothing is replaced, since a text
 * that is written again would otherwise have lost what stood there.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function decode(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; ) {
    const end = chunkEnd(bytes, at);
    const chunk = String.fromCharCode.apply(null, bytes.subarray(at, end));
    // An interpreter loops over bytes a hundred times slower than its own functions do.
    parts.push(/^[\0-\x7f]*$/.test(chunk) ? chunk : decodeLong(bytes, at, end));
    at = end;
  }
  return parts.join("");
}

/** Where a chunk from `at` ends, between two characters. */
function chunkEnd(bytes, at) {
  let end = Math.min(at + CHUNK, bytes.length);
  // A character has at most three bytes behind its first.
  for (let back = 0; back < 3 && end < bytes.length && (bytes[end] & 0xc0) === 0x80; back += 1) end -= 1;
  return end;
}

function decodeLong(bytes, from, end) {
  const units = [];
  for (let at = from; at < end; ) {
    const first = bytes[at];
    if (first < 0x80) {
      units.push(first);
      at += 1;
      continue;
    }
    const code = codePoint(bytes, at);
    if (code >= 0x10000) {
      units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
      at += 4;
    } else {
      units.push(code);
      at += code < 0x800 ? 2 : 3;
    }
  }
  return String.fromCharCode.apply(null, units);
}

/** The code point of more than one byte at `at`. */
function codePoint(bytes, at) {
  const first = bytes[at];
  const count = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 && first < 0xe0 ? 2 : 0;
  let code = first & (0x7f >> count);
  let valid = count > 0;
  for (let next = 1; valid && next < count; next += 1) {
    const byte = bytes[at + next];
    valid = byte !== undefined && (byte & 0xc0) === 0x80;
    code = (code << 6) | (byte & 0x3f);
  }
  // Shorter forms exist for the one, the others are no characters.
  const tooLong = (count === 3 && code < 0x800) || (count === 4 && code < 0x10000);
  if (!valid || tooLong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw new RangeError(`it is not UTF-8 at byte ${at}`);
  }
  return code;
}

/**
 * The bytes of a text. Throws a RangeError for half of a surrogate pair, which has none.
 *
 * @param {string} text
 * @returns {Uint8Array}
 */
export function encode(text) {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) {
      bytes[length++] = unit;
      continue;
    }
    const code = text.codePointAt(at);
    if (code < 0x800) {
      bytes[length++] = 0xc0 | (code >> 6);
      bytes[length++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      if (code >= 0xd800 && code <= 0xdfff) throw new RangeError(`the text has half a character at ${at}`);
      bytes[length++] = 0xe0 | (code >> 12);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[length++] = 0x80 | (code & 0x3f);
    } else {
      bytes[length++] = 0xf0 | (code >> 18);
      bytes[length++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[length++] = 0x80 | (code & 0x3f);
      at += 1;
    }
  }
  return bytes.subarray(0, length);
}
