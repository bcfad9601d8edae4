package settings

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, expected := range map[string]string{
		"# who\nhost = a\n\nretries: 3\n": "host:# who\nhost = a\n|retries:\nretries: 3\n|:|",
		"names = a, \\\n  b\n# end\n":     "names:names = a, \\\n  b\n|:# end\n|",
		"a = \\\\\nb = 1":                 "a:a = \\\\\n|b:b = 1\n|:|",
		"a = \\":                          "a:a = \\\n|:|",
		"":                                ":|",
		"a = 1\na = 2\n":                  "line 2 sets a again",
		"= 1\n":                           "line 1 has no key",
		"a = \xff\n":                      "it is not UTF-8",
	} {
		if found := shown(text); found != expected {
			t.Errorf("%q: %q, not %q", text, found, expected)
		}
	}
}

// shown gives the records of a text, each followed by `|`; of what is no settings file, why.
func shown(text string) string {
	list, err := Parse([]byte(text))
	if err != nil {
		return err.Error()
	}
	var all strings.Builder
	for _, key := range list.Keys() {
		all.WriteString(key + ":" + *list.Get(key) + "|")
	}
	return all.String()
}

func TestWithValue(t *testing.T) {
	record, err := WithValue("# why\na = 1\n", "a", json.RawMessage(`"2"`))
	if err != nil || record != "# why\na = 2\n" {
		t.Errorf("%q, %v", record, err)
	}
	for _, value := range []string{`"2\nb = 3"`, `2`, `"\\"`} {
		if _, err := WithValue("a = 1\n", "a", json.RawMessage(value)); err == nil {
			t.Errorf("%s was taken", value)
		}
	}
}
