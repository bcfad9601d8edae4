#include "settings.h"

static bool is_comment(ab_text line) {
  ab_text stripped = ab_trim(line);
  return stripped.length == 0 || stripped.data[0] == '#' || stripped.data[0] == '!';
}

/* A `\` at the end means that the value goes on in the next line; `\\` is a backslash. */
static bool value_goes_on(ab_text line) {
  ab_text stripped = ab_trim(line);
  size_t first = stripped.length;
  while (first > 0 && stripped.data[first - 1] == '\\') first--;
  return (stripped.length - first) % 2 == 1;
}

static ab_text key_of(ab_text line) {
  size_t equals = ab_find(line, '='), colon = ab_find(line, ':');
  return ab_trim(ab_slice(line, 0, equals < colon ? equals : colon));
}

static bool wrong_line(ab_text *wrong, size_t number, ab_text what) {
  ab_buffer message = {0};
  ab_append(&message, AB_TEXT("line "));
  ab_append_number(&message, number);
  ab_append(&message, what);
  *wrong = ab_finish(&message);
  return false;
}

bool settings_parse(ab_text text, ab_records *records, ab_text *wrong) {
  if (!ab_is_utf8(text)) {
    *wrong = AB_TEXT("it is not UTF-8");
    return false;
  }
  bool ends = text.length == 0 || text.data[text.length - 1] == '\n';
  /* A record that comes to stand behind the last one begins on a line of its own. */
  ab_text rest = ends ? text : ab_join((ab_text[]){text, AB_TEXT("\n")}, 2);
  ab_text all = rest, line, key = AB_TEXT("");
  size_t start = 0, number = 0;
  bool goes_on = false;
  while (ab_next_line(&rest, &line)) {
    size_t end = all.length - rest.length;
    number++;
    if (!goes_on) {
      if (is_comment(line)) continue;
      key = key_of(line);
      if (key.length == 0) return wrong_line(wrong, number, AB_TEXT(" has no key"));
    }
    goes_on = value_goes_on(line);
    /* The last line may say that it goes on, and does not. */
    if (goes_on && rest.length > 0) continue;
    ab_records_add(records, key, ab_slice(all, start, end));
    start = end;
  }
  ab_records_add(records, AB_TEXT(""), all.length == 0 ? AB_TEXT("") : ab_slice(all, start, all.length));
  size_t twice = ab_records_index(records);
  if (twice == records->count) return true;
  *wrong = ab_join((ab_text[]){AB_TEXT("it sets "), records->items[twice].key, AB_TEXT(" again")}, 3);
  return false;
}
