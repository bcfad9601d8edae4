#include "host.h"

#include <string.h>

#define READ_BYTES (1024u * 1024)
#define PAGE 1000u
#define NOTES_MAX 1000u

/* Frees nothing: literals and parts of other texts may be returned, and the instance ends with the call anyway. These
 * stand before the weak ones of the generated bindings, which free every pointer. */
#define RETURNED(export, name) \
  __attribute__((__export_name__("cabi_post_anabranch:merge/" export))) void name(uint8_t *returned) { \
    (void)returned; \
  }
RETURNED("about@0.1.0#describe", __wasm_export_exports_anabranch_merge_about_describe_post_return)
RETURNED("differ@0.1.0#on-diff", __wasm_export_exports_anabranch_merge_differ_on_diff_post_return)
RETURNED("merger@0.1.0#on-merge", __wasm_export_exports_anabranch_merge_merger_on_merge_post_return)

void exports_anabranch_merge_about_describe(ab_description *out) {
  memset(out, 0, sizeof *out);
  ab_describe(out);
}

bool exports_anabranch_merge_differ_on_diff(ab_diff_input *input, ab_diff_summary *out, ab_failure *failure) {
  memset(out, 0, sizeof *out);
  return ab_on_diff(input, out, failure);
}

bool exports_anabranch_merge_merger_on_merge(ab_merge_input *input, ab_merge_outcome *out, ab_failure *failure) {
  memset(out, 0, sizeof *out);
  return ab_on_merge(input, out, failure);
}

ab_string ab_string_of(ab_text text) { return (ab_string){(uint8_t *)text.data, text.length}; }

ab_text ab_text_from(ab_string string) {
  return string.len == 0 ? AB_TEXT("") : (ab_text){(const char *)string.ptr, string.len};
}

static ab_string literal(const char *text) { return ab_string_of(ab_text_of(text)); }

ab_value ab_show(ab_text value) {
  ab_value shown = {.is_some = value.data != NULL};
  shown.val.tag = ab_is_utf8(value) ? ANABRANCH_MERGE_TYPES_VALUE_TEXT : ANABRANCH_MERGE_TYPES_VALUE_BYTES;
  /* A text and a list of bytes have one layout. */
  shown.val.val.text = ab_string_of(value);
  return shown;
}

ab_value ab_json(ab_text document) {
  ab_value shown = {.is_some = document.data != NULL};
  shown.val.tag = ANABRANCH_MERGE_TYPES_VALUE_JSON;
  shown.val.val.json = ab_string_of(document);
  return shown;
}

bool ab_fail(ab_failure *failure, const char *code, ab_text message, ab_text path) {
  failure->code = literal(code);
  failure->message = ab_string_of(message);
  failure->path.is_some = path.data != NULL;
  failure->path.val = ab_string_of(path);
  return false;
}

void ab_describe_objects(ab_description *out, const char *name, const char *version, const char *summary,
                         const char *claim, const char *pattern) {
  ab_string *patterns = ab_allocate(1, sizeof *patterns);
  *patterns = literal(pattern);
  ab_claim *claims = ab_allocate(1, sizeof *claims);
  claims->id = literal(claim);
  claims->unit = EXPORTS_ANABRANCH_MERGE_ABOUT_UNIT_KIND_OBJECT;
  claims->patterns = (merge_plugin_list_string_t){patterns, 1};
  claims->start = EXPORTS_ANABRANCH_MERGE_ABOUT_START_THREE_WAY;
  out->name = literal(name);
  out->version = literal(version);
  out->summary = literal(summary);
  out->claims.ptr = claims;
  out->claims.len = 1;
}

bool ab_read_object(ab_snapshot snapshot, ab_text path, uint64_t limit, ab_text *content, ab_failure *failure) {
  anabranch_merge_snapshots_borrow_snapshot_t side = anabranch_merge_snapshots_borrow_snapshot(snapshot);
  ab_string name = ab_string_of(path);
  anabranch_merge_snapshots_entry_t entry;
  *content = AB_NONE;
  if (!anabranch_merge_snapshots_method_snapshot_stat(side, &name, &entry)) return true;
  if (entry.size > limit || entry.size > SIZE_MAX / 2) {
    ab_string label;
    anabranch_merge_snapshots_method_snapshot_label(side, &label);
    ab_buffer message = {0};
    ab_append(&message, AB_TEXT("it has "));
    ab_append_number(&message, entry.size);
    ab_append(&message, AB_TEXT(" bytes on "));
    ab_append(&message, ab_text_from(label));
    ab_append(&message, AB_TEXT("; the most that is read: "));
    ab_append_number(&message, limit);
    return ab_fail(failure, "limit", ab_finish(&message), path);
  }
  anabranch_merge_snapshots_own_object_t object;
  if (!anabranch_merge_snapshots_method_snapshot_open(side, &name, &object, failure)) return false;
  char *bytes = ab_allocate((size_t)entry.size, 1);
  for (size_t at = 0; at < entry.size;) {
    merge_plugin_list_u8_t piece;
    anabranch_merge_snapshots_borrow_object_t opened = anabranch_merge_snapshots_borrow_object(object);
    if (!anabranch_merge_snapshots_method_object_read(opened, at, READ_BYTES, &piece, failure)) return false;
    if (piece.len == 0 || piece.len > entry.size - at) {
      return ab_fail(failure, "unreadable", AB_TEXT("it is not as long as its entry says"), path);
    }
    memcpy(bytes + at, piece.ptr, piece.len);
    at += piece.len;
    merge_plugin_list_u8_free(&piece);
  }
  anabranch_merge_snapshots_object_drop_own(object);
  *content = (ab_text){bytes, (size_t)entry.size};
  return true;
}

