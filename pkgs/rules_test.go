// SPDX-License-Identifier: Apache-2.0

// Package pkgs_test keeps the rules of the house: which package may know which.
package pkgs_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/latchkey/latchkey/"

// arrows lists, for each package, which of ours it may import: all arrows go downward.
var arrows = map[string][]string{
	"pkgs/uci":       {},
	"pkgs/wire":      {},
	"pkgs/seal":      {},
	"pkgs/replace":   {},
	"pkgs/store":     {"pkgs/replace", "pkgs/seal"},
	"pkgs/sandbox":   {},
	"pkgs/wake":      {"pkgs/netlink", "pkgs/wire"},
	"pkgs/control":   {},
	"pkgs/door":      {},
	"pkgs/rate":      {},
	"pkgs/radar":     {"pkgs/control", "pkgs/wire"},
	"pkgs/terminal":  {},
	"pkgs/clock":     {},
	"pkgs/link":      {"pkgs/knock", "pkgs/seal", "pkgs/wire"},
	"pkgs/knock":     {"pkgs/rate", "pkgs/seal", "pkgs/wire"},
	"pkgs/capture":   {"pkgs/netlink", "pkgs/rate", "pkgs/wire"},
	"pkgs/hooks":     {"pkgs/control"},
	"pkgs/history":   {"pkgs/control", "pkgs/replace"},
	"pkgs/netlink":   {},
	"pkgs/nft":       {"pkgs/door", "pkgs/netlink"},
	"pkgs/conntrack": {"pkgs/door", "pkgs/netlink"},
	"pkgs/fw4":       {"pkgs/config", "pkgs/nft", "pkgs/wire"},
	"pkgs/pickup":    {"pkgs/seal"},
	"pkgs/offer":     {"pkgs/pickup"},
	"pkgs/config":    {"pkgs/door", "pkgs/uci", "pkgs/knock", "pkgs/link", "pkgs/seal", "pkgs/wire"},
	"pkgs/command":   {},
	"pkgs/foreign":   {"pkgs/command", "pkgs/config", "pkgs/seal", "pkgs/uci"},
	"pkgs/uplink":    {"pkgs/config", "pkgs/knock", "pkgs/uci", "pkgs/wire"},
	"pkgs/share":     {"pkgs/config", "pkgs/knock", "pkgs/link", "pkgs/wire"},
	"pkgs/send":      {"pkgs/knock", "pkgs/link", "pkgs/resolver", "pkgs/seal", "pkgs/wire"},
	"pkgs/probe":     {"pkgs/send"},
	"pkgs/resolver":  {},
	"pkgs/daemon":    {"pkgs/clock", "pkgs/config", "pkgs/control", "pkgs/door", "pkgs/knock", "pkgs/radar", "pkgs/rate", "pkgs/seal", "pkgs/wire"},
	"cmd/latchkey":   {"pkgs/knock", "pkgs/link", "pkgs/pickup", "pkgs/probe", "pkgs/resolver", "pkgs/seal", "pkgs/send", "pkgs/terminal", "pkgs/wire"},
	"cmd/latchkeyd": {"pkgs/capture", "pkgs/clock", "pkgs/config", "pkgs/conntrack", "pkgs/control", "pkgs/daemon", "pkgs/foreign", "pkgs/fw4", "pkgs/history", "pkgs/hooks", "pkgs/knock", "pkgs/link", "pkgs/nft",
		"pkgs/offer", "pkgs/pickup", "pkgs/sandbox", "pkgs/seal", "pkgs/share", "pkgs/store", "pkgs/terminal", "pkgs/uci", "pkgs/uplink", "pkgs/wake", "pkgs/wire"},
}

// only lists, for a package of others, which of ours may import it, and why.
var only = []struct {
	imported string
	by       []string
	why      string
}{
	{module + "pkgs/netlink", []string{"pkgs/capture", "pkgs/nft", "pkgs/conntrack", "pkgs/wake"},
		"one place each knows what it asks the kernel: devices, sets, sessions and networks"},
	{"github.com/mdlayher/netlink", nil, "pkgs/netlink is a third of it, and is compared with it"},
}

