#include "po.h"

#include <string.h>

static bool is_blank(ab_text line) { return ab_trim(line).length == 0; }

/* A line with the mark of an entry that is out of use taken off. */
static ab_text in_use(ab_text line) {
  return ab_starts_with(line, AB_TEXT("#~")) ? ab_trim(ab_slice(line, 2, line.length)) : line;
}

/* What stands between the quotes of a line. */
static ab_text quoted(ab_text line) {
  size_t start = ab_find(line, '"') + 1;
  size_t end = line.length;
  while (end > start && line.data[end - 1] != '"') end--;
  return ab_slice(line, start, end > start ? end - 1 : start);
}

/* The text of a keyword such as `msgid`, with the lines that go on with it; none where it is not there. */
static ab_text string_of(ab_text lines, ab_text keyword) {
  ab_buffer string = {0};
  bool inside = false, found = false;
  ab_text rest = lines, line;
  while (ab_next_line(&rest, &line)) {
    line = in_use(line);
    bool begins = ab_starts_with(line, keyword) && line.length > keyword.length &&
                  (line.data[keyword.length] == ' ' || line.data[keyword.length] == '"');
    inside = begins || (inside && ab_starts_with(line, AB_TEXT("\"")));
    found = found || begins;
    if (inside) ab_append(&string, quoted(line));
  }
  return found ? ab_finish(&string) : AB_NONE;
}

/* The lines with wrapped strings put together: a string that begins on a line of its own is the same. */
static ab_text unwrapped(ab_text lines) {
  ab_buffer whole = {0};
  size_t start = 0;
  for (size_t at = 0; at + 2 < lines.length; at++) {
    bool joint = lines.data[at] == '"' && lines.data[at + 1] == '\n' && lines.data[at + 2] == '"';
    if (!joint) continue;
    ab_append(&whole, ab_slice(lines, start, at));
    start = at + 3;
    at += 2;
  }
  ab_append(&whole, ab_slice(lines, start, lines.length));
  return ab_finish(&whole);
}

/* A message from its lines, blank lines at the beginning included. */
static po_message message_of(ab_text block) {
  po_message message = {0};
  ab_buffer references = {0}, lines = {0};
  ab_text rest = block, line;
  while (ab_next_line(&rest, &line)) {
    if (lines.length == 0 && references.length == 0 && is_blank(line)) {
      message.blank = ab_slice(block, 0, block.length - rest.length);
    } else {
      ab_append(ab_starts_with(line, AB_TEXT("#:")) ? &references : &lines, line);
    }
  }
  message.references = ab_finish(&references);
  message.lines = ab_finish(&lines);
  message.context = string_of(message.lines, AB_TEXT("msgctxt"));
  message.msgid = string_of(message.lines, AB_TEXT("msgid"));
  return message;
}

/* Messages in use and out of use are different ones, and so are those of different contexts. */
static ab_text key_of(const po_message *message) {
  bool unused = false;
  ab_text rest = message->lines, line;
  while (ab_next_line(&rest, &line)) unused = unused || ab_starts_with(line, AB_TEXT("#~ msgid"));
  ab_text mark = unused ? AB_TEXT("~") : AB_TEXT("=");
  ab_text context = message->context.data == NULL ? AB_TEXT("\x05") : message->context;
  return ab_join((ab_text[]){mark, context, AB_TEXT("\x04"), message->msgid}, 4);
}

static bool add(po_file *file, ab_text block, size_t *room, ab_text *wrong) {
  if (file->count == *room) {
    *room = *room == 0 ? 64 : *room * 2;
    po_message *messages = ab_allocate(*room, sizeof *messages);
    if (file->count > 0) memcpy(messages, file->messages, file->count * sizeof *messages);
    file->messages = messages;
  }
  po_message *message = &file->messages[file->count];
  *message = message_of(block);
  if (message->msgid.data == NULL) {
    ab_text first = ab_slice(ab_trim(block), 0, 60);
    *wrong = ab_join((ab_text[]){AB_TEXT("there is no msgid at: "), ab_is_utf8(first) ? first : AB_TEXT("")}, 2);
    return false;
  }
  ab_records_add(&file->compared, key_of(message), unwrapped(message->lines));
  file->count++;
  return true;
}

