// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// maxDepth is how deep arrays and objects may lie in each other. Ours need 5; without a limit a
// caller could make the stack grow.
const maxDepth = 32

// Unmarshal stores JSON in what v points to. It skips members of objects that v has no field for.
func Unmarshal(b []byte, v any) error {
	r := reader{b: b}
	if err := r.value(reflect.ValueOf(v).Elem(), 0); err != nil {
		return err
	}
	if r.next(); r.at < len(b) {
		return r.want("the end")
	}
	return nil
}

// value reads a value into v; it skips it if v is the zero reflect.Value.
func (r *reader) value(v reflect.Value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON is more than %d levels deep", maxDepth)
	}
	c := r.next()
	begin := r.at
	switch {
	case v.IsValid() && v.Type() == reflect.TypeFor[Raw]():
		err := r.value(reflect.Value{}, depth)
		v.SetBytes(append([]byte(nil), r.b[begin:r.at]...))
		return err
	case r.skip("null"):
		if v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) {
			v.SetZero()
		}
		return nil
	case v.IsValid() && v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem(), depth)
	case c == '{':
		return r.object(v, depth)
	case c == '[':
		return r.array(v, depth)
	case c == '"':
		s, err := r.text()
		if err != nil {
			return err
		}
		return setText(v, s)
	case r.skip("true"), r.skip("false"):
		return setBool(v, c == 't')
	}
	s, err := r.number()
	if err != nil {
		return err
	}
	return setNumber(v, s)
}

func (r *reader) object(v reflect.Value, depth int) error {
	if v.IsValid() && (v.Kind() != reflect.Struct || isTime(v)) {
		return misfit("an object", v)
	}
	r.take('{')
	for first := true; !r.take('}'); first = false {
		if !first && !r.take(',') || r.next() != '"' {
			return r.want("a member of an object")
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if !r.take(':') {
			return r.want("':'")
		}
		if err := r.value(member(v, name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// member returns the field of that name, or the zero reflect.Value.
func member(v reflect.Value, name []byte) reflect.Value {
	if !v.IsValid() {
		return v
	}
	for i := range v.NumField() {
		if known, _ := tag(v, i); known == string(name) {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func (r *reader) array(v reflect.Value, depth int) error {
	if v.IsValid() && v.Kind() != reflect.Slice {
		return misfit("an array", v)
	}
	if v.IsValid() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	r.take('[')
	for first := true; !r.take(']'); first = false {
		if !first && !r.take(',') {
			return r.want("',' or ']'")
		}
		var element reflect.Value
		if v.IsValid() {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			element = v.Index(v.Len() - 1)
		}
		if err := r.value(element, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// misfit is an error, but for a value that is skipped.
func misfit(what string, v reflect.Value) error {
	if !v.IsValid() {
		return nil
	}
	return fmt.Errorf("JSON has %s where %s belongs", what, v.Type())
}

func isTime(v reflect.Value) bool { return v.Type() == reflect.TypeFor[time.Time]() }

func setText(v reflect.Value, s []byte) (err error) {
	if v.IsValid() && isTime(v) {
		t, err := time.Parse(time.RFC3339, string(s))
		v.Set(reflect.ValueOf(t))
		return err
	}
	if !v.IsValid() || v.Kind() != reflect.String {
		return misfit("a string", v)
	}
	v.SetString(string(s))
	return nil
}

func setBool(v reflect.Value, is bool) error {
	if !v.IsValid() || v.Kind() != reflect.Bool {
		return misfit("true or false", v)
	}
	v.SetBool(is)
	return nil
}

func setNumber(v reflect.Value, s string) error {
	var err error
	switch {
	case v.IsValid() && v.Kind() == reflect.Int:
		var n int
		n, err = strconv.Atoi(s)
		v.SetInt(int64(n))
	case v.IsValid() && v.Kind() == reflect.Uint64:
		var n uint64
		n, err = strconv.ParseUint(s, 10, 64)
		v.SetUint(n)
	default:
		return misfit("a number", v)
	}
	if err != nil {
		return errors.New("JSON has the number " + s + " where it does not fit")
	}
	return nil
}