bool ab_read_sides(const ab_merge_input *input, uint64_t limit, ab_sides *sides, ab_failure *failure) {
  return ab_read_object(input->base, AB_TEXT(""), limit, &sides->base, failure) &&
         ab_read_object(input->ours, AB_TEXT(""), limit, &sides->ours, failure) &&
         ab_read_object(input->theirs, AB_TEXT(""), limit, &sides->theirs, failure);
}

static bool put(ab_result merged, ab_text path, anabranch_merge_output_own_object_t object, ab_failure *failure) {
  ab_string name = ab_string_of(path);
  return anabranch_merge_output_method_result_tree_put(anabranch_merge_output_borrow_result_tree(merged), &name,
                                                       anabranch_merge_snapshots_borrow_object(object), failure);
}

bool ab_write_object(ab_result merged, ab_text path, ab_text content, ab_failure *failure) {
  anabranch_merge_output_own_object_writer_t writer;
  if (!anabranch_merge_output_method_result_tree_create(anabranch_merge_output_borrow_result_tree(merged), &writer,
                                                        failure)) {
    return false;
  }
  anabranch_merge_output_borrow_object_writer_t open = anabranch_merge_output_borrow_object_writer(writer);
  for (size_t at = 0; at < content.length; at += READ_BYTES) {
    ab_text piece = ab_slice(content, at, at + READ_BYTES);
    merge_plugin_list_u8_t bytes = {(uint8_t *)piece.data, piece.length};
    if (!anabranch_merge_output_method_object_writer_write(open, &bytes, failure)) return false;
  }
  anabranch_merge_output_own_object_t finished;
  if (!anabranch_merge_output_method_object_writer_finish(open, &finished, failure)) return false;
  bool done = put(merged, path, finished, failure);
  anabranch_merge_snapshots_object_drop_own(finished);
  anabranch_merge_output_object_writer_drop_own(writer);
  return done;
}

/* The size and id of the unit, which is one object. */
static ab_value shown_entry(ab_snapshot side) {
  ab_string unit = ab_string_of(AB_TEXT(""));
  anabranch_merge_snapshots_entry_t entry;
  if (!anabranch_merge_snapshots_method_snapshot_stat(anabranch_merge_snapshots_borrow_snapshot(side), &unit, &entry)) {
    return (ab_value){.is_some = false};
  }
  ab_buffer json = {0};
  ab_append(&json, AB_TEXT("{\"size\":"));
  ab_append_number(&json, entry.size);
  ab_append(&json, AB_TEXT(",\"id\":"));
  ab_append_json(&json, ab_text_from(entry.id));
  ab_append(&json, AB_TEXT("}"));
  return ab_json(ab_finish(&json));
}

typedef anabranch_merge_output_option_resolution_t resolution;

/* Asks with these choices. `decision->is_some` is false where nobody decided yet. */
static bool ask(const ab_merge_input *input, anabranch_merge_output_conflict_t *conflict,
                const char *const choices[][2], size_t count, resolution *decision, ab_failure *failure) {
  anabranch_merge_output_choice_t *offered = ab_allocate(count, sizeof *offered);
  for (size_t at = 0; at < count; at++) {
    offered[at].id = literal(choices[at][0]);
    offered[at].label = literal(choices[at][1]);
  }
  conflict->choices.ptr = offered;
  conflict->choices.len = count;
  return anabranch_merge_output_method_result_tree_conflict(anabranch_merge_output_borrow_result_tree(input->merged),
                                                            conflict, decision, failure);
}

/* Which side a choice names; false for one that names none. */
static bool side_of(ab_string choice, anabranch_merge_types_side_t *side) {
  const ab_text names[] = {AB_TEXT("base"), AB_TEXT("ours"), AB_TEXT("theirs")};
  for (*side = 0; *side < 3; (*side)++) {
    if (ab_equal(ab_text_from(choice), names[*side])) return true;
  }
  return false;
}

