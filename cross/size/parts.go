// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// part is a group of packages in a program.
type part struct {
	name  string
	bytes int
}

// partsOf adds up the symbols of a program by the packages they are from, the
// biggest first.
func partsOf(name string) ([]part, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sums := make(map[string]int)                          // bounded by the packages
	if tables := f.Section(".gopclntab"); tables != nil { // has no symbols for its parts
		sums["(tables of functions and lines)"] = int(tables.Size)
	}
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || f.Sections[s.Section].Type == elf.SHT_NOBITS {
			continue // takes no room in the file
		}
		sums[group(s.Name)] += int(s.Size)
	}
	var parts []part
	for name, bytes := range sums {
		parts = append(parts, part{name, bytes})
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name))
	})
	return parts, nil
}

// group returns which part a symbol belongs to: a package of ours, a module of
// others, or a family of packages of the standard library.
func group(symbol string) string {
	pkg := importPath(symbol)
	switch {
	case pkg == "":
		return "(types and strings)"
	case pkg == "main":
		return "cmd/latchkeyd"
	case strings.HasPrefix(pkg, "github.com/latchkey/latchkey/"):
		return strings.TrimPrefix(pkg, "github.com/latchkey/latchkey/")
	case strings.Contains(strings.Split(pkg, "/")[0], "."):
		return strings.Join(first(strings.Split(pkg, "/"), 3), "/")
	case pkg == "encoding/json", pkg == "log/slog", pkg == "os/exec":
		return "std: " + pkg
	}
	family := strings.Split(strings.TrimPrefix(pkg, "internal/"), "/")[0]
	switch family {
	case "runtime", "abi", "bytealg", "cpu", "chacha8rand", "sync", "race", "goarch", "unsafe", "_cgo_init":
		return "std: runtime"
	case "net", "vendor", "singleflight", "nettrace":
		return "std: net"
	}
	return "std: " + family
}

// importPath returns the package in a symbol's name, such as
// "github.com/mdlayher/netlink.(*Conn).Close"; "" for what the linker made. A
// dot in the last element of a path is written as %2e.
func importPath(symbol string) string {
	if strings.HasPrefix(symbol, "type:") || strings.HasPrefix(symbol, "go:") {
		return ""
	}
	symbol, _, _ = strings.Cut(symbol, "[") // type arguments have paths of their own
	symbol, _, _ = strings.Cut(symbol, "(")
	slash := strings.LastIndex(symbol, "/")
	dot := strings.Index(symbol[slash+1:], ".")
	if dot < 0 {
		return ""
	}
	return strings.ReplaceAll(symbol[:slash+1+dot], "%2e", ".")
}

func first(words []string, n int) []string { return words[:min(n, len(words))] }
