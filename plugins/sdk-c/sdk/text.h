/* Bytes with a length, and what is done with them. Pure: it runs natively too, so that unit tests need no WebAssembly.
 *
 * A call of a plugin has an instance and a memory of its own, which end with it. So nothing here is ever freed, and a
 * text may point into another one. Where memory runs out the call ends. */
#ifndef ANABRANCH_TEXT_H
#define ANABRANCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, without a NUL at the end. A `data` of NULL is none at all: a side that lacks it. */
typedef struct {
  const char *data;
  size_t length;
} ab_text;

/* A text of a string literal. */
#define AB_TEXT(literal) ((ab_text){"" literal, sizeof(literal) - 1})
#define AB_NONE ((ab_text){NULL, 0})

/* A text of a string with a NUL at its end, which is not copied. */
ab_text ab_text_of(const char *string);
/* None equals only none. */
bool ab_equal(ab_text left, ab_text right);
/* By bytes, the shorter first. */
int ab_compare(ab_text left, ab_text right);
/* The part from `start` up to `end`, cut to what there is. */
ab_text ab_slice(ab_text text, size_t start, size_t end);
/* Without spaces, tabs and ends of lines at both ends. */
ab_text ab_trim(ab_text text);
/* Where `byte` is in the text first; its length where it is not. */
size_t ab_find(ab_text text, char byte);
bool ab_starts_with(ab_text text, ab_text prefix);

/* Takes the next line with its end, `\n` or `\r\n`, off `rest`. False at the end. */
bool ab_next_line(ab_text *rest, ab_text *line);

/* Whether the host takes these bytes as a string: it ends a call that hands it anything but UTF-8. */
bool ab_is_utf8(ab_text text);

/* Memory that is zero. Ends the call where there is none left. */
void *ab_allocate(size_t count, size_t size);

/* A text that grows. Begin with zeros: `ab_buffer out = {0};` */
typedef struct {
  char *data;
  size_t length;
  size_t room;
} ab_buffer;

void ab_append(ab_buffer *buffer, ab_text text);
/* The text as a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void ab_append_json(ab_buffer *buffer, ab_text text);
void ab_append_number(ab_buffer *buffer, uint64_t number);
/* What was appended; later appends do not change it. Never none. */
ab_text ab_finish(const ab_buffer *buffer);
/* Several texts in one: `ab_join((ab_text[]){a, b}, 2)`. */
ab_text ab_join(const ab_text *parts, size_t count);

#endif
