// SPDX-License-Identifier: Apache-2.0

package uci

import "fmt"

// MaxSize is the longest text that Parse reads, in bytes. The largest files on a router (hundreds
// of static leases) have some tens of kilobytes.
const MaxSize = 1 << 20

// MaxErrors is how many errors Parse lists before it gives up. It also bounds Parse's time: after
// an unterminated quote it goes on at the next line.
const MaxErrors = 50

// File is one configuration file.
type File struct {
	Package  string // of a package statement; "" = there is none
	Sections []Section
}

// Section is one section with its options in the order of their first appearance.
type Section struct {
	Type    string
	Name    string // "" = anonymous
	Index   int    // place among the sections of its type, from 0: that of @type[0]
	Line    int    // where it begins, from 1
	Options []Option
}

// Option is an option, or a list. It has at least one value, and exactly one if it is no list.
type Option struct {
	Name   string
	List   bool
	Values []Value
}

// Value is one value and the line of the statement that gave it.
type Value struct {
	Text string
	Line int
}

// Error is one place where a text breaks the grammar.
type Error struct {
	Line   int // from 1; 0 = the text as a whole
	Reason string
}

// Error names the reason and the line.
func (e Error) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("%s (line %d)", e.Reason, e.Line)
}
