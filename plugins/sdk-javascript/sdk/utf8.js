/** UTF-8 to texts and back: the engine that runs a plugin has no TextDecoder and no TextEncoder. Pure. */

const CHUNK = 8192;

/**
 * The text of bytes. Throws a RangeError with the place where they are not UTF-8: nothing is replaced, since a text
 * that is written again would otherwise have lost what stood there.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function decode(bytes) {
  let text = "";
  let units = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at];
    if (first < 0x80) {
      units.push(first);
      at += 1;
    } else {
      const code = decodeLong(bytes, at);
      if (code >= 0x10000) {
        units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
        at += 4;
      } else {
        units.push(code);
        at += code < 0x800 ? 2 : 3;
      }
    }
    if (units.length >= CHUNK) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

/** The code point of more than one byte at `at`. */
function decodeLong(bytes, at) {
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
    const code = text.codePointAt(at);
    if (code < 0x80) {
      bytes[length++] = code;
    } else if (code < 0x800) {
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
