// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/config"
)

// secretive has every kind of mistake and doubt that brings steps or keys into words: 31xxx, 32xxx
// and 33xxx are steps, 1337 is the size of one, and all keys hold the word Secret.
const secretive = `
config latchkey 'main'
	option stun_port '31003'
	option spa_port '31003'
	option ports '32000-38143'

config door 'nas'
	option port '31001'

config door 'web'
	option proto 'udp'
	option port '31003'

config client 'phone'
	option key 'SecretSecretSecretSecretSecretSecretSecretS'
	option kind 'SecretSecret'
	option expires 'SecretSecret'
	option SecretSecret 'key'
	list door 'SecretSecret'

config client 'tablet'
	option key 'SecretSecretSecretSecretSecretSecretSecretSec'

config sequence 'one'
	list step '31001/tcp'
	list step '31002/tcp'
	list step '31003/udp'
	list step 'icmp:1337'
	list step '31999/tcp:Secret'
	option 31001_tcp '1'
	option within '31001/tcp'
	list door '31001/tcp'
	option client 'Secret'

config sequence 'two'
	list once '32001/tcp 32102/tcp 32203/tcp'
	list once '32001/tcp 32102/tcp 32203/tcp'
	list once '33001/tcp 33002/tcp'
	list once '33001/tcp 333333/tcp'
	list door 'nas'

config sequence 'three'
	list step '31003/udp'
	list step '31105/tcp'
	list door 'web'

config sequence
	option step '31901/tcp 31902/tcp'
	option once '31901/tcp'
`

var secrets = regexp.MustCompile(`Secret|3[123]\d\d\d|1337`)

func TestProblems_tell_no_secret_but_to_the_owner(t *testing.T) {
	// Step by step, so that doubts are told as well: they are left out in a section with errors.
	lines := strings.SplitAfter(secretive, "\n")
	owner, told := "", 0
	for without := range lines {
		if strings.HasPrefix(lines[without], "config") {
			continue // its options would become those of the section before
		}
		text := strings.Join(lines[:without], "") + strings.Join(lines[min(without+1, len(lines)):], "")
		_, problems := config.Parse(text)
		for _, p := range problems {
			owner += p.String() + "\n"
			told++
			if p.Section == "door" && p.Value != "" || p.Section == "latchkey" {
				continue // of sections that hold no secrets, values are told
			}
			if found := secrets.FindString(p.Public()); found != "" {
				t.Fatalf("without line %d, everybody is told %s:\n%s\n%s", without+1, found, p.Public(), p)
			}
			if !strings.Contains(p.Public(), "(line ") && p.Line > 0 {
				t.Errorf("no line in %s", p.Public())
			}
		}
	}
	for _, secret := range []string{"31001/tcp", "31002", "31003/udp", "32001/tcp 32102/tcp 32203/tcp", "333333/tcp", "Secret"} {
		if !strings.Contains(owner, secret) {
			t.Errorf("in %d problems the owner is never told %s: the test looks at too little", told, secret)
		}
	}
}

// TestProblems_of_others_tell_no_step puts a step at, beside and away from a door's port that is refused
// by its number.
func TestProblems_of_others_tell_no_step(t *testing.T) {
	const text = "config latchkey main\noption ports 32000-38143\nconfig door nas\noption port 32100\nconfig sequence home\nlist door nas\nlist step %/tcp\n"
	const hidden = "section 'door' (nas) option 'port' is refused, latchkeyd check says why (line 4)"
	const told = "section 'door' (nas) option 'port' is 32100, which is one of the ports of section 'main': knocks arrive there (line 4)"
	for step, want := range map[string]string{"32100": hidden, "32101": hidden, "32099": hidden, "32102": told} {
		_, problems := config.Parse(strings.Replace(text, "%", step, 1))
		if got, _, _ := strings.Cut(problems.Errors().Error(), "\n"); got != want {
			t.Errorf("with step %s: %s\nwant %s", step, got, want)
		}
		if got := problems.Errors()[0].String(); got != told {
			t.Errorf("with step %s the owner is told: %s", step, got)
		}
	}

	const size = "config latchkey main\noption ports 1337-7480\nconfig door nas\noption port 22\nconfig sequence home\nlist door nas\nlist step icmp:1337\nlist step 9000/tcp\nlist step 8000/udp\n"
	_, problems := config.Parse(size)
	if got, want := problems[0].Public(), "section 'latchkey' (main) option 'ports' is doubtful, latchkeyd check says why (line 2)"; got != want {
		t.Errorf("with the size of a ping: %s\nwant %s", got, want)
	}
}

func TestProblem_Public(t *testing.T) {
	const text = "config latchkey main\nconfig door nas\noption port 22\nconfig sequence home\nlist door nas\n"
	for lines, want := range map[string]string{
		"list step 22/tcp\nlist step 900/tcp\nlist step 77/udp": "section 'sequence' (home) option 'step' is doubtful, latchkeyd check says why (line 6)",
		"list step 22/tcp\nlist step 23/tcp":                    "section 'sequence' (home) option 'step' is refused, latchkeyd check says why (line 6)",
		"list step 22/tcp\nlist step x/tcp":                     "section 'sequence' (home) option 'step' is refused, latchkeyd check says why (line 7)",
		"list step 9/tcp\noption within 9/tcp":                  "section 'sequence' (home) option 'within' specifies an invalid value: times are written like 30s, 10m, 8h or 1h30m (line 7)",
		"list step 9/tcp\noption stepp 9/tcp":                   "section 'sequence' (home) specifies an unknown option, latchkeyd check says which (line 7)",
		"list step 9/tcp\nconfig door b\noption port x":         "section 'door' (b) option 'port' specifies invalid value 'x': a port is a number from 1 to 65535 (line 8)",
	} {
		_, problems := config.Parse(text + lines + "\n")
		found := ""
		for _, p := range problems {
			found += p.Public() + "\n"
		}
		if !strings.Contains(found, want+"\n") {
			t.Errorf("%s:\n%swant\n%s", lines, found, want)
		}
	}
}