// forbidden lists what must not be in a program, and why.
var forbidden = []struct{ program, imported, why string }{
	{"cmd/latchkeyd", "net/http", "it more than doubles the binary on a router with 16 MB of flash"},
	{"cmd/latchkeyd", "os/exec", "the daemon runs no programs"},
	{"cmd/latchkeyd", "text/template", "it keeps every exported method in the binary"},
	{"cmd/latchkeyd", "encoding/json", "65 kB compressed; pkgs/control has what its types need"},
	{"cmd/latchkeyd", "log/slog", "44 kB compressed; the log is a follower of the events"},
	{"cmd/latchkeyd", "flag", "11 kB compressed; cmd/latchkeyd/flags.go has what the commands need"},
	{"cmd/latchkeyd", "net", "60 kB compressed with what netlink takes of it; pkgs/netlink and pkgs/control have the sockets, pkgs/wire the addresses of cards"},
	{"cmd/latchkeyd", "log", "the log is a follower of the events; it comes with libraries"},
	{"cmd/latchkeyd", "math/rand", "it comes with libraries; what is random here must not be guessed"},
	{"cmd/latchkeyd", "github.com/mdlayher/socket", "it brings log, math/rand and context; see pkgs/netlink"},
	{"cmd/latchkey", module + "pkgs/netlink", "the client runs on other systems than Linux"},
}

// pure packages have no input and output of their own: a test of one is a list of values.
var pure = []string{"pkgs/uci", "pkgs/wire", "pkgs/knock", "pkgs/seal", "pkgs/link", "pkgs/pickup", "pkgs/radar", "pkgs/rate", "pkgs/share", "pkgs/clock", "pkgs/command"}

// impure is what they must not import.
var impure = []string{"os", "log", "log/slog", "net", "net/http", "os/exec", "sync", "syscall", "golang.org/x/sys/unix"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
	GoFiles    []string
	Dir        string
}

// list returns the packages of this module as they are built for a router.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,GoFiles,Dir", "../pkgs/...", "../cmd/...")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mipsle", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	pkgs := map[string]pkg{}
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := in.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func TestImports(t *testing.T) {
	pkgs := list(t)
	for name, p := range pkgs {
		allowed, known := arrows[name]
		if !known && len(p.GoFiles) > 0 && !strings.HasSuffix(name, "test") && name != "pkgs/lab" {
			t.Errorf("%s is not in the table of arrows: say what it may import", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && known && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which is not below it", name, ours)
			}
			for _, rule := range only {
				if imported == rule.imported && !slices.Contains(rule.by, name) {
					t.Errorf("%s imports %s, only %s may: %s", name, imported, rule.by, rule.why)
				}
			}
			if slices.Contains(pure, name) && slices.Contains(impure, imported) {
				t.Errorf("%s imports %s, but does no input or output", name, imported)
			}
		}
	}
	for _, rule := range forbidden {
		p, ok := pkgs[rule.program]
		if !ok {
			t.Errorf("no program %s", rule.program)
		}
		if slices.Contains(p.Deps, rule.imported) {
			t.Errorf("%s depends on %s: %s", rule.program, rule.imported, rule.why)
		}
	}
}

func TestPurePackagesReadNoClockAndStartNoGoroutine(t *testing.T) {
	for _, name := range pure {
		p := list(t)[name]
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", fset.Position(n.Pos()))
				case *ast.SelectorExpr:
					x, ok := n.X.(*ast.Ident)
					clock := []string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker", "AfterFunc"}
					if ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s uses time.%s", fset.Position(n.Pos()), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// starters are the names by which a program could be run, or a socket of a network be listened at, and
// who may use them. os/exec and net/http are in the table forbidden.
var starters = []struct {
	names []string
	by    []string // files
	why   string
}{
	{[]string{"ForkExec", "StartProcess"}, []string{"pkgs/hooks/hooks.go"}, "the daemon runs no programs; hooks is a process of its own"},
	{[]string{"Exec"}, []string{"cmd/latchkeyd/rights.go"}, "the daemon executes only itself again, with fewer rights"},
	{[]string{"Listen", "ListenTCP", "ListenUDP", "ListenPacket", "ListenIP", "ListenMulticastUDP", "ListenConfig"}, []string{"pkgs/control/socket.go"},
		"nothing of the router's program listens on the network; the control socket is none"},
}

func TestDaemonRunsNoProgramAndListensOnNoNetwork(t *testing.T) {
	pkgs := list(t)
	files := 0
	for name, p := range pkgs {
		if name != "cmd/latchkeyd" && !slices.Contains(pkgs["cmd/latchkeyd"].Deps, module+name) {
			continue
		}
		for _, file := range p.GoFiles {
			files++
			where := name + "/" + file
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				from, ok := s.X.(*ast.Ident)
				if !ok || !slices.Contains([]string{"os", "syscall", "unix", "net"}, from.Name) {
					return true
				}
				for _, rule := range starters {
					if slices.Contains(rule.names, s.Sel.Name) && !slices.Contains(rule.by, where) {
						t.Errorf("%s uses %s.%s: %s", fset.Position(s.Pos()), from.Name, s.Sel.Name, rule.why)
					}
				}
				return true
			})
		}
	}
	if files < 50 {
		t.Errorf("%d files were read: the program has more", files)
	}
}

