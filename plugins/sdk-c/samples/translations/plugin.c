/* po-merge: merges translations message by message. */

#include "po.h"
#include "sdk/host.h"

void ab_describe(ab_description *out) {
  ab_describe_objects(out, "po-merge", "1.0.0", "Merges gettext translations message by message.", "translations",
                      "*.po");
}

/* A side without the object has no messages. */
static bool parse(ab_text content, po_file *file, ab_text *wrong) {
  return po_parse(content.data == NULL ? AB_TEXT("") : content, file, wrong);
}

typedef struct {
  po_file base, ours, theirs;
  ab_decisions decisions;
} merge;

static ab_text named(ab_text name, ab_text value) {
  ab_buffer key = {0};
  ab_append(&key, AB_TEXT("{\""));
  ab_append(&key, name);
  ab_append(&key, AB_TEXT("\":"));
  ab_append_json(&key, value);
  ab_append(&key, AB_TEXT("}"));
  return ab_finish(&key);
}

/* `{"msgid":"…"}`, with a context in front where there is one. */
static ab_text key_of(const po_message *message) {
  ab_text msgid = named(AB_TEXT("msgid"), message->msgid);
  if (message->context.data == NULL) return msgid;
  ab_text context = named(AB_TEXT("msgctxt"), message->context);
  ab_text open = ab_slice(context, 0, context.length - 1), rest = ab_slice(msgid, 1, msgid.length);
  return ab_join((ab_text[]){open, AB_TEXT(","), rest}, 3);
}

static ab_text references_of(const po_message *message) { return message == NULL ? AB_TEXT("") : message->references; }

/* Where both sides changed references, ours' stay: tools write them anew. */
static ab_text references(const merge *all, ab_text key) {
  ab_text base = references_of(po_find(&all->base, key)), ours = references_of(po_find(&all->ours, key));
  bool theirs = ab_equal(base, ours) || po_find(&all->ours, key) == NULL;
  return theirs ? references_of(po_find(&all->theirs, key)) : ours;
}

static ab_text field(const ab_records *header, ab_text name) {
  size_t place = ab_records_find(header, name);
  return place == header->count ? AB_TEXT("") : header->items[place].value;
}

static bool header(merge *all, ab_text key, ab_buffer *out, ab_failure *failure) {
  const po_message *ours = po_find(&all->ours, key);
  ab_records base_fields = po_header(po_find(&all->base, key)), our_fields = po_header(ours);
  ab_records their_fields = po_header(po_find(&all->theirs, key));
  ab_text revision = AB_TEXT("PO-Revision-Date");
  /* Dates are written so that the later one is the greater text. */
  bool theirs_is_later = ab_compare(field(&our_fields, revision), field(&their_fields, revision)) < 0;
  ab_merged *fields;
  size_t count = ab_merge_records(&base_fields, &our_fields, &their_fields, &fields);
  ab_buffer lines = {0};
  for (size_t at = 0; at < count; at++) {
    const ab_merged *record = &fields[at];
    ab_text line = record->merged;
    po_rule rule = po_rule_of(record->key);
    if (record->clashes && rule == PO_LATER) {
      line = ab_compare(record->ours, record->theirs) < 0 ? record->theirs : record->ours;
    } else if (record->clashes && rule == PO_WITH_REVISION) {
      line = theirs_is_later ? record->theirs : record->ours;
    } else if (record->clashes) {
      ab_text message = AB_TEXT("both sides changed a field of the header");
      ab_text name = named(AB_TEXT("header"), record->key);
      if (!ab_settle(&all->decisions, record, name, message, &line, failure)) return false;
    }
    ab_append(&lines, line);
  }
  po_message merged = *ours;
  merged.lines = ab_finish(&lines);
  po_append(out, &merged, references(all, key));
  return true;
}

static bool message(merge *all, const ab_merged *record, ab_buffer *out, ab_failure *failure) {
  const po_message *base = po_find(&all->base, record->key);
  const po_message *ours = po_find(&all->ours, record->key), *theirs = po_find(&all->theirs, record->key);
  const po_message *any = ours != NULL ? ours : theirs;
  if (record->clashes && ours != NULL && theirs != NULL && po_is_header(any)) {
    return header(all, record->key, out, failure);
  }
  ab_text chosen;
  ab_text said = AB_TEXT("both sides changed a translation");
  if (!ab_settle(&all->decisions, record, key_of(any), said, &chosen, failure)) return false;
  if (chosen.data == NULL) return true;
  /* The lines as the side that it comes from has them wrapped. */
  const po_message *side = ab_equal(chosen, record->ours) ? ours : ab_equal(chosen, record->theirs) ? theirs : base;
  po_append(out, side, references(all, record->key));
  return true;
}

bool ab_on_merge(const ab_merge_input *input, ab_merge_outcome *out, ab_failure *failure) {
  (void)out;
  ab_sides sides;
  if (!ab_read_sides(input, AB_OBJECT_BYTES_MAX, &sides, failure)) return false;
  if (sides.ours.data == NULL || sides.theirs.data == NULL) {
    ab_text said = AB_TEXT("one side removed it, the other changed it");
    return ab_whole_object(input, said, "removed-or-changed", failure);
  }
  merge all = {.decisions = {.input = input, .kind = "row-conflict", .rule = "messages"}};
  ab_text wrong;
  if (!parse(sides.base, &all.base, &wrong) || !parse(sides.ours, &all.ours, &wrong) ||
      !parse(sides.theirs, &all.theirs, &wrong)) {
    ab_text said = ab_join((ab_text[]){AB_TEXT("it cannot be read: "), wrong}, 2);
    return ab_whole_object(input, said, "unreadable", failure);
  }
  ab_merged *records;
  size_t count = ab_merge_records(&all.base.compared, &all.ours.compared, &all.theirs.compared, &records);
  ab_buffer merged = {0};
  for (size_t at = 0; at < count; at++) {
    if (!message(&all, &records[at], &merged, failure)) return false;
  }
  ab_append(&merged, all.ours.end);
  return all.decisions.open || ab_write_object(input->merged, AB_TEXT(""), ab_finish(&merged), failure);
}

bool ab_on_diff(const ab_diff_input *input, ab_diff_summary *out, ab_failure *failure) {
  ab_text contents[2], wrong;
  if (!ab_read_object(input->before, AB_TEXT(""), AB_OBJECT_BYTES_MAX, &contents[0], failure) ||
      !ab_read_object(input->after, AB_TEXT(""), AB_OBJECT_BYTES_MAX, &contents[1], failure)) {
    return false;
  }
  po_file before = {0}, after = {0};
  ab_changes changes = ab_changes_of(input);
  if (!parse(contents[0], &before, &wrong) || !parse(contents[1], &after, &wrong)) {
    ab_note(&out->notes, ab_join((ab_text[]){AB_TEXT("it cannot be read: "), wrong}, 2));
    return ab_diff_done(&changes, out, failure);
  }
  ab_records none = {0};
  ab_records_index(&none);
  ab_merged *records;
  size_t count = ab_merge_records(&none, &after.compared, &before.compared, &records);
  for (size_t at = 0; at < count && changes.wanted; at++) {
    const ab_merged *record = &records[at];
    if (ab_equal(record->ours, record->theirs)) continue;
    const po_message *any = po_find(record->ours.data == NULL ? &before : &after, record->key);
    ab_text key = key_of(any);
    if (!ab_change(&changes, "x-message", AB_TEXT(""), key, record->theirs, record->ours, failure)) return false;
  }
  return ab_diff_done(&changes, out, failure);
}
