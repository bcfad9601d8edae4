/* {{name}}: merges settings files key by key. */

#include "sdk/host.h"
#include "settings.h"

void ab_describe(ab_description *out) {
  ab_describe_objects(out, "{{name}}", "0.1.0", "Merges settings files key by key.", "settings", "*.properties");
}

/* A side without the object has no records. */
static bool parse(ab_text content, ab_records *records, ab_text *wrong) {
  return settings_parse(content.data == NULL ? AB_TEXT("") : content, records, wrong);
}

/* People take a side whole. */
static bool unreadable(const ab_merge_input *input, ab_text wrong, ab_failure *failure) {
  ab_text message = ab_join((ab_text[]){AB_TEXT("it cannot be read: "), wrong}, 2);
  return ab_whole_object(input, message, "unreadable", failure);
}

static bool settle(ab_decisions *decisions, const ab_merged *record, ab_text *value, ab_failure *failure) {
  ab_buffer key = {0};
  ab_append(&key, AB_TEXT("{\"key\":"));
  ab_append_json(&key, record->key);
  ab_append(&key, AB_TEXT("}"));
  ab_text name = record->key.length == 0 ? AB_TEXT("the end of the file") : record->key;
  ab_text message = ab_join((ab_text[]){AB_TEXT("both sides changed "), name}, 2);
  return ab_settle(decisions, record, ab_finish(&key), message, value, failure);
}

bool ab_on_merge(const ab_merge_input *input, ab_merge_outcome *out, ab_failure *failure) {
  (void)out;
  ab_sides sides;
  if (!ab_read_sides(input, AB_OBJECT_BYTES_MAX, &sides, failure)) return false;
  if (sides.ours.data == NULL || sides.theirs.data == NULL) {
    ab_text message = AB_TEXT("one side removed it, the other changed it");
    return ab_whole_object(input, message, "removed-or-changed", failure);
  }
  ab_records base = {0}, ours = {0}, theirs = {0};
  ab_text wrong;
  if (!parse(sides.base, &base, &wrong) || !parse(sides.ours, &ours, &wrong) || !parse(sides.theirs, &theirs, &wrong)) {
    return unreadable(input, wrong, failure);
  }
  ab_decisions decisions = {.input = input, .kind = "row-conflict", .rule = "settings"};
  ab_merged *records;
  size_t count = ab_merge_records(&base, &ours, &theirs, &records);
  ab_buffer merged = {0};
  for (size_t at = 0; at < count; at++) {
    ab_text value;
    if (!settle(&decisions, &records[at], &value, failure)) return false;
    ab_append(&merged, value);
  }
  return decisions.open || ab_write_object(input->merged, AB_TEXT(""), ab_finish(&merged), failure);
}

bool ab_on_diff(const ab_diff_input *input, ab_diff_summary *out, ab_failure *failure) {
  ab_text contents[2], wrong;
  if (!ab_read_object(input->before, AB_TEXT(""), AB_OBJECT_BYTES_MAX, &contents[0], failure) ||
      !ab_read_object(input->after, AB_TEXT(""), AB_OBJECT_BYTES_MAX, &contents[1], failure)) {
    return false;
  }
  ab_records before = {0}, after = {0}, none = {0};
  ab_changes changes = ab_changes_of(input);
  if (!parse(contents[0], &before, &wrong) || !parse(contents[1], &after, &wrong)) {
    ab_note(&out->notes, ab_join((ab_text[]){AB_TEXT("it cannot be read: "), wrong}, 2));
    return ab_diff_done(&changes, out, failure);
  }
  ab_records_index(&none);
  ab_merged *records;
  size_t count = ab_merge_records(&none, &after, &before, &records);
  for (size_t at = 0; at < count && changes.wanted; at++) {
    /* The end of a file is always there, and may be empty. */
    ab_text old = records[at].theirs.length == 0 ? AB_NONE : records[at].theirs;
    ab_text now = records[at].ours.length == 0 ? AB_NONE : records[at].ours;
    if (ab_equal(old, now)) continue;
    if (!ab_change(&changes, "property", AB_TEXT(""), records[at].key, old, now, failure)) return false;
  }
  return ab_diff_done(&changes, out, failure);
}
