// SPDX-License-Identifier: Apache-2.0

// Package manual writes the manual pages of Latchkey.
//
// It says nothing by itself that is said elsewhere: commands and options are
// those of the programs' own help, and the options of the configuration those
// of the table in README.md. So a page cannot promise what a program lacks.
package manual

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/latchkey/latchkey/cross/release"
)

// Pages returns the manual pages by their file names, in mdoc(7). Root is the
// folder of go.mod.
func Pages(ctx context.Context, root string, rel release.Release) (map[string][]byte, error) {
	client, err := helpOf(ctx, root, "latchkey")
	if err != nil {
		return nil, err
	}
	daemon, err := helpOf(ctx, root, "latchkeyd")
	if err != nil {
		return nil, err
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return nil, err
	}
	sections, err := table(string(readme))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"latchkey.1":  clientPage(client, rel),
		"latchkeyd.8": daemonPage(daemon, rel),
		"latchkey.5":  configPage(sections, rel),
	}, nil
}

// command is what a program's help says of one of its commands.
type command struct {
	name    string
	forms   []string // how it is typed
	text    []string // paragraphs
	options []option
}

type option struct {
	name, value, does string
	literal           bool // does begins with what a file says, in its letters
}

// program is what a program's help says.
type program struct {
	commands []command
	exits    []option // exit codes
}

var (
	clientForm = regexp.MustCompile(`(?m)^    latchkey (\w+)`)
	daemonForm = regexp.MustCompile(`(?m)^  (\w+)( \S.*?)?  +(\S.*)$`)
	optionLine = regexp.MustCompile(`^  (-{1,2}\S+)(?: ([A-Z]+))? +(\S.*)$`)
	exitLine   = regexp.MustCompile(`(?m)^  (\d)  (.*)$`)
)

// helpOf builds a program and asks it for its help.
func helpOf(ctx context.Context, root, name string) (program, error) {
	var p program
	folder, err := os.MkdirTemp("", "latchkey-manual-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", file, "./cmd/"+name)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	ask := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, file, args...).Output()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	usage, err := ask("help")
	if err != nil {
		return p, err
	}
	for _, m := range exitLine.FindAllStringSubmatch(usage, -1) {
		p.exits = append(p.exits, option{name: m[1], does: m[2]})
	}
	forms := clientForm
	if name == "latchkeyd" {
		forms = daemonForm
	}
	for _, m := range forms.FindAllStringSubmatch(usage, -1) {
		if len(p.commands) > 0 && p.commands[len(p.commands)-1].name == m[1] {
			continue // another form
		}
		help, err := ask(m[1], "--help")
		if err != nil {
			return p, err
		}
		c := command{name: m[1]}
		if name == "latchkeyd" {
			c.forms = []string{strings.TrimSpace("latchkeyd " + m[1] + m[2])}
			c.text = []string{strings.ToUpper(m[3][:1]) + m[3][1:] + "."}
		}
		p.commands = append(p.commands, c.read(help))
	}
	if len(p.commands) < 5 {
		return p, fmt.Errorf("the help of %s has %d commands", name, len(p.commands))
	}
	return p, nil
}

// read adds what a command's own help says: the forms, if they are there,
// paragraphs, and options.
func (c command) read(help string) command {
	known := len(c.forms) > 0
	var paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			c.text = append(c.text, strings.Join(paragraph, " "))
		}
		paragraph = nil
	}
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		m := optionLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			c.options = append(c.options, option{name: m[1], value: m[2], does: m[3]})
		case strings.HasPrefix(line, "latchkey "+c.name) && !known:
			c.forms = append(c.forms, line)
		case line == "", strings.HasPrefix(line, "options"):
			end()
		case known && strings.HasPrefix(line, "latchkeyd "): // version shows itself
		default:
			paragraph = append(paragraph, strings.TrimSpace(line))
		}
	}
	end()
	return c
}

// section is a type of section of the configuration, with its options.
type section struct {
	name    string
	options []option
}

// table reads the table of the configuration. What an option does stays Markdown.
func table(readme string) ([]section, error) {
	_, rest, found := strings.Cut(readme, "| section | option | meaning |\n|---|---|---|\n")
	if !found {
		return nil, fmt.Errorf("README.md has no table of the configuration")
	}
	var sections []section
	for line := range strings.Lines(rest) {
		cell := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "|") {
			break
		}
		if len(cell) != 3 {
			return nil, fmt.Errorf("the table of the configuration has a line with %d cells: %.80s", len(cell), line)
		}
		if name := plain(strings.TrimPrefix(cell[0], "|")); name != "" {
			sections = append(sections, section{name: name})
		}
		if len(sections) == 0 {
			return nil, fmt.Errorf("the table of the configuration begins without a section")
		}
		last := &sections[len(sections)-1]
		does := strings.TrimSpace(strings.TrimSuffix(cell[2], "|"))
		last.options = append(last.options, option{name: plain(cell[1]), does: does, literal: strings.HasPrefix(does, "`")})
	}
	return sections, nil
}

var (
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	seeBelow     = regexp.MustCompile(`, see \[below\]\([^)]*\)`) // what is below is in the README only
)

// plain leaves the signs of Markdown out.
func plain(s string) string {
	s = markdownLink.ReplaceAllString(seeBelow.ReplaceAllString(s, ""), "$1")
	return strings.TrimSpace(strings.NewReplacer("`", "", "*", "", `\|`, "|").Replace(s))
}
