// SPDX-License-Identifier: Apache-2.0

package knockdconf_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knockdconf"
)

var update = flag.Bool("update", false, "write the translations into testdata")

// uciMark ends the knockd.conf in testdata/*.txt. Its translation follows.
const uciMark = "-- uci --\n"

// oneTime stands for the files of one-time sequences.
func oneTime(path string) (string, error) {
	if path != "/etc/knockd/smtp_sequences" {
		return "", errors.New("open " + path + ": no such file")
	}
	return "#1001,2001,3001\n 31001,17003:udp,29005\n\n 11001 , 37003, 23005:tcp\n no sequence\n 31001,17003:udp,29005\n", nil
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
			got, err := knockdconf.Translate(text, oneTime)
			if err != nil {
				t.Fatal(err)
			}
			if cfg, problems := config.Parse(got); cfg == nil {
				t.Errorf("the translation has problems:\n%v", problems)
			}
			if *update {
				if err := os.WriteFile(path, []byte(text+uciMark+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("translation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTranslate_one_time_file_cannot_be_read(t *testing.T) {
	const text = "[a]\none_time_sequences = /etc/list\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n"
	for name, tt := range map[string]struct {
		readFile func(string) (string, error)
		want     string
	}{
		"no_reader":  {nil, "they are in /etc/list"},
		"error":      {oneTime, "open /etc/list: no such file"},
		"all_used":   {func(string) (string, error) { return "#1,2,3\n", nil }, "/etc/list has no unused one"},
		"no_content": {func(string) (string, error) { return "", nil }, "/etc/list has no unused one"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := knockdconf.Translate(text, tt.readFile)
			if err != nil || !strings.Contains(got, "# Its one-time sequences are not here: "+tt.want+"\n") {
				t.Errorf("error %v, translation:\n%s", err, got)
			}
		})
	}
}

func TestTranslate_refuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "no section with a knock in it: this is no knockd.conf"},
		{"only_options", "[options]\nUseSyslog\n", "no section with a knock in it: this is no knockd.conf"},
		{"no_section", "sequence = 1,2\n[a]\nsequence = 1\n", "line 1: a directive comes before the first section"},
		{"all_are_listed", "[a]\nsequence\nseq_timeout = soon\ncmd_timeout = -1\n", "line 2: \"sequence\" has no value\n" +
			"line 3: \"soon\" is no number of seconds from 0 to 31536000\nline 4: \"-1\" is no number of seconds from 0 to 31536000"},
		{"too_long", strings.Repeat("#", knockdconf.MaxSize+1), "text has 65537 bytes, but at most 65536 are read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := knockdconf.Translate(tt.text, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func FuzzTranslate(f *testing.F) {
	for _, both := range texts(f) {
		text, _, _ := strings.Cut(both, uciMark)
		for event := range strings.SplitSeq(text, "\n[") {
			f.Add("[" + strings.TrimPrefix(event, "["))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := knockdconf.Translate(text, oneTime)
		if err != nil {
			if strings.Contains(err.Error(), "translation has problems") {
				t.Error(err)
			}
			return
		}
		if cfg, problems := config.Parse(got); cfg == nil || cfg.Main.Enabled {
			t.Errorf("the translation is enabled, or has problems: %v\n%s", problems, got)
		}
	})
}
