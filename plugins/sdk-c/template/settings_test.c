#include <stdio.h>
#include <stdlib.h>

#include "settings.h"

static void check(int line, ab_text found, ab_text expected) {
  if (ab_equal(found, expected)) return;
  fprintf(stderr, "settings_test.c:%d: %.*s\n", line, (int)found.length, found.data);
  exit(1);
}
#define CHECK(found, expected) check(__LINE__, found, expected)

/* The text of the records, each followed by `|`; of what is no settings file, why. */
static ab_text parsed(const char *text) {
  ab_records records = {0};
  ab_buffer shown = {0};
  ab_text wrong;
  if (!settings_parse(ab_text_of(text), &records, &wrong)) return wrong;
  for (size_t at = 0; at < records.count; at++) {
    ab_append(&shown, records.items[at].key);
    ab_append(&shown, AB_TEXT(":"));
    ab_append(&shown, records.items[at].value);
    ab_append(&shown, AB_TEXT("|"));
  }
  return ab_finish(&shown);
}

int main(void) {
  CHECK(parsed("# who\nhost = a\n\nretries: 3\n"), AB_TEXT("host:# who\nhost = a\n|retries:\nretries: 3\n|:|"));
  CHECK(parsed("names = a, \\\n  b\n# end\n"), AB_TEXT("names:names = a, \\\n  b\n|:# end\n|"));
  CHECK(parsed("a = \\\\\nb = 1"), AB_TEXT("a:a = \\\\\n|b:b = 1\n|:|"));
  CHECK(parsed("a = \\"), AB_TEXT("a:a = \\\n|:|"));
  CHECK(parsed(""), AB_TEXT(":|"));
  CHECK(parsed("a = 1\na = 2\n"), AB_TEXT("it sets a again"));
  CHECK(parsed("= 1\n"), AB_TEXT("line 1 has no key"));
  CHECK(parsed("a = \xff\n"), AB_TEXT("it is not UTF-8"));
  puts("8 passed, 0 failed");
  return 0;
}
