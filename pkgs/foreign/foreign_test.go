// SPDX-License-Identifier: Apache-2.0

package foreign_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/foreign"
)

var update = flag.Bool("update", false, "write the translations into testdata")

var netipAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// uciMark ends the knockd.conf in testdata/*.txt. Its translation follows.
const uciMark = "-- uci --\n"

// files stands for those that texts name.
func files(path string) (string, error) {
	switch path {
	case "/etc/knockd/smtp_sequences":
		return "#1001,2001,3001\n 31001,17003:udp,29005\n\n 11001 , 37003, 23005:tcp\n no sequence\n 31001,17003:udp,29005\n", nil
	case "/etc/fwknop/friends.conf":
		return "SOURCE ANY\nOPEN_PORTS tcp/8443\nKEY summer in the garden\nHMAC_KEY winter in the house\n%include /etc/fwknop/loop.conf\n", nil
	case "/etc/fwknop/loop.conf":
		return "%include /etc/fwknop/loop.conf\n", nil
	}
	return "", errors.New("open " + path + ": no such file")
}

func texts(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no texts: %v", err)
	}
	list := map[string]string{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		list[p] = string(b)
	}
	return list
}

// TestTranslate compares translations with those in testdata. With -update it writes them; look
// at the difference before committing it.
func TestTranslate(t *testing.T) {
	for path, both := range texts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, want, ok := strings.Cut(both, uciMark)
			if !ok {
				t.Fatalf("no line %s", uciMark)
			}
			got, err := foreign.Translate(text, foreign.Options{ReadFile: files})
			if err != nil {
				t.Fatal(err)
			}
			if cfg, problems := config.Parse(got.Text); cfg == nil {
				t.Errorf("the translation has problems:\n%v", problems)
			}
			if *update {
				if err := os.WriteFile(path, []byte(text+uciMark+got.Text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got.Text); diff != "" {
				t.Errorf("translation (-want +got):\n%s", diff)
			}
		})
	}
}

const (
	// knock is a knockd.conf of one section.
	knock = "[web]\nsequence = 7301,4402,9103\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 8443 -j ACCEPT\n"
	// running is a configuration that is in use.
	running = "config latchkey 'main'\n\toption enabled '1'\n\toption stun_port '40404'\n" +
		"config door 'web'\n\toption port '8443'\nconfig door 'tcp8443'\n\toption port '8444'\n" +
		"config client 'fwknop'\n\toption kind 'fwknop'\n\toption key 'MTIzNDU2Nzg5MDEyMzQ1Ng=='\n\toption hmac_key 'c3VtbWVyIGluIHRoZSBnYXJkZW4='\n\tlist door 'web'\n"
)

