#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sdk/records.h"

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

/* Records of `a1 b2`: a key of one letter and its value. */
static ab_records records(const char *text) {
  ab_records side = {0};
  for (const char *at = text; *at != '\0'; at += at[2] == ' ' ? 3 : 2) {
    ab_records_add(&side, (ab_text){at, 1}, (ab_text){at + 1, 1});
  }
  ab_records_index(&side);
  return side;
}

static void check_merge(const char *base, const char *ours, const char *theirs, const char *expected) {
  ab_records sides[] = {records(base), records(ours), records(theirs)};
  ab_merged *merged;
  size_t count = ab_merge_records(&sides[0], &sides[1], &sides[2], &merged);
  ab_buffer found = {0};
  for (size_t at = 0; at < count; at++) {
    if (merged[at].merged.data == NULL && !merged[at].clashes) continue;
    if (found.length > 0) ab_append(&found, AB_TEXT(" "));
    ab_append(&found, merged[at].key);
    ab_append(&found, merged[at].clashes ? AB_TEXT("?") : merged[at].merged);
  }
  if (!ab_equal(ab_finish(&found), ab_text_of(expected))) {
    fprintf(stderr, "%s | %s | %s: %.*s\n", base, ours, theirs, (int)found.length, found.data);
    exit(1);
  }
}

static void merges(void) {
  check_merge("a1 b1 c1", "a2 b1 c1", "a1 b3", "a2 b3");
  check_merge("a1", "a2", "a3", "a?");
  check_merge("a1", "", "a3", "a?");
  check_merge("a1", "a2", "", "a?");
  check_merge("", "a2", "a2", "a2");
  check_merge("a1", "", "a1", "");
  check_merge("a1 b1 c1", "a1 b1 c1", "x1 a1 y1 b1 z1 c1", "x1 a1 y1 b1 z1 c1");
  check_merge("a1 b1 c1", "c1 b1 a1", "a1 b1 x1 c1", "c1 b1 x1 a1");
}

static void keys_are_found(void) {
  ab_records side = {0};
  for (const char *key = "dabcb"; *key != '\0'; key++) ab_records_add(&side, (ab_text){key, 1}, AB_TEXT("1"));
  CHECK(ab_records_index(&side) == 4);
  CHECK(ab_records_find(&side, AB_TEXT("d")) == 0);
  CHECK(ab_records_find(&side, AB_TEXT("e")) == side.count);
}

static void texts(void) {
  ab_text rest = AB_TEXT("a\r\n\nb"), line;
  CHECK(ab_next_line(&rest, &line) && ab_equal(line, AB_TEXT("a\r\n")));
  CHECK(ab_next_line(&rest, &line) && ab_equal(line, AB_TEXT("\n")));
  CHECK(ab_next_line(&rest, &line) && ab_equal(line, AB_TEXT("b")));
  CHECK(!ab_next_line(&rest, &line));
  CHECK(ab_equal(ab_trim(AB_TEXT(" \ta b\r\n")), AB_TEXT("a b")));
  CHECK(!ab_equal(AB_NONE, AB_TEXT("")));
  const char *valid[] = {"", "a", "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
  const char *wrong[] = {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                         "\xf4\x90\x80\x80", "\xc2"};
  for (size_t at = 0; at < 7; at++) {
    CHECK(ab_is_utf8(ab_text_of(valid[at])));
    CHECK(!ab_is_utf8(ab_text_of(wrong[at])));
  }
  ab_buffer json = {0};
  ab_append_json(&json, AB_TEXT("a\"\\\n\xff\xc3\xa9"));
  ab_append_number(&json, 0);
  ab_append_number(&json, UINT64_MAX);
  CHECK(ab_equal(ab_finish(&json), AB_TEXT("\"a\\\"\\\\\\u000a\xef\xbf\xbd\xc3\xa9\"018446744073709551615")));
}

int main(void) {
  merges();
  keys_are_found();
  texts();
  puts("3 passed, 0 failed");
}
