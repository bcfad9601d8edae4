/* Translations as gettext keeps them (.po), message by message. Pure.
 *
 * Bytes are kept as they are, in whatever character set the file is. What is compared of a message leaves out where its
 * lines are wrapped and the references into the sources (`#:`), which tools write anew each time. */
#ifndef PO_H
#define PO_H

#include "sdk/records.h"

typedef struct {
  /* How it is named: its context and its `msgid`, as they are written. The header has the empty `msgid`. */
  ab_text context;
  ab_text msgid;
  /* The blank lines above it, its references, and all other lines. */
  ab_text blank;
  ab_text references;
  ab_text lines;
} po_message;

typedef struct {
  po_message *messages;
  size_t count;
  /* What is compared of each message, in the same order, indexed. */
  ab_records compared;
  /* What stands below the last message. */
  ab_text end;
} po_file;

/* The messages of a file. Where it is none, says why in `wrong` and returns false. */
bool po_parse(ab_text text, po_file *file, ab_text *wrong);

/* The message of a key of `compared`; NULL where the file lacks it. */
const po_message *po_find(const po_file *file, ab_text key);

bool po_is_header(const po_message *message);

/* The lines of a header as records: a field by its name, any other line by itself. Indexed. */
ab_records po_header(const po_message *message);

/* How to settle a field of the header that both sides changed. */
typedef enum {
  /* It says when something was done: the later one. */
  PO_LATER,
  /* It goes with the revision date: who translated last, and with what. */
  PO_WITH_REVISION,
  /* People are asked. */
  PO_ASK,
} po_rule;
po_rule po_rule_of(ab_text field);

/* Appends a message with these references. */
void po_append(ab_buffer *out, const po_message *message, ab_text references);

#endif
