/* What plugins need of the server again and again: whole objects, pages, conflicts.
 *
 * A plugin defines `ab_describe`, `ab_on_diff` and `ab_on_merge`. What they return may be literals and may point
 * anywhere: a call has a memory of its own, which ends with it, so nothing is freed (see `host.c`).
 *
 * Functions that can fail return false and have filled `failure`: hand it on with `return false`. The whole contract is
 * in `generated/merge_plugin.h`; what is here covers merging objects. */
#ifndef ANABRANCH_HOST_H
#define ANABRANCH_HOST_H

#include "generated/merge_plugin.h"
#include "records.h"
#include "text.h"

typedef merge_plugin_string_t ab_string;
typedef anabranch_merge_types_failure_t ab_failure;
typedef anabranch_merge_snapshots_own_snapshot_t ab_snapshot;
typedef anabranch_merge_output_own_result_tree_t ab_result;
typedef anabranch_merge_output_option_value_t ab_value;
typedef exports_anabranch_merge_about_description_t ab_description;
typedef exports_anabranch_merge_about_claim_t ab_claim;
typedef exports_anabranch_merge_merger_merge_input_t ab_merge_input;
typedef exports_anabranch_merge_merger_merge_outcome_t ab_merge_outcome;
typedef exports_anabranch_merge_differ_diff_input_t ab_diff_input;
typedef exports_anabranch_merge_differ_diff_summary_t ab_diff_summary;

/* What a plugin defines. `out` comes with all bytes zero, which is a merge that is done. */
void ab_describe(ab_description *out);
bool ab_on_diff(const ab_diff_input *input, ab_diff_summary *out, ab_failure *failure);
bool ab_on_merge(const ab_merge_input *input, ab_merge_outcome *out, ab_failure *failure);

#define AB_OBJECT_BYTES_MAX (64u * 1024 * 1024)

/* The same bytes as the host knows them, not copied. What is not UTF-8 ends the call. */
ab_string ab_string_of(ab_text text);
ab_text ab_text_from(ab_string string);

/* A value to show: the bytes as text, or as bytes where they are no text. None stays none. */
ab_value ab_show(ab_text value);
/* A value that is a JSON document. */
ab_value ab_json(ab_text document);

/* Fills `failure` and returns false, so that a plugin can `return ab_fail(...)`. `code` is one of the contract's or
 * begins with `x-`. */
bool ab_fail(ab_failure *failure, const char *code, ab_text message, ab_text path);

/* A description of a plugin that merges single objects whose names fit `pattern`. What only one side changed is taken
 * before it is asked. */
void ab_describe_objects(ab_description *out, const char *name, const char *version, const char *summary,
                         const char *claim, const char *pattern);

/* All bytes of an object; none where the side lacks it. Above `limit` bytes it fails. */
bool ab_read_object(ab_snapshot snapshot, ab_text path, uint64_t limit, ab_text *content, ab_failure *failure);

typedef struct {
  ab_text base;
  ab_text ours;
  ab_text theirs;
} ab_sides;

/* The unit, which is one object, on each side. */
bool ab_read_sides(const ab_merge_input *input, uint64_t limit, ab_sides *sides, ab_failure *failure);

/* Puts a new object at `path`. */
bool ab_write_object(ab_result merged, ab_text path, ab_text content, ab_failure *failure);

/* The unit, which is one object, cannot be merged within: people take one of its sides, or upload another. `rule` is
 * how the plugin's documentation names the reason. Returns what `ab_on_merge` is to return. */
bool ab_whole_object(const ab_merge_input *input, ab_text message, const char *rule, ab_failure *failure);

/* Page by page: `each` is called until it returns false, which ends the call with the `failure` that it filled. The
 * texts of an entry are gone when it returns. */
typedef bool (*ab_each_entry)(void *context, const anabranch_merge_types_entry_t *entry, ab_failure *failure);
typedef bool (*ab_each_change)(void *context, const anabranch_merge_types_entry_change_t *change, ab_failure *failure);
typedef bool (*ab_each_merge)(void *context, const anabranch_merge_types_entry_merge_t *merge, ab_failure *failure);

/* Every object whose path begins with `prefix`, in order of path. */
bool ab_walk(ab_snapshot snapshot, ab_text prefix, ab_each_entry each, void *context, ab_failure *failure);
/* Every object that differs. */
bool ab_compare_sides(ab_snapshot before, ab_snapshot after, ab_text prefix, ab_each_change each, void *context,
                      ab_failure *failure);
/* Every object that a side changed since the base. */
bool ab_merge_changes(const ab_merge_input *input, ab_text prefix, ab_each_merge each, void *context,
                      ab_failure *failure);

/* Says something to whoever reads the log of the merge. */
void ab_log(ab_text message);

/* How people are asked about records that clash. */
typedef struct {
  const ab_merge_input *input;
  /* A kind of the contract's list, such as `row-conflict`, or one that begins with `x-`. */
  const char *kind;
  const char *rule;
  /* One is undecided. Then there is nothing to write: the conflicts are the answer. */
  bool open;
} ab_decisions;

/* What a record is to be: none removes it. Of one that is open: what ours has. `key` names it for people, a JSON object
 * or any text, and only once in a merge. */
bool ab_settle(ab_decisions *decisions, const ab_merged *record, ab_text key, ab_text message, ab_text *value,
               ab_failure *failure);

/* A diff that is handed over in pages and counted. */
typedef struct {
  const ab_diff_input *input;
  uint64_t added, removed, modified;
  /* Somebody still reads. */
  bool wanted;
  void *page;
  size_t page_count;
  size_t page_bytes;
} ab_changes;

ab_changes ab_changes_of(const ab_diff_input *input);
/* One change; a value that is none is added or removed. `what` is one of the contract's or begins with `x-`, `path` is
 * relative to the unit. All texts are copied. */
bool ab_change(ab_changes *changes, const char *what, ab_text path, ab_text key, ab_text before, ab_text after,
               ab_failure *failure);
/* The end of a diff. Returns what `ab_on_diff` is to return. */
bool ab_diff_done(ab_changes *changes, ab_diff_summary *out, ab_failure *failure);
/* A sentence for the summary of a diff or a merge. */
void ab_note(merge_plugin_list_string_t *notes, ab_text note);

#endif