bool ab_whole_object(const ab_merge_input *input, ab_text message, const char *rule, ab_failure *failure) {
  static const char *const choices[][2] = {{"ours", "keep the destination's object"},
                                           {"theirs", "take the source's object"},
                                           {"base", "go back to the object of the merge base"},
                                           {"object", "take an object that you upload"}};
  anabranch_merge_output_conflict_t conflict = {
      .kind = literal("object-conflict"), .message = ab_string_of(message), .rule = literal(rule)};
  conflict.base = shown_entry(input->base);
  conflict.ours = shown_entry(input->ours);
  conflict.theirs = shown_entry(input->theirs);
  resolution decision;
  if (!ask(input, &conflict, choices, 4, &decision, failure)) return false;
  if (!decision.is_some) return true;
  anabranch_merge_types_side_t side;
  if (side_of(decision.val.choice, &side)) {
    ab_string unit = ab_string_of(AB_TEXT(""));
    return anabranch_merge_output_method_result_tree_take(anabranch_merge_output_borrow_result_tree(input->merged),
                                                          &unit, side, failure);
  }
  if (!decision.val.object.is_some) {
    return ab_fail(failure, "bad-options", AB_TEXT("the choice object came without an object"), AB_TEXT(""));
  }
  return put(input->merged, AB_TEXT(""), decision.val.object.val, failure);
}

void ab_log(ab_text message) {
  ab_string said = ab_string_of(message);
  anabranch_merge_log_write(ANABRANCH_MERGE_LOG_LEVEL_INFO, &said);
}

/* Defines `name`, which calls `each` for all items of a reader. A folder may have millions of them, so pages are given
 * back. */
