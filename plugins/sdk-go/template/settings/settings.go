// Package settings reads and writes settings files: a `key = value` a line, with comments. It is pure.
//
// A file is a list of records, one for each key, and a record is text: the comments above the key, and its line. So what
// nobody changed stays byte for byte as it was.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"anabranch/plugin/records"
)

// End is the key of what stands below the last setting. Every file has it, so that it stays at the end.
const End = ""

// Parse gives the records of a file. It fails where there is a line without a key, or a key twice.
func Parse(content []byte) (*records.List[string], error) {
	if !utf8.Valid(content) {
		return nil, errors.New("it is not UTF-8")
	}
	list := &records.List[string]{}
	var record strings.Builder
	key, goesOn := End, false
	lines := lines(string(content))
	for index, line := range lines {
		record.WriteString(line)
		if !goesOn {
			if isComment(line) {
				continue
			}
			key = strings.TrimSpace(line[:strings.IndexAny(line+"=", "=:")])
			if key == End {
				return nil, fmt.Errorf("line %d has no key", index+1)
			}
		}
		// A `\` at the end means that the value goes on in the next line; `\\` is a backslash.
		stripped := strings.TrimSpace(line)
		goesOn = (len(stripped)-len(strings.TrimRight(stripped, `\`)))%2 == 1
		if goesOn && index+1 < len(lines) {
			continue
		}
		if !list.Add(key, record.String()) {
			return nil, fmt.Errorf("line %d sets %s again", index+1, key)
		}
		record.Reset()
	}
	list.Add(End, record.String())
	return list, nil
}

// WithValue is the record with another value, which comes as JSON. It fails for one that cannot be a setting's.
func WithValue(record, key string, value json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(value, &text) != nil || strings.ContainsAny(text, "\r\n") || strings.HasSuffix(text, `\`) {
		return "", errors.New("a value is a text of one line that does not end with a backslash")
	}
	var comments strings.Builder
	for _, line := range lines(record) {
		if !isComment(line) {
			break
		}
		comments.WriteString(line)
	}
	return comments.String() + key + " = " + text + "\n", nil
}

func isComment(line string) bool {
	stripped := strings.TrimSpace(line)
	return stripped == "" || stripped[0] == '#' || stripped[0] == '!'
}

func lines(text string) []string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		// A record that comes to stand behind the last one begins on a line of its own.
		text += "\n"
	}
	return records.Lines(text)
}
