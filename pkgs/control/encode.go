// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Marshal and Unmarshal are JSON (RFC 8259) for the types of this package, by their tags and with
// the results of encoding/json, whose 80 kB the router's program has no room for. They know what
// these types are made of: structs, pointers, slices, strings, booleans, int, uint64, time.Time
// and Raw. The tests hold them to encoding/json.

// Raw is JSON that is kept as it is.
type Raw []byte

// Marshal returns v as JSON on one line. It panics if v has a type that it does not know.
func Marshal(v any) []byte { return Append(nil, v) }

// Append appends what Marshal returns. It takes little memory of its own where v is a pointer.
func Append(b []byte, v any) []byte { return appendValue(b, reflect.ValueOf(v)) }

func appendValue(b []byte, v reflect.Value) []byte {
	if t, is := reflect.TypeAssert[time.Time](v); is {
		return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	if raw, is := reflect.TypeAssert[Raw](v); is {
		return append(b, raw...)
	}
	switch v.Kind() {
	case reflect.String:
		return appendText(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.Pointer, reflect.Slice:
		if v.IsNil() {
			return append(b, "null"...)
		}
		if v.Kind() == reflect.Pointer {
			return appendValue(b, v.Elem())
		}
		return appendSlice(b, v)
	}
	panic("control: no JSON for " + v.Type().String())
}

func appendStruct(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	for i := range v.NumField() {
		name, option := tag(v, i)
		f := v.Field(i)
		if option == "omitempty" && (f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0) {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		b = appendValue(b, f)
	}
	return append(b, '}')
}

// tag returns what the tag of a struct's field i says. All are json:"name" or json:"name,option".
func tag(v reflect.Value, i int) (name, option string) {
	text := string(v.Type().Field(i).Tag)
	name, option, _ = strings.Cut(strings.Trim(strings.TrimPrefix(text, "json:"), `"`), ",")
	return name, option
}

func appendSlice(b []byte, v reflect.Value) []byte {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v.Index(i))
	}
	return append(b, ']')
}

func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s { // bytes that are no UTF-8 come as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