#define PAGES(name, kind, item, each_of) \
  static bool name(anabranch_merge_snapshots_own_##kind##_t all, each_of each, void *context, ab_failure *failure) { \
    for (;;) { \
      anabranch_merge_snapshots_list_##item##_t page; \
      anabranch_merge_snapshots_borrow_##kind##_t reader = anabranch_merge_snapshots_borrow_##kind(all); \
      if (!anabranch_merge_snapshots_method_##kind##_next(reader, PAGE, &page, failure)) return false; \
      if (page.len == 0) break; \
      for (size_t at = 0; at < page.len; at++) { \
        if (!each(context, &page.ptr[at], failure)) return false; \
      } \
      anabranch_merge_snapshots_list_##item##_free(&page); \
    } \
    anabranch_merge_snapshots_##kind##_drop_own(all); \
    return true; \
  }
PAGES(each_entry, entries, entry, ab_each_entry)
PAGES(each_change, changes, entry_change, ab_each_change)
PAGES(each_merge, merges, entry_merge, ab_each_merge)

bool ab_walk(ab_snapshot snapshot, ab_text prefix, ab_each_entry each, void *context, ab_failure *failure) {
  ab_string begin = ab_string_of(prefix);
  anabranch_merge_snapshots_borrow_snapshot_t side = anabranch_merge_snapshots_borrow_snapshot(snapshot);
  return each_entry(anabranch_merge_snapshots_method_snapshot_walk(side, &begin), each, context, failure);
}

bool ab_compare_sides(ab_snapshot before, ab_snapshot after, ab_text prefix, ab_each_change each, void *context,
                      ab_failure *failure) {
  ab_string begin = ab_string_of(prefix);
  anabranch_merge_snapshots_borrow_snapshot_t sides[] = {anabranch_merge_snapshots_borrow_snapshot(before),
                                                         anabranch_merge_snapshots_borrow_snapshot(after)};
  return each_change(anabranch_merge_snapshots_compare(sides[0], sides[1], &begin), each, context, failure);
}

bool ab_merge_changes(const ab_merge_input *input, ab_text prefix, ab_each_merge each, void *context,
                      ab_failure *failure) {
  ab_string begin = ab_string_of(prefix);
  anabranch_merge_snapshots_own_merges_t all = anabranch_merge_snapshots_compare_merge(
      anabranch_merge_snapshots_borrow_snapshot(input->base), anabranch_merge_snapshots_borrow_snapshot(input->ours),
      anabranch_merge_snapshots_borrow_snapshot(input->theirs), &begin);
  return each_merge(all, each, context, failure);
}

bool ab_settle(ab_decisions *decisions, const ab_merged *record, ab_text key, ab_text message, ab_text *value,
               ab_failure *failure) {
  static const char *const choices[][2] = {
      {"ours", "keep the destination's"}, {"theirs", "take the source's"}, {"base", "go back to the merge base"}};
  const ab_text values[] = {record->base, record->ours, record->theirs};
  const ab_merge_input *input = decisions->input;
  *value = record->merged;
  if (!record->clashes) return true;
  /* The caller said who wins, so nobody is asked. */
  if (input->prefer.is_some && input->prefer.val != ANABRANCH_MERGE_TYPES_SIDE_BASE) {
    *value = values[input->prefer.val];
    return true;
  }
  anabranch_merge_output_conflict_t conflict = {.kind = literal(decisions->kind),
                                                .key = ab_string_of(key),
                                                .message = ab_string_of(message),
                                                .rule = literal(decisions->rule),
                                                .base = ab_show(record->base),
                                                .ours = ab_show(record->ours),
                                                .theirs = ab_show(record->theirs)};
  resolution decision;
  if (!ask(input, &conflict, choices, 3, &decision, failure)) return false;
  anabranch_merge_types_side_t side;
  if (!decision.is_some) {
    decisions->open = true;
  } else if (side_of(decision.val.choice, &side)) {
    *value = values[side];
  } else {
    return ab_fail(failure, "internal", AB_TEXT("a choice came back that was not offered"), AB_TEXT(""));
  }
  return true;
}

ab_changes ab_changes_of(const ab_diff_input *input) {
  ab_changes changes = {.input = input, .wanted = true};
  changes.page = ab_allocate(PAGE, sizeof(anabranch_merge_diffs_change_t));
  return changes;
}

/* Hands the page over, and gives its memory back. */
static bool flush(ab_changes *changes, ab_failure *failure) {
  anabranch_merge_diffs_list_change_t page = {changes->page, changes->page_count};
  changes->page_count = 0;
  changes->page_bytes = 0;
  if (page.len == 0) return true;
  anabranch_merge_diffs_wish_t wish;
  anabranch_merge_diffs_borrow_sink_t sink = anabranch_merge_diffs_borrow_sink(changes->input->sink);
  if (!anabranch_merge_diffs_method_sink_emit(sink, &page, &wish, failure)) return false;
  changes->wanted = wish == ANABRANCH_MERGE_TYPES_WISH_MORE;
  for (size_t at = 0; at < page.len; at++) anabranch_merge_diffs_change_free(&page.ptr[at]);
  return true;
}

/* A copy that is freed with its page. */
static ab_text copied(ab_text text) {
  if (text.length == 0) return text;
  char *copy = ab_allocate(text.length, 1);
  memcpy(copy, text.data, text.length);
  return (ab_text){copy, text.length};
}

bool ab_change(ab_changes *changes, const char *what, ab_text path, ab_text key, ab_text before, ab_text after,
               ab_failure *failure) {
  anabranch_merge_diffs_change_kind_t kind = ANABRANCH_MERGE_TYPES_CHANGE_KIND_MODIFIED;
  if (before.data == NULL) kind = ANABRANCH_MERGE_TYPES_CHANGE_KIND_ADDED;
  if (after.data == NULL) kind = ANABRANCH_MERGE_TYPES_CHANGE_KIND_REMOVED;
  uint64_t *const counts[] = {&changes->added, &changes->removed, &changes->modified};
  ++*counts[kind];
  /* Where only totals are wanted the sink takes nothing, and counting goes on to the end. */
  if (changes->input->detail == EXPORTS_ANABRANCH_MERGE_DIFFER_DETAIL_TOTALS) return true;
  ab_value shown[] = {ab_show(copied(before)), ab_show(copied(after))};
  anabranch_merge_diffs_change_t *change = (anabranch_merge_diffs_change_t *)changes->page + changes->page_count++;
  *change = (anabranch_merge_diffs_change_t){.kind = kind,
                                             .what = ab_string_of(copied(ab_text_of(what))),
                                             .path = ab_string_of(copied(path)),
                                             .key = ab_string_of(copied(key)),
                                             .before = {shown[0].is_some, shown[0].val},
                                             .after = {shown[1].is_some, shown[1].val}};
  changes->page_bytes += path.length + key.length + before.length + after.length;
  /* One call to the host takes 16 MiB. */
  bool full = changes->page_count == PAGE || changes->page_bytes >= READ_BYTES;
  return !full || flush(changes, failure);
}

bool ab_diff_done(ab_changes *changes, ab_diff_summary *out, ab_failure *failure) {
  bool complete = changes->wanted;
  if (!flush(changes, failure)) return false;
  out->added = changes->added;
  out->removed = changes->removed;
  out->modified = changes->modified;
  out->rows.is_some = false;
  out->complete = complete;
  return true;
}

void ab_note(merge_plugin_list_string_t *notes, ab_text note) {
  if (notes->len >= NOTES_MAX) return;
  ab_string *all = ab_allocate(notes->len + 1, sizeof *all);
  if (notes->len > 0) memcpy(all, notes->ptr, notes->len * sizeof *all);
  all[notes->len] = ab_string_of(note);
  notes->ptr = all;
  notes->len++;
}