// What proves that somebody has a key is compared in a time that tells nothing of it: RFC 2104 gives the
// reason, package crypto/subtle the way. A test cannot measure that, so it looks for the call.
func TestKeyedSumsAreComparedInConstantTime(t *testing.T) {
	for file, call := range map[string]string{
		"seal/message.go": "subtle.ConstantTimeCompare(tag,",
		"knock/fwknop.go": "subtle.ConstantTimeCompare(want,",
		"pickup/seal.go":  "subtle.ConstantTimeCompare(tag,",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(call)) {
			t.Errorf("%s compares without %q", file, call)
		}
	}
}

// Package base64 skips line ends wherever they stand, so seal.Unbase64 reads all text that strangers
// and files bring; it is named here so that a next reader does not forget it.
func TestBase64IsReadInOnePlace(t *testing.T) {
	for name, p := range list(t) {
		for _, file := range p.GoFiles {
			b, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			reads := bytes.Contains(b, []byte(`"encoding/base64"`)) && bytes.Contains(b, []byte(".DecodeString("))
			if here := name == "pkgs/seal" && file == "base64.go"; reads != here && !strings.HasSuffix(name, "test") {
				t.Errorf("%s/%s calls DecodeString: %v, want %v (seal.Unbase64 does)", name, file, reads, here)
			}
		}
	}
}

// TestEveryThreadIsReachedInOnePlace, which knows where Go's way to do that hangs: package syscall changes users so, too,
// and package unix by it.
func TestEveryThreadIsReachedInOnePlace(t *testing.T) {
	calls := regexp.MustCompile(`syscall\.(AllThreadsSyscall6?|Setgroups|Set(re|res|e)?[ug]id)\(|unix\.Setre?s?[ug]id\(`)
	for name, p := range list(t) {
		for _, file := range p.GoFiles {
			b, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if here := name == "pkgs/sandbox" && file == "sandbox.go"; calls.Match(b) != here && !strings.HasSuffix(name, "test") {
				t.Errorf("%s/%s reaches every thread: %v, want %v (sandbox's everyThread does)", name, file, !here, here)
			}
		}
	}
}

// large are calls that bring much into a program where another one does the same; the sizes are of the .ipk.
var large = []struct {
	call *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`unix\.(Accept4?|Getsockname|Getpeername|Recvfrom|Recvmsg)\(`), "6 kB of addresses of every family; package syscall knows those that are used here"},
	{regexp.MustCompile(`\.Tag\.(Get|Lookup)\(|strconv\.Unquote\(`), "3 kB; tags of package control are not quoted text of Go's"},
}

func TestTheDaemonCallsNothingLarge(t *testing.T) {
	pkgs := list(t)
	for name, p := range pkgs {
		if !slices.Contains(pkgs["cmd/latchkeyd"].Deps, module+name) && name != "cmd/latchkeyd" {
			continue
		}
		for _, file := range p.GoFiles {
			b, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range large {
				if call := rule.call.Find(b); call != nil {
					t.Errorf("%s/%s calls %s: %s", name, file, call, rule.why)
				}
			}
		}
	}
}

// longest is how many lines a file may have and still have one subject.
const longest = 500

func TestFiles(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "build"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(b, []byte("// SPDX-License-Identifier: Apache-2.0\n")) {
			t.Errorf("%s does not begin with its licence", path)
		}
		if n := bytes.Count(b, []byte("\n")); n > longest {
			t.Errorf("%s has %d lines, the limit is %d", path, n, longest)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
