// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutants returns the table of mutants, then those of the operators over every file that decides and, if
// more are wanted, that recognises.
func mutants(root string, more bool) ([]mutant, error) {
	var all []mutant
	for i, e := range slices.Concat(edits, withUcode) {
		m, err := e.apply(root) // also of what is left out: it says what is stale
		if err != nil {
			return nil, err
		}
		if i < len(edits) || os.Getenv("LATCHKEY_UCODE") != "" {
			all = append(all, m)
		}
	}
	files := deciding
	if more {
		files = append(slices.Clip(files), recognising...)
	}
	for _, d := range files {
		list, err := operate(root, d)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// edit is a mutation by hand: what stands in a file once, and what shall stand there instead.
type edit struct {
	file, old, new string
	runs           []run
}

func (e edit) apply(root string) (mutant, error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
	if err != nil {
		return mutant{}, err
	}
	text := string(b)
	if n := strings.Count(text, e.old); n != 1 {
		return mutant{}, fmt.Errorf("%s has %q %d times, it must be there once: mend the table", e.file, e.old, n)
	}
	before, _, _ := strings.Cut(text, e.old)
	line := strings.Count(before, "\n") + 1
	return mutant{
		file: e.file, line: line, source: lineOf(text, line), what: fmt.Sprintf("%q for %q", e.new, e.old),
		from: len(before), to: len(before) + len(e.old), replacement: e.new, runs: e.runs,
	}, nil
}

// lineOf returns a line of a text, from 1, without spaces around it.
func lineOf(text string, line int) string {
	return strings.TrimSpace(strings.Split(text, "\n")[line-1])
}

// source is a Go file while it is changed.
type source struct {
	name     string
	text     string
	set      *token.FileSet
	runs     []run
	function *ast.FuncDecl // which is looked at; nil = outside of functions
	made     []mutant
}

// operate changes a Go file in every way that the operators know.
func operate(root string, d decides) ([]mutant, error) {
	path := filepath.Join(root, filepath.FromSlash(d.file))
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &source{name: d.file, text: string(b), set: token.NewFileSet(), runs: d.runs}
	f, err := parser.ParseFile(s.set, path, b, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		s.function, _ = d.(*ast.FuncDecl)
		s.operate(d)
	}
	return s.made, nil
}

func (s *source) operate(d ast.Decl) {
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok != token.IMPORT
		case *ast.IfStmt:
			s.negate(n.Cond)
		case *ast.ForStmt:
			s.shiftIn(n.Cond)
		case *ast.BinaryExpr:
			s.swapOperator(n)
		case *ast.BasicLit:
			s.shift(n)
		case *ast.CallExpr:
			s.swapArguments(n)
		case *ast.BlockStmt:
			s.drop(n.List)
		case *ast.CaseClause:
			s.drop(n.Body)
		}
		return true
	})
}

// add notes the mutant that has new in the place of a node.
func (s *source) add(n ast.Node, what, replacement string) {
	s.replace(n.Pos(), n.End(), what, replacement)
}

func (s *source) replace(from, to token.Pos, what, replacement string) {
	at := s.set.Position(from)
	m := mutant{
		file: s.name, line: at.Line, column: at.Column, source: lineOf(s.text, at.Line), what: what, runs: s.runs,
		from: at.Offset, to: s.set.Position(to).Offset, replacement: replacement,
	}
	if f := s.function; f != nil && f.Body != nil && f.Body.Pos() < from {
		m.body = s.set.Position(f.Body.Lbrace).Offset
		m.end = s.set.Position(f.Body.End()).Offset
		if f.Type.Results != nil {
			m.results = s.of(f.Type.Results)
		}
	}
	same := func(o mutant) bool { return o.from == m.from && o.to == m.to && o.replacement == m.replacement }
	if !slices.ContainsFunc(s.made, same) {
		s.made = append(s.made, m)
	}
}

// of returns the text of a node.
func (s *source) of(n ast.Node) string {
	return s.text[s.set.Position(n.Pos()).Offset:s.set.Position(n.End()).Offset]
}

// short is the text of a node for a person.
func (s *source) short(n ast.Node) string {
	text := strings.Join(strings.Fields(s.of(n)), " ")
	if len(text) > 60 {
		text = text[:57] + "..."
	}
	return text
}

func (s *source) negate(cond ast.Expr) { s.add(cond, "negate "+s.short(cond), "!("+s.of(cond)+")") }

func (s *source) shiftIn(cond ast.Expr) {
	if cond != nil {
		s.add(cond, "never "+s.short(cond), "false && ("+s.of(cond)+")")
	}
}

// others are the operators that one is mistaken for.
var others = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND, token.ADD: token.SUB, token.SUB: token.ADD,
	token.AND: token.OR, token.EQL: token.NEQ, token.NEQ: token.EQL,
}

func (s *source) swapOperator(b *ast.BinaryExpr) {
	if op, ok := others[b.Op]; ok {
		s.add(b, fmt.Sprintf("%s for %s in %s", op, b.Op, s.short(b)), s.of(b.X)+" "+op.String()+" "+s.of(b.Y))
	}
}

func (s *source) shift(l *ast.BasicLit) {
	if n, err := strconv.ParseInt(l.Value, 0, 64); l.Kind == token.INT && err == nil {
		s.add(l, "one more than "+l.Value, strconv.FormatInt(n+1, 10))
	}
}

// symmetric are functions to which the order of their arguments is the same.
var symmetric = []string{"min", "max", "slices.Equal", "subtle.ConstantTimeCompare"}

// swapArguments changes neighbours that look as if they could be mistaken for each other. If their
// types differ, it does not compile.
func (s *source) swapArguments(c *ast.CallExpr) {
	if slices.Contains(symmetric, s.of(c.Fun)) {
		return
	}
	for i := range len(c.Args) - 1 {
		a, b := c.Args[i], c.Args[i+1]
		if s.of(a) == s.of(b) {
			continue
		}
		between := s.text[s.set.Position(a.End()).Offset:s.set.Position(b.Pos()).Offset]
		s.replace(a.Pos(), b.End(), fmt.Sprintf("swap %s and %s", s.short(a), s.short(b)), s.of(b)+between+s.of(a))
	}
}

// drop leaves out one statement. A declaration or a return that is missed does not compile.
func (s *source) drop(list []ast.Stmt) {
	for _, statement := range list {
		switch n := statement.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt, *ast.DeferStmt, *ast.SendStmt:
			s.add(n, "drop "+s.short(n), "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				s.add(n, "drop "+s.short(n), "")
			}
		case *ast.ReturnStmt:
			if len(n.Results) == 0 {
				s.add(n, "drop "+s.short(n), "")
			}
		}
	}
}
