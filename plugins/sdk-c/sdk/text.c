#include "text.h"

#include <stdlib.h>
#include <string.h>

ab_text ab_text_of(const char *string) { return (ab_text){string, strlen(string)}; }

bool ab_equal(ab_text left, ab_text right) {
  if (left.data == NULL || right.data == NULL) return left.data == right.data;
  return left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
}

int ab_compare(ab_text left, ab_text right) {
  size_t shared = left.length < right.length ? left.length : right.length;
  int order = shared == 0 ? 0 : memcmp(left.data, right.data, shared);
  return order != 0 ? order : (left.length > right.length) - (left.length < right.length);
}

ab_text ab_slice(ab_text text, size_t start, size_t end) {
  if (end > text.length) end = text.length;
  if (start > end) start = end;
  return (ab_text){text.data == NULL ? NULL : text.data + start, end - start};
}

static bool is_blank(char byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

ab_text ab_trim(ab_text text) {
  size_t start = 0, end = text.length;
  while (start < end && is_blank(text.data[start])) start++;
  while (end > start && is_blank(text.data[end - 1])) end--;
  return ab_slice(text, start, end);
}

size_t ab_find(ab_text text, char byte) {
  const char *found = text.length == 0 ? NULL : memchr(text.data, byte, text.length);
  return found == NULL ? text.length : (size_t)(found - text.data);
}

bool ab_starts_with(ab_text text, ab_text prefix) {
  return text.length >= prefix.length && ab_equal(ab_slice(text, 0, prefix.length), prefix);
}

bool ab_next_line(ab_text *rest, ab_text *line) {
  if (rest->length == 0) return false;
  size_t end = ab_find(*rest, '\n') + 1;
  *line = ab_slice(*rest, 0, end);
  *rest = ab_slice(*rest, end, rest->length);
  return true;
}

/* The bytes of the character at `at`; 0 where there is none. */
static size_t character(ab_text text, size_t at) {
  const unsigned char *bytes = (const unsigned char *)text.data + at;
  size_t left = text.length - at;
  if (bytes[0] < 0x80) return 1;
  size_t count = bytes[0] >= 0xc2 && bytes[0] < 0xe0 ? 2 : bytes[0] >= 0xe0 && bytes[0] < 0xf0 ? 3 : 4;
  if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || left < count) return 0;
  for (size_t next = 1; next < count; next++) {
    if ((bytes[next] & 0xc0) != 0x80) return 0;
  }
  /* Forms that are longer than need be, surrogates, and what lies above U+10FFFF. */
  if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f)) return 0;
  if ((bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f)) return 0;
  return count;
}

bool ab_is_utf8(ab_text text) {
  for (size_t at = 0; at < text.length;) {
    size_t count = character(text, at);
    if (count == 0) return false;
    at += count;
  }
  return true;
}

void *ab_allocate(size_t count, size_t size) {
  void *memory = calloc(count == 0 ? 1 : count, size);
  if (memory == NULL) abort();
  return memory;
}

void ab_append(ab_buffer *buffer, ab_text text) {
  if (text.length == 0) return;
  if (text.length > SIZE_MAX / 2 - buffer->length) abort();
  size_t needed = buffer->length + text.length;
  if (needed > buffer->room) {
    size_t room = needed < 64 ? 64 : needed * 2;
    char *data = ab_allocate(room, 1);
    if (buffer->length > 0) memcpy(data, buffer->data, buffer->length);
    /* The old memory stays: what `ab_finish` gave points into it. */
    buffer->data = data;
    buffer->room = room;
  }
  memcpy(buffer->data + buffer->length, text.data, text.length);
  buffer->length = needed;
}

void ab_append_json(ab_buffer *buffer, ab_text text) {
  static const char digits[] = "0123456789abcdef";
  ab_append(buffer, AB_TEXT("\""));
  for (size_t at = 0; at < text.length;) {
    unsigned char byte = (unsigned char)text.data[at];
    size_t count = character(text, at);
    if (count == 0) {
      ab_append(buffer, AB_TEXT("\xef\xbf\xbd"));
    } else if (byte == '"' || byte == '\\') {
      ab_append(buffer, (ab_text){(char[]){'\\', (char)byte}, 2});
    } else if (byte < 0x20) {
      ab_append(buffer, (ab_text){(char[]){'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]}, 6});
    } else {
      ab_append(buffer, ab_slice(text, at, at + count));
    }
    at += count == 0 ? 1 : count;
  }
  ab_append(buffer, AB_TEXT("\""));
}

void ab_append_number(ab_buffer *buffer, uint64_t number) {
  char digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  ab_append(buffer, (ab_text){digits + first, sizeof digits - first});
}

ab_text ab_finish(const ab_buffer *buffer) {
  return buffer->length == 0 ? AB_TEXT("") : (ab_text){buffer->data, buffer->length};
}

ab_text ab_join(const ab_text *parts, size_t count) {
  ab_buffer joined = {0};
  for (size_t part = 0; part < count; part++) ab_append(&joined, parts[part]);
  return ab_finish(&joined);
}