/* Comments that belong to no message. */
static bool is_remark(ab_text block) {
  ab_text rest = block, line;
  while (ab_next_line(&rest, &line)) {
    if (!is_blank(line) && (line.data[0] != '#' || ab_starts_with(line, AB_TEXT("#~ msg")))) return false;
  }
  return true;
}

bool po_parse(ab_text text, po_file *file, ab_text *wrong) {
  bool ends = text.length == 0 || text.data[text.length - 1] == '\n';
  ab_text all = ends ? text : ab_join((ab_text[]){text, AB_TEXT("\n")}, 2);
  ab_text rest = all, line;
  size_t start = 0, room = 0;
  bool inside = false;
  while (ab_next_line(&rest, &line)) {
    size_t end = all.length - rest.length;
    if (inside && is_blank(line)) {
      size_t before = end - line.length;
      if (!add(file, ab_slice(all, start, before), &room, wrong)) return false;
      start = before;
      inside = false;
    } else {
      inside = inside || !is_blank(line);
    }
  }
  ab_text left = ab_slice(all, start, all.length);
  inside = inside && !is_remark(left);
  if (inside && !add(file, left, &room, wrong)) return false;
  file->end = inside || left.length == 0 ? AB_TEXT("") : left;
  size_t twice = ab_records_index(&file->compared);
  if (twice == file->count) return true;
  ab_text msgid = file->messages[twice].msgid;
  *wrong = ab_join((ab_text[]){AB_TEXT("a msgid stands twice: "), ab_is_utf8(msgid) ? msgid : AB_TEXT("")}, 2);
  return false;
}

const po_message *po_find(const po_file *file, ab_text key) {
  size_t place = ab_records_find(&file->compared, key);
  return place == file->compared.count ? NULL : &file->messages[place];
}

bool po_is_header(const po_message *message) {
  return message->context.data == NULL && message->msgid.length == 0;
}

/* The name of a field such as `"Language: de\n"`; the line itself where it is none. */
static ab_text field_of(ab_text line) {
  ab_text inner = quoted(line);
  size_t colon = ab_find(inner, ':');
  return ab_starts_with(line, AB_TEXT("\"")) && colon < inner.length ? ab_slice(inner, 0, colon) : line;
}

static ab_text numbered(ab_text key, size_t number) {
  ab_buffer all = {0};
  ab_append(&all, key);
  ab_append(&all, AB_TEXT("\n"));
  ab_append_number(&all, number);
  return ab_finish(&all);
}

ab_records po_header(const po_message *message) {
  ab_records fields = {0};
  ab_text rest = message == NULL ? AB_TEXT("") : message->lines, line;
  while (ab_next_line(&rest, &line)) ab_records_add(&fields, field_of(line), line);
  /* A comment such as `#` may stand there more than once: those behind the first are numbered. */
  while (ab_records_index(&fields) != fields.count) {
    ab_text last = AB_NONE;
    for (size_t at = 0, number = 1; at < fields.count; at++) {
      ab_text *key = &fields.items[fields.by_key[at]].key;
      number = ab_equal(*key, last) ? number + 1 : 1;
      last = *key;
      if (number > 1) *key = numbered(*key, number);
    }
  }
  return fields;
}

po_rule po_rule_of(ab_text field) {
  const ab_text later[] = {AB_TEXT("POT-Creation-Date"), AB_TEXT("PO-Revision-Date")};
  const ab_text with[] = {AB_TEXT("Last-Translator"), AB_TEXT("X-Generator")};
  for (size_t at = 0; at < 2; at++) {
    if (ab_equal(field, later[at])) return PO_LATER;
    if (ab_equal(field, with[at])) return PO_WITH_REVISION;
  }
  return PO_ASK;
}

void po_append(ab_buffer *out, const po_message *message, ab_text references) {
  bool first = out->length == 0;
  ab_append(out, first || message->blank.length > 0 ? message->blank : AB_TEXT("\n"));
  ab_text rest = message->lines, line;
  bool open = true;
  while (ab_next_line(&rest, &line)) {
    /* References stand below comments and above flags and earlier texts. */
    bool comment = ab_starts_with(line, AB_TEXT("#")) && !ab_starts_with(line, AB_TEXT("#,")) &&
                   !ab_starts_with(line, AB_TEXT("#|")) && !ab_starts_with(line, AB_TEXT("#~"));
    if (open && !comment) ab_append(out, references);
    open = open && comment;
    ab_append(out, line);
  }
}
