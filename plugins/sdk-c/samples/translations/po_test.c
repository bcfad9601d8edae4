#include <stdio.h>
#include <stdlib.h>

#include "po.h"

static void check(int line, ab_text found, ab_text expected) {
  if (ab_equal(found, expected)) return;
  fprintf(stderr, "po_test.c:%d: %.*s\n", line, (int)found.length, found.data);
  exit(1);
}
#define CHECK(found, expected) check(__LINE__, found, expected)

static const char *const FILE_TEXT =
    "# Team\nmsgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n"
    "#. extracted\n#: a.c:1 b.c:2\n#, fuzzy\nmsgid \"\"\n\"one \"\n\"two\"\nmsgstr \"eins\"\n\n\n"
    "msgctxt \"menu\"\nmsgid \"one two\"\nmsgstr \"x\"\n\n#~ msgid \"one two\"\n#~ msgstr \"y\"\n\n# end\n";

static po_file parsed(const char *text, ab_text *wrong) {
  po_file file = {0};
  *wrong = AB_TEXT("");
  if (po_parse(ab_text_of(text), &file, wrong)) *wrong = AB_NONE;
  return file;
}

/* All messages again, each with its own references. */
static ab_text written(const po_file *file) {
  ab_buffer out = {0};
  for (size_t at = 0; at < file->count; at++) po_append(&out, &file->messages[at], file->messages[at].references);
  ab_append(&out, file->end);
  return ab_finish(&out);
}

static void check_wrong(const char *text, ab_text expected) {
  ab_text wrong;
  parsed(text, &wrong);
  CHECK(wrong, expected);
}

int main(void) {
  ab_text wrong;
  po_file file = parsed(FILE_TEXT, &wrong);
  CHECK(wrong, AB_NONE);
  CHECK(written(&file), ab_text_of(FILE_TEXT));
  CHECK(file.messages[1].msgid, AB_TEXT("one two"));
  CHECK(file.messages[1].references, AB_TEXT("#: a.c:1 b.c:2\n"));
  CHECK(file.messages[2].context, AB_TEXT("menu"));
  CHECK(po_is_header(&file.messages[0]) && !po_is_header(&file.messages[1]) ? AB_TEXT("yes") : AB_NONE, AB_TEXT("yes"));

  /* The same, wrapped in another way. */
  po_file again = parsed("#. extracted\n#, fuzzy\nmsgid \"one \"\n\"two\"\nmsgstr \"\"\n\"eins\"", &wrong);
  CHECK(again.compared.items[0].value, file.compared.items[1].value);

  ab_records fields = po_header(&file.messages[0]);
  CHECK(fields.items[ab_records_find(&fields, AB_TEXT("Language"))].value, AB_TEXT("\"Language: de\\n\"\n"));
  po_file remarks = parsed("#\n#\n# a\n#\nmsgid \"\"\nmsgstr \"\"\n", &wrong);
  fields = po_header(&remarks.messages[0]);
  CHECK(fields.items[3].key, AB_TEXT("#\n\n3"));

  check_wrong("msgid \"a\"\nmsgstr \"1\"\n\nmsgid \"a\"\nmsgstr \"2\"\n", AB_TEXT("a msgid stands twice: a"));
  check_wrong("# a remark\n\nmsgid \"a\"\n", AB_TEXT("there is no msgid at: # a remark"));
  check_wrong("", AB_NONE);
  puts("11 passed, 0 failed");
  return 0;
}
