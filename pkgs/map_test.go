// SPDX-License-Identifier: Apache-2.0

package pkgs_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/target"
)

// chapter returns what stands in CONTRIBUTING.md under a heading.
func chapter(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, "../CONTRIBUTING.md"), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("CONTRIBUTING.md has no chapter %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// TestEveryPackageIsOnTheMap: CONTRIBUTING.md says what each package knows, and of no other.
func TestEveryPackageIsOnTheMap(t *testing.T) {
	table, _, _ := strings.Cut(chapter(t, "Where things are"), "\n\nA new")
	mapped := regexp.MustCompile("`((?:pkgs|cmd|luci-app)/[a-z0-9/]+)`").FindAllStringSubmatch(table, -1)
	var rows []string
	for _, m := range mapped {
		rows = append(rows, m[1])
		if _, err := os.Stat("../" + m[1]); err != nil {
			t.Errorf("CONTRIBUTING.md has %s, which is not there", m[1])
		}
	}
	for _, top := range []string{"pkgs", "cmd"} {
		folders, err := os.ReadDir("../" + top)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range folders {
			if f.IsDir() && !slices.Contains(rows, top+"/"+f.Name()) {
				t.Errorf("CONTRIBUTING.md does not say what %s/%s knows", top, f.Name())
			}
		}
	}
}

// widest is how many columns a picture may have: those of a terminal.
const widest = 80

// TestPackagesSayWhetherTheyAreForOthers: README.md names those that other programs may import, and each of the rest
// says that it is not meant for that.
func TestPackagesSayWhetherTheyAreForOthers(t *testing.T) {
	_, promise, found := strings.Cut(read(t, "../README.md"), "\nOther programs may import ")
	promise, _, _ = strings.Cut(promise, "\n")
	var forOthers []string
	for _, m := range regexp.MustCompile("`pkgs/([a-z0-9]+)`").FindAllStringSubmatch(promise, -1) {
		forOthers = append(forOthers, m[1])
		if !isFolder(m[1]) {
			t.Errorf("README.md promises package %s, which is not there", m[1])
		}
	}
	if !found || len(forOthers) == 0 {
		t.Fatal("README.md does not say which packages other programs may import")
	}
	err := filepath.WalkDir(".", func(folder string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || folder == "." {
			return err
		}
		doc, isPackage := packageDoc(t, folder)
		says := strings.HasSuffix(doc, "\nIt is not meant for other programs.\n")
		switch promised := slices.Contains(forOthers, folder); {
		case says && promised:
			t.Errorf("package %s says that it is not meant for other programs, README.md that they may import it", folder)
		case isPackage && !says && !promised:
			t.Errorf("the doc of package %s does not end with \"It is not meant for other programs.\", and README.md does not let them import it", folder)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packageDoc returns the doc of the package in a folder, if there is one.
func packageDoc(t *testing.T, folder string) (doc string, isPackage bool) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		doc += f.Doc.Text()
		isPackage = true
	}
	return doc, isPackage
}

// TestThePicturesNameWhatThereIs: functions, methods, types and commands in the pictures of CONTRIBUTING.md are
// in the code.
func TestThePicturesNameWhatThereIs(t *testing.T) {
	shell, program := read(t, "../openwrt/latchkey/files/latchkey.init"), read(t, "../cmd/latchkeyd/main.go")
	for heading, least := range map[string]int{"The way of a packet": 20, "The way of a configuration change": 20} {
		text := chapter(t, heading)
		_, picture, _ := strings.Cut(text, "```\n")
		picture, _, _ = strings.Cut(picture, "```")
		for line := range strings.Lines(picture) {
			if len(line) > widest+1 {
				t.Errorf("%s: %q has more than %d columns", heading, line, widest)
			}
		}
		names := 0
		for _, m := range regexp.MustCompile(`\b([a-z0-9]+)((?:\.[A-Za-z]\w*)+)`).FindAllStringSubmatch(picture, -1) {
			path := strings.Split(m[2][1:], ".")
			switch {
			case isFolder(m[1]):
				for i, name := range path {
					if !slices.Contains(declared(t, m[1], strings.Join(path[:i], ".")), name) {
						t.Errorf("%s: package %s has no %s", heading, m[1], strings.Join(path[:i+1], "."))
					}
				}
			case isFile("../luci-app/htdocs/luci-static/resources/latchkey/" + m[1] + ".js"):
				if !strings.Contains(read(t, "../luci-app/htdocs/luci-static/resources/latchkey/"+m[1]+".js"), "\nfunction "+path[0]+"(") {
					t.Errorf("%s: %s.js has no function %s", heading, m[1], path[0])
				}
			case len(path) == 1 && (path[0] == "init" || isFile("../openwrt/latchkey/files/"+m[1]+m[2])):
			default:
				t.Errorf("%s: what is %s?", heading, m[0])
			}
			names++
		}
		for _, m := range regexp.MustCompile(`\b(\w+)\(\)`).FindAllStringSubmatch(picture, -1) {
			if names++; !strings.Contains(shell, "\n"+m[1]+"() {") {
				t.Errorf("%s: latchkey.init has no function %s", heading, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\blatchkeyd ([a-z]+)`).FindAllStringSubmatch(picture, -1) {
			if names++; !strings.Contains(program, `{"`+m[1]+`", `) {
				t.Errorf("%s: latchkeyd has no command %s", heading, m[1])
			}
		}
		if names < least {
			t.Errorf("%s: only %d names were found", heading, names)
		}
	}
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// declared returns what a package declares on a type: fields and methods. Without a type, all that it
// declares, and its methods.
func declared(t *testing.T, name, on string) (names []string) {
	t.Helper()
	on = on[strings.LastIndexByte(on, '.')+1:]
	files, err := filepath.Glob(name + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if on == "" || receiver(decl) == on {
					names = append(names, decl.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && on == "" {
						names = append(names, s.Name.Name)
					} else if ok && s.Name.Name == on {
						names = append(names, members(s.Type)...)
					}
				}
			}
		}
	}
	return names
}

// receiver returns the name of the type that a method is of.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if p, ok := of.(*ast.StarExpr); ok {
		of = p.X
	}
	name, _ := of.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// members returns the fields of a struct, and the methods of an interface.
func members(of ast.Expr) (names []string) {
	var list *ast.FieldList
	switch of := of.(type) {
	case *ast.StructType:
		list = of.Fields
	case *ast.InterfaceType:
		list = of.Methods
	default:
		return nil
	}
	for _, f := range list.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// TestTheListsOfFilesToTouchAreTrue: where CONTRIBUTING.md says how something is added, it names files that there
// are, and as many as it says.
func TestTheListsOfFilesToTouchAreTrue(t *testing.T) {
	text := chapter(t, "How do I add …")
	_, text, _ = strings.Cut(text, "\n### ")
	lists := strings.Split(text, "\n### ")
	path := regexp.MustCompile("`([A-Za-z_/*0-9-]+(?:/[A-Za-z_*0-9.-]+|\\.md))`( \\(new\\))?") // a file, or a pattern of files
	if len(lists) != 5 {
		t.Errorf("%d lists, want 5", len(lists))
	}
	for _, list := range lists {
		heading, rows, _ := strings.Cut(list, "\n")
		m := regexp.MustCompile(`: (\d+) files?$`).FindStringSubmatch(heading)
		if m == nil {
			t.Errorf("%q does not say how many files are touched", heading)
			continue
		}
		said, _ := strconv.Atoi(m[1])
		files := map[string]bool{}
		for row := range strings.Lines(rows) {
			first, _, isRow := strings.Cut(strings.TrimPrefix(row, "| "), " |")
			if !strings.HasPrefix(row, "| ") || !isRow {
				continue
			}
			for _, m := range path.FindAllStringSubmatch(first, -1) {
				files[m[1]] = true
			}
		}
		for _, m := range path.FindAllStringSubmatch(rows, -1) {
			if there := len(glob(m[1])) > 0; there == (m[2] != "") {
				t.Errorf("%s: %s is there: %v", heading, m[1], there)
			}
		}
		if len(files) != said {
			t.Errorf("%s: the list has %d", heading, len(files))
		}
	}
}

func glob(path string) []string {
	found, _ := fs.Glob(os.DirFS(".."), path)
	return found
}

// kinds says where each kind of knock has to be known by its name besides pkgs/knock, with what to look for.
var kinds = []struct{ file, constant, word, why string }{
	{file: "daemon/admit.go", constant: "case knock.%:", why: "nobody may knock with a kind that admit does not know"},
	{file: "../luci-app/htdocs/luci-static/resources/latchkey/event.js", word: "case '%':", why: "the Events do not say how somebody knocked"},
}

func TestEveryKindOfKnockIsKnown(t *testing.T) {
	found := regexp.MustCompile(`(Kind\w+) +(?:Kind )?= "(\w+)"`).FindAllStringSubmatch(read(t, "knock/knock.go"), -1)
	if len(found) < 3 {
		t.Fatalf("only %d kinds were found in pkgs/knock", len(found))
	}
	for _, kind := range found {
		for _, place := range kinds {
			want := strings.ReplaceAll(place.constant, "%", kind[1]) + strings.ReplaceAll(place.word, "%", kind[2])
			if !strings.Contains(read(t, place.file), want) {
				t.Errorf("%s has no %q: %s", place.file, want, place.why)
			}
		}
	}
}

// TestEveryArchitectureHasItsSystemCalls: without the list of an architecture the daemon would run there with all
// that its kernel offers.
func TestEveryArchitectureHasItsSystemCalls(t *testing.T) {
	for _, tg := range target.All() {
		router := build.Default
		router.GOOS, router.GOARCH = "linux", tg.GOARCH
		none, err := router.MatchFile("sandbox", "list_other.go")
		if err != nil {
			t.Fatal(err)
		}
		if none {
			t.Errorf("%s: pkgs/sandbox has no list of system calls for %s", tg.Arch, tg.GOARCH)
		}
	}
}
