#include "records.h"

#include <stdlib.h>
#include <string.h>

void ab_records_add(ab_records *records, ab_text key, ab_text value) {
  if (records->count == records->room) {
    size_t room = records->room == 0 ? 16 : records->room * 2;
    ab_record *items = ab_allocate(room, sizeof *items);
    if (records->count > 0) memcpy(items, records->items, records->count * sizeof *items);
    free(records->items);
    records->items = items;
    records->room = room;
  }
  records->items[records->count++] = (ab_record){key, value};
}

/* What `by_key` sorts: a comparison gets nothing else to look keys up in. */
typedef struct {
  ab_text key;
  size_t place;
} keyed;

static int by_key(const void *left, const void *right) {
  const keyed *one = left, *other = right;
  int order = ab_compare(one->key, other->key);
  return order != 0 ? order : (one->place > other->place) - (one->place < other->place);
}

size_t ab_records_index(ab_records *records) {
  size_t count = records->count, twice = count;
  keyed *sorted = ab_allocate(count, sizeof *sorted);
  for (size_t place = 0; place < count; place++) sorted[place] = (keyed){records->items[place].key, place};
  qsort(sorted, count, sizeof *sorted, by_key);
  records->by_key = ab_allocate(count, sizeof *records->by_key);
  for (size_t at = 0; at < count; at++) {
    records->by_key[at] = sorted[at].place;
    bool again = at > 0 && ab_compare(sorted[at - 1].key, sorted[at].key) == 0;
    if (again && sorted[at].place < twice) twice = sorted[at].place;
  }
  free(sorted);
  return twice;
}

size_t ab_records_find(const ab_records *records, ab_text key) {
  size_t low = 0, high = records->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    size_t place = records->by_key[middle];
    int order = ab_compare(records->items[place].key, key);
    if (order == 0) return place;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return records->count;
}

static ab_text value_of(const ab_records *records, ab_text key) {
  size_t place = ab_records_find(records, key);
  return place == records->count ? AB_NONE : records->items[place].value;
}

static ab_merged decide(ab_text key, ab_text base, ab_text ours, ab_text theirs) {
  bool keeps_ours = ab_equal(ours, theirs) || ab_equal(base, theirs);
  bool takes_theirs = ab_equal(base, ours);
  ab_text merged = takes_theirs && !keeps_ours ? theirs : ours;
  return (ab_merged){key, base, ours, theirs, !keeps_ours && !takes_theirs, merged};
}

/* Adds what only theirs has, from `at` on, up to the next key that ours has. */
static size_t add_theirs(const ab_records *base, const ab_records *ours, const ab_records *theirs, size_t at,
                         ab_merged *merged, size_t count) {
  for (; at < theirs->count; at++) {
    ab_record record = theirs->items[at];
    if (ab_records_find(ours, record.key) != ours->count) break;
    merged[count++] = decide(record.key, value_of(base, record.key), AB_NONE, record.value);
  }
  return count;
}

size_t ab_merge_records(const ab_records *base, const ab_records *ours, const ab_records *theirs, ab_merged **merged) {
  ab_merged *all = *merged = ab_allocate(ours->count + theirs->count, sizeof *all);
  size_t count = add_theirs(base, ours, theirs, 0, all, 0);
  for (size_t at = 0; at < ours->count; at++) {
    ab_record record = ours->items[at];
    size_t place = ab_records_find(theirs, record.key);
    ab_text value = place == theirs->count ? AB_NONE : theirs->items[place].value;
    all[count++] = decide(record.key, value_of(base, record.key), record.value, value);
    if (place < theirs->count) count = add_theirs(base, ours, theirs, place + 1, all, count);
  }
  return count;
}
