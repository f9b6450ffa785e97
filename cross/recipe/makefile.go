// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// makefile is the part of a package's Makefile that this program follows:
// assignments and define blocks. Rules, conditions and functions it skips, and
// complains when it is asked for a value that needs one.
type makefile struct {
	name    string
	values  map[string]string   // of variables, not expanded
	defines map[string][]string // lines between define and endef, joined where they go on
}

func readMakefile(name string) (*makefile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &makefile{name: name, values: make(map[string]string), defines: make(map[string][]string)}
	var block string // name of the define that is being read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		for strings.HasSuffix(line, `\`) && lines.Scan() {
			line = strings.TrimSpace(strings.TrimSuffix(line, `\`)) + " " + strings.TrimSpace(lines.Text())
		}
		switch name, isDefine := strings.CutPrefix(line, "define "); {
		case isDefine:
			block = strings.TrimSpace(name)
			m.defines[block] = []string{}
		case strings.TrimSpace(line) == "endef":
			block = ""
		case block != "":
			m.defines[block] = append(m.defines[block], line)
		default:
			if key, value, ok := assignment(line); ok {
				m.values[key] = value
			}
		}
	}
	return m, lines.Err()
}

// assignment splits "NAME:=value". That OpenWrt's "=" and "?=" expand later or
// yield to the surroundings makes no difference for what is read here.
func assignment(line string) (name, value string, ok bool) {
	m := regexp.MustCompile(`^\s*([A-Za-z0-9_]+)\s*[:?]?=\s*(.*?)\s*$`).FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// value returns a variable with all variables in it expanded; "" if it is not
// set.
func (m *makefile) value(name string) (string, error) {
	return m.expand(m.values[name])
}

// expand replaces $(NAME) by the variable's value. References that OpenWrt's
// build fills, such as $(1), are an error.
func (m *makefile) expand(text string) (string, error) {
	for range 10 { // deep enough for any honest Makefile
		ref := regexp.MustCompile(`\$\(([^()]*)\)`).FindStringSubmatchIndex(text)
		if ref == nil {
			return text, nil
		}
		name := text[ref[2]:ref[3]]
		value, ok := m.values[name]
		if !ok {
			return "", fmt.Errorf("%s: cannot follow $(%s) in %q", m.name, name, text)
		}
		text = text[:ref[0]] + value + text[ref[1]:]
	}
	return "", fmt.Errorf("%s: variables in %q refer to each other in a circle", m.name, text)
}

// fields returns the assignments within a define, unexpanded.
func (m *makefile) fields(define string) (map[string]string, error) {
	lines, ok := m.defines[define]
	if !ok {
		return nil, fmt.Errorf("%s: no %q", m.name, "define "+define)
	}
	fields := make(map[string]string)
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, value, ok := assignment(line)
		if !ok {
			return nil, fmt.Errorf("%s: define %s: cannot follow %q", m.name, define, line)
		}
		fields[key] = value
	}
	return fields, nil
}

// hasOnly refuses parts of a package that are not among these: OpenWrt's build would follow them.
func (m *makefile) hasOnly(name string, parts ...string) error {
	for define := range m.defines {
		if part, is := strings.CutPrefix(define, "Package/"+name+"/"); is && !slices.Contains(parts, part) {
			return fmt.Errorf("%s: cannot follow %q", m.name, "define "+define)
		}
	}
	return nil
}

// text returns a define as the text that make hands to a shell or a file; ""
// if there is none.
func (m *makefile) text(define string) (string, error) {
	lines := m.defines[define]
	if len(lines) == 0 {
		return "", nil
	}
	const dollar = "\x00" // cannot be in a Makefile
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "$$", dollar)
	text, err := m.expand(text)
	return strings.ReplaceAll(text, dollar, "$"), err
}

// depends returns the packages that a list of OpenWrt's DEPENDS names. What
// begins with @ is a condition on the target, not a package.
func (m *makefile) depends(list string) ([]string, error) {
	list, err := m.expand(strings.ReplaceAll(list, "$(GO_ARCH_DEPENDS)", ""))
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, word := range strings.Fields(list) {
		switch {
		case word[0] == '@':
		case strings.Contains(word, ":"):
			return nil, fmt.Errorf("%s: cannot follow conditional dependency %q", m.name, word)
		default:
			packages = append(packages, strings.TrimPrefix(word, "+"))
		}
	}
	return packages, nil
}
