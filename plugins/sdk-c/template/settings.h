/* Settings files: a `key = value` a line, with comments. Pure.
 *
 * A file is a list of records, one for each key, and a record is text: the comments above the key, and its line. So what
 * nobody changed stays byte for byte as it was. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "sdk/records.h"

/* The records of a text, indexed. Where it is no settings file, says why in `wrong` and returns false.
 *
 * The last record has the empty key and holds what stands below the last setting: every file has it, so that it stays
 * at the end. */
bool settings_parse(ab_text text, ab_records *records, ab_text *wrong);

#endif