func TestAppended(t *testing.T) {
	before, _ := config.Parse(running)
	got, err := foreign.Translate(knock, foreign.Options{Base: running})
	if err != nil {
		t.Fatal(err)
	}
	after, problems := config.Parse(running + got.Text)
	if after == nil {
		t.Fatalf("it cannot be appended: %v", problems)
	}
	if diff := cmp.Diff(before.Main, after.Main); diff != "" {
		t.Errorf("section main (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before.Doors, after.Doors[:len(before.Doors)], netipAddr); diff != "" {
		t.Errorf("doors that were there (-before +after):\n%s", diff)
	}
	if len(after.Doors) != 3 || len(after.Sequences) != 1 || after.Sequences[0].Name == "web" {
		t.Errorf("doors %v, sequences %v", after.DoorNames(), after.Sequences)
	}
}

func TestAppendedWithoutBaseChangesNothingInMain(t *testing.T) {
	got, err := foreign.Translate(knock, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const other = "config latchkey 'main'\n\toption enabled '1'\n\toption stun_port '40404'\n\tlist device 'eth1'\n"
	before, _ := config.Parse(other)
	after, problems := config.Parse(other + got.Text)
	if after == nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(before.Main, after.Main); diff != "" {
		t.Errorf("section main (-before +after):\n%s", diff)
	}
}

func TestAppendedClientWithAKeyThatIsTaken(t *testing.T) {
	const text = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 MTIzNDU2Nzg5MDEyMzQ1Ng==\nHMAC_KEY summer in the garden\n"
	got, err := foreign.Translate(text, foreign.Options{Base: running})
	if err != nil || got.Usable != 0 || !strings.Contains(got.Text, "is the same as that of client 'fwknop'") {
		t.Errorf("error %v, %d usable:\n%s", err, got.Usable, got.Text)
	}
}

func TestPortOfFwknopIsSetWhereThereIsNone(t *testing.T) {
	const text = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY rain on the roof all night\nHMAC_KEY snow on the roof at noon\n"
	for base, want := range map[string]bool{
		"":      true,
		running: true,
		running + "config latchkey 'main'\n\toption spa_port '61000'\n":  false,
		running + "config latchkey 'main'\n\toption stun_port '62201'\n": false, // it is taken
	} {
		got, err := foreign.Translate(text, foreign.Options{Base: base})
		if err != nil || got.Usable != 1 {
			t.Errorf("error %v, %d usable", err, got.Usable)
		}
		if has := strings.Contains(got.Text, "option spa_port '62201'"); has != want {
			t.Errorf("behind\n%s\nit sets the port: %t\n%s", base, has, got.Text)
		}
	}
}

func TestOneTimeFileCannotBeRead(t *testing.T) {
	const text = "[a]\none_time_sequences = /etc/list\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n"
	for name, tt := range map[string]struct {
		readFile func(string) (string, error)
		want     string
	}{
		"no_reader":  {nil, "they are in /etc/list"},
		"error":      {files, "open /etc/list: no such file"},
		"all_used":   {func(string) (string, error) { return "#1,2,3\n", nil }, "/etc/list has no unused one"},
		"no_content": {func(string) (string, error) { return "", nil }, "/etc/list has no unused one"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := foreign.Translate(text, foreign.Options{ReadFile: tt.readFile})
			if err != nil || got.Usable != 0 || !strings.Contains(got.Text, "# Its one-time sequences are not here: "+tt.want+"\n") {
				t.Errorf("error %v, translation:\n%s", err, got.Text)
			}
		})
	}
}

func TestTranslateRefuses(t *testing.T) {
	const unknown = "this is none of knockd.conf, access.conf of fwknopd, .fwknoprc of fwknop, and the UCI files of knockd and fwknopd"
	tests := []struct{ name, text, want string }{
		{"empty", "", unknown},
		{"prose", "Dear router,\nplease open the door.\n", unknown},
		{"other_uci", "config interface 'lan'\n\toption proto 'static'\n", unknown},
		{"ours", "config latchkey 'main'\n", "this is a configuration of Latchkey already"},
		{"binary", "[a]\x00\n", "text has a NUL byte: this is no text file"},
		{"too_long", strings.Repeat("#", foreign.MaxSize+1), "text has 65537 bytes, but at most 65536 are read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := foreign.Translate(tt.text, foreign.Options{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "[s%d]\nsequence=%d\n", i, 1+i%50000)
	}
	got, err := foreign.Translate(b.String(), foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got.Text, "config sequence"); n != foreign.MaxSections || !strings.Contains(got.Text, "2744 more sections are not here: 256 are the limit.") ||
		!strings.Contains(got.Text, "not translated: 2744\n") {
		t.Errorf("%d sequences, %d bytes", n, len(got.Text))
	}
	got, err = foreign.Translate("SOURCE ANY\n"+strings.Repeat("A_B x\n", 10000), foreign.Options{})
	if n := strings.Count(got.Text, "\n# "); err != nil || n > 4010 {
		t.Errorf("error %v, %d comments", err, n)
	}
}

func TestDoorsThatAMessageCouldNotTellApart(t *testing.T) {
	const text = "[a]\nsequence = 7301,4402,9103\ncommand = iptables -A INPUT -s %IP% -p udp --dport 30 -j ACCEPT\n" +
		"[b]\nsequence = 7302,4403,9104\ncommand = iptables -A INPUT -s %IP% -p udp --dport 269 -j ACCEPT\n" // udp30, udp269
	for _, base := range []string{"", "config latchkey 'main'\nconfig door 'udp269'\n\toption proto 'udp'\n\toption port '7000'\n"} {
		got, err := foreign.Translate(text, foreign.Options{Base: base})
		if err != nil || got.Usable != 2 {
			t.Errorf("error %v, %d usable:\n%s", err, got.Usable, got.Text)
		}
	}
}

func TestPortOfFwknopIsNotThatOfTheClient(t *testing.T) {
	const text = "[home]\nACCESS tcp/22\nSPA_SERVER_PORT 61501\nKEY rain on the roof all night\nHMAC_KEY snow on the roof at noon\n"
	got, err := foreign.Translate(text, foreign.Options{Base: running + "config latchkey 'main'\n\toption spa_port '61000'\n"})
	if err != nil || !strings.Contains(got.Text, "sends to UDP port 61501. Here all clients of fwknop send to one port, which is 61000:") ||
		!strings.Contains(got.Text, "usable in part: 1\n") {
		t.Errorf("error %v:\n%s", err, got.Text)
	}
}

func TestIncludesEnd(t *testing.T) {
	reads := 0
	_, err := foreign.Translate("%include /a\n%include /b\n", foreign.Options{ReadFile: func(path string) (string, error) {
		reads++
		return strings.Repeat("%include "+path+"/c\n", 20), nil
	}})
	if err != nil || reads != 16 {
		t.Errorf("error %v, %d files were read, want 16", err, reads)
	}
}

// marker stands for a key in the texts of FuzzTranslate.
const marker = "5eCr3tMaRk3r"

// TestKeysAreNowhereElse puts a key into every place where one may be, and some where it may not.
func TestKeysAreNowhereElse(t *testing.T) {
	forms := map[string]string{
		"access":  "SOURCE ANY\nOPEN_PORTS tcp/22\n%s\n",
		"rc":      "[home]\nACCESS tcp/22\n%s\n",
		"uci":     "config access\n\toption SOURCE 'ANY'\n\toption OPEN_PORTS 'tcp/22'\n%s\n",
		"knockd":  "[a]\nsequence = 1111,3333\n%s\n",
		"include": "SOURCE ANY\n%include /keys\n",
	}
	lines := []string{
		"KEY_BASE64 " + marker, "KEY " + marker, "HMAC_KEY: " + marker, "KEY_BASE64 = " + marker, "key_base64 " + marker + "!", marker,
		marker + " x", "KEY_BASE_64 " + marker, "KEY " + strings.Repeat(marker, 20), "option KEY_BASE64 '" + marker + "'", "option KEY '" + marker,
		"option KEY_BASE64 a " + marker, "GPG_DECRYPT_PW " + marker, "list HMAC_KEY \"" + marker,
	}
	for name, form := range forms {
		for _, line := range lines {
			text := strings.Replace(form, "%s", line, 1)
			got, err := foreign.Translate(text, foreign.Options{ReadFile: func(string) (string, error) { return line, nil }})
			if err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("%s, %q: error %v", name, line, err)
			}
			for out := range strings.Lines(got.Text) {
				if strings.Contains(out, marker) && !isKeyOption(out) {
					t.Errorf("%s, %q: %s", name, line, out)
				}
			}
		}
	}
}

func isKeyOption(line string) bool {
	option, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, "\toption "), "hmac_"), " ")
	return option == "key" || option == "key_text"
}

func FuzzTranslate(f *testing.F) {
	for _, both := range texts(f) {
		text, _, _ := strings.Cut(both, uciMark)
		f.Add(text)
		for event := range strings.SplitSeq(text, "\n[") {
			f.Add("[" + strings.TrimPrefix(event, "["))
		}
	}
	f.Add("SOURCE ANY\nKEY " + marker + "\nHMAC_KEY_BASE64 " + marker + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := foreign.Translate(text, foreign.Options{ReadFile: files})
		if err != nil {
			if strings.Contains(err.Error(), "please report") || len(err.Error()) > 300 {
				t.Error(err)
			}
			return
		}
		cfg, problems := config.Parse(got.Text)
		if cfg == nil || cfg.Main.Enabled {
			t.Fatalf("the translation is enabled, or has problems: %v\n%s", problems, got.Text)
		}
		usable := 0
		for i := range cfg.Sequences {
			if cfg.Sequences[i].Enabled {
				usable++
			}
		}
		for i := range cfg.Clients {
			if cfg.Clients[i].Enabled {
				usable++
			}
		}
		if usable > got.Usable || got.Usable > 0 && usable == 0 {
			t.Errorf("%d usable, but it says %d:\n%s", usable, got.Usable, got.Text)
		}
	})
}
