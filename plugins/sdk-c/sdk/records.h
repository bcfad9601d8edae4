/* The three-way rule over records by key. Pure. */
#ifndef ANABRANCH_RECORDS_H
#define ANABRANCH_RECORDS_H

#include "text.h"

typedef struct {
  ab_text key;
  ab_text value;
} ab_record;

/* Records in the order of their file. Begin with zeros: `ab_records side = {0};` */
typedef struct {
  ab_record *items;
  size_t count;
  size_t room;
  /* Places in `items`, by key: what `ab_records_index` makes. */
  size_t *by_key;
} ab_records;

/* Appends a record. A value is never none. */
void ab_records_add(ab_records *records, ab_text key, ab_text value);
/* Has to be called when all are in. Returns the place of a record whose key an earlier one has; `count` if there is
 * none. */
size_t ab_records_index(ab_records *records);
/* The place of a key; `count` where it is not. */
size_t ab_records_find(const ab_records *records, ab_text key);

/* One key of a merge. A side that lacks it is none. */
typedef struct {
  ab_text key;
  ab_text base;
  ab_text ours;
  ab_text theirs;
  /* Both sides changed it, and differently. */
  bool clashes;
  /* What the three-way rule says. Of a clash: what ours has. None: the record is removed. */
  ab_text merged;
} ab_merged;

/* All keys of ours and theirs, in the order in which they stand in the result: ours' order, and what only theirs has
 * behind what precedes it in theirs. All three are indexed, without a key twice. Returns how many. */
size_t ab_merge_records(const ab_records *base, const ab_records *ours, const ab_records *theirs, ab_merged **merged);

#endif
