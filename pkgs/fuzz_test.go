// SPDX-License-Identifier: Apache-2.0

package pkgs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// readers are the names of functions that take in what others wrote.
var readers = regexp.MustCompile(`^(Parse|Read|Decode|Open|Unmarshal|Translate)[A-Za-z]*$`)

// ownFiles are packages with such a function, and why they have no target.
var ownFiles = map[string]string{
	"cross/adb":            "is fuzzed by the targets of cross/index",
	"cross/apktest":        "reads in tests only what cross/adb wrote",
	"cross/keys":           "reads files of the signer's own",
	"cross/release":        "reads files of the project",
	"pkgs/offer/offertest": "is for tests",
}

// TestTheTableOfFuzzTargetsIsTrue: each target stands in CONTRIBUTING.md, each that stands there is there, and
// each package that reads what others wrote has one.
func TestTheTableOfFuzzTargetsIsTrue(t *testing.T) {
	there, reads := map[string]bool{}, map[string]string{}
	fuzzed := map[string]bool{} // by folder
	root := os.DirFS("..")
	for _, top := range []string{"pkgs", "cmd", "cross", "luci-app", "openwrt"} {
		err := fs.WalkDir(root, top, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "node_modules":
				return fs.SkipDir
			case d.IsDir() || filepath.Ext(path) != ".go":
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", path), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			folder := filepath.Dir(path)
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				switch {
				case !ok:
				case strings.HasSuffix(path, "_test.go") && strings.HasPrefix(f.Name.Name, "Fuzz"):
					there[folder+" "+f.Name.Name], fuzzed[folder] = true, true
				case !strings.HasSuffix(path, "_test.go") && readers.MatchString(f.Name.Name) && takesText(f):
					reads[folder] = f.Name.Name
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	told := map[string]bool{}
	_, table, _ := strings.Cut(read(t, "../CONTRIBUTING.md"), "| what is read |")
	table, _, _ = strings.Cut(table, "\n\n")
	folder := ""
	for _, m := range regexp.MustCompile("`([a-z/-]+)`|(Fuzz[A-Za-z]+)").FindAllStringSubmatch(table, -1) {
		if m[1] != "" {
			folder = m[1]
		} else {
			told[folder+" "+m[2]] = true
		}
	}
	for target := range there {
		if !told[target] {
			t.Errorf("CONTRIBUTING.md does not have the target %s", target)
		}
	}
	for target := range told {
		if !there[target] {
			t.Errorf("CONTRIBUTING.md has the target %s, which is not there", target)
		}
	}
	for folder, function := range reads {
		if !fuzzed[folder] && ownFiles[folder] == "" {
			t.Errorf("%s has %s, and no fuzz target", folder, function)
		}
	}
	for folder := range ownFiles {
		if reads[folder] == "" || fuzzed[folder] {
			t.Errorf("%s needs no exception", folder)
		}
	}
	if len(there) < 40 || len(reads) < 15 {
		t.Errorf("only %d targets and %d packages that read were found", len(there), len(reads))
	}
}

// TestNightlyFuzzesEachTargetInTime: each target is in one of the nightly run's parts, and none of those needs more
// time than a job has.
func TestNightlyFuzzesEachTargetInTime(t *testing.T) {
	const besides = 60 // minutes to install packages and to compile each folder with what counts the coverage
	nightly := read(t, "../.github/workflows/nightly.yml")
	limit := regexp.MustCompile(`timeout-minutes: ([0-9]+)`).FindStringSubmatch(nightly)
	parts := regexp.MustCompile(`- target: (fuzz FUZZTIME=([0-9]+)m FUZZ='([^']+)')`).FindAllStringSubmatch(nightly, -1)
	if limit == nil || len(parts) == 0 {
		t.Fatal("nightly.yml has no limit, or no target fuzz")
	}
	most, _ := strconv.Atoi(limit[1])
	times := map[string]int{}
	for _, part := range parts {
		each, _ := strconv.Atoi(part[2])
		targets := fuzzTargets(t, strings.Fields(part[3])...)
		if need := len(targets)*each + besides; need > most {
			t.Errorf("make %s has %d targets and takes %d minutes, and the limit is %d (hint: make two of it)", part[1], len(targets), need, most)
		}
		for _, target := range targets {
			times[target]++
		}
	}
	for _, target := range fuzzTargets(t, "pkgs", "cmd", "cross", "luci-app", "openwrt", "testdata") {
		if times[target] != 1 {
			t.Errorf("%s is in %d of nightly.yml's parts of fuzz, want 1", target, times[target])
		}
	}
}

// fuzzTargets returns the targets in folders that match patterns.
func fuzzTargets(t *testing.T, patterns ...string) (targets []string) {
	for _, pattern := range patterns {
		tops, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, top := range tops {
			err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return err
				case d.IsDir() && d.Name() == "node_modules":
					return fs.SkipDir
				case !strings.HasSuffix(path, "_test.go"):
					return nil
				}
				for _, m := range regexp.MustCompile(`(?m)^func (Fuzz[A-Za-z0-9_]*)`).FindAllStringSubmatch(read(t, path), -1) {
					targets = append(targets, filepath.Dir(path)+" "+m[1])
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return targets
}

// takesText reports whether the first parameter is text, bytes or a reader.
func takesText(f *ast.FuncDecl) bool {
	if f.Type.Params.NumFields() == 0 {
		return false
	}
	switch p := f.Type.Params.List[0].Type.(type) {
	case *ast.Ident:
		return p.Name == "string"
	case *ast.ArrayType:
		of, ok := p.Elt.(*ast.Ident)
		return ok && of.Name == "byte"
	case *ast.SelectorExpr:
		return p.Sel.Name == "Reader"
	}
	return false
}
