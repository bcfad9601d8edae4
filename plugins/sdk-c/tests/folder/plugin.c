/* Counts what the helpers for folders give, in pages; for the SDK's tests. */

#include <stdlib.h>

#include "sdk/host.h"

void ab_describe(ab_description *out) {
  ab_describe_objects(out, "folder-test", "0.1.0", "Counts what is in a folder.", "folder", "*/");
  out->claims.ptr[0].unit = EXPORTS_ANABRANCH_MERGE_ABOUT_UNIT_KIND_FOLDER;
}

static bool has(ab_snapshot side, ab_text path) {
  ab_string name = ab_string_of(path);
  anabranch_merge_snapshots_entry_t entry;
  return anabranch_merge_snapshots_method_snapshot_stat(anabranch_merge_snapshots_borrow_snapshot(side), &name, &entry);
}

static bool count_entry(void *context, const anabranch_merge_types_entry_t *entry, ab_failure *failure) {
  (void)entry, (void)failure;
  ++*(uint64_t *)context;
  return true;
}

static bool count_change(void *context, const anabranch_merge_types_entry_change_t *change, ab_failure *failure) {
  (void)change, (void)failure;
  ++*(uint64_t *)context;
  return true;
}

static bool count_merge(void *context, const anabranch_merge_types_entry_merge_t *merge, ab_failure *failure) {
  (void)merge, (void)failure;
  ++*(uint64_t *)context;
  return true;
}

bool ab_on_merge(const ab_merge_input *input, ab_merge_outcome *out, ab_failure *failure) {
  (void)out;
  if (has(input->theirs, AB_TEXT("FAIL"))) return ab_fail(failure, "x-test", AB_TEXT("asked to fail"), AB_TEXT("FAIL"));
  if (has(input->theirs, AB_TEXT("TRAP"))) {
    ab_log(AB_TEXT("asked to trap"));
    abort();
  }
  uint64_t walked = 0, compared = 0, merged = 0;
  if (!ab_walk(input->ours, AB_TEXT(""), count_entry, &walked, failure)) return false;
  if (!ab_compare_sides(input->base, input->theirs, AB_TEXT(""), count_change, &compared, failure)) return false;
  if (!ab_merge_changes(input, AB_TEXT(""), count_merge, &merged, failure)) return false;
  ab_buffer text = {0};
  ab_append_number(&text, walked);
  ab_append(&text, AB_TEXT(" "));
  ab_append_number(&text, compared);
  ab_append(&text, AB_TEXT(" "));
  ab_append_number(&text, merged);
  ab_append(&text, AB_TEXT("\n"));
  return ab_write_object(input->merged, AB_TEXT("COUNT"), ab_finish(&text), failure);
}

static ab_text id_of(const anabranch_merge_types_option_entry_t *entry) {
  return entry->is_some ? ab_text_from(entry->val.id) : AB_NONE;
}

static bool emit(void *context, const anabranch_merge_types_entry_change_t *change, ab_failure *failure) {
  ab_changes *changes = context;
  ab_text path = ab_text_from(change->path), before = id_of(&change->before), after = id_of(&change->after);
  return ab_change(changes, "object", path, AB_TEXT(""), before, after, failure);
}

bool ab_on_diff(const ab_diff_input *input, ab_diff_summary *out, ab_failure *failure) {
  ab_changes changes = ab_changes_of(input);
  return ab_compare_sides(input->before, input->after, AB_TEXT(""), emit, &changes, failure) &&
         ab_diff_done(&changes, out, failure);
}
