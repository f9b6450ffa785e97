// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// language is what the fuzzer makes commands of: each byte is a word, or several with ~ between.
type language struct {
	words []string
	empty string // takes all rules out
	rules string // prints all rules
}

var languages = []language{
	{strings.Fields("iptables -A -I INPUT FORWARD PREROUTING -s %IP% %IP%/32 -p tcp udp 17 --dport --dports 22 993,995 7000:7010 ssh -j ACCEPT DNAT DROP -m multiport state conntrack comment tcp udp " +
		"--state --ctstate NEW NEW,ESTABLISHED --syn -i wan -t nat filter --to-destination 192.168.1.22:993 192.168.1.22 -w 5 1 --comment~x -d --insert --source --source=%IP% --protocol --destination-port=22 --jump 0 ! 80 -4 -n -v -p6"),
		"iptables -F; iptables -t nat -F", "iptables -S; iptables -t nat -S"},
	{strings.Fields("nft add insert log rule~inet~fw4~input_wan rule~inet~fw4~dstnat_wan rule~inet~fw4~forward_wan ip saddr %IP% tcp udp th dport 22 { } , 993 ct state new new,established counter accept drop dnat to ip 192.168.1.22:993 192.168.1.22 comment~x " +
		"ip daddr iifname wan log~prefix~x meta l4proto nfproto ipv4 index 0 == 80-90 ssh limit rate protocol packets 1 bytes"),
		"nft flush table inet fw4", "nft -n list table inet fw4"},
}

// bytesOf writes a command in the bytes of its language.
func bytesOf(l language, line string) (b []byte) {
	for word := range strings.FieldsSeq(line) {
		for i, w := range l.words {
			if w == word {
				b = append(b, byte(i))
				break
			}
		}
	}
	return b
}

// FuzzFirewall makes firewall commands of random words. What is understood completely, the real program
// takes, and its rule has the port and the sender that it is said to open.
func FuzzFirewall(f *testing.F) {
	lab.Enter(f)
	lab.Need(f, "iptables", "nft")
	sh := startShell(f, exec.Command("unshare", "-n", "sh")) // others fuzz beside this one
	try := func(t testing.TB, script string) (out string, ok bool) {
		sh.write(t, "( "+script+" ) 2>&1 </dev/null; printf '\\0%d\\0' $?\n")
		return sh.read(t), sh.read(t) == "0"
	}
	run := func(t testing.TB, script string) string {
		out, ok := try(t, script)
		if !ok {
			t.Fatalf("%s\n%s", script, out)
		}
		return out
	}
	run(f, "nft 'add table inet fw4; add chain inet fw4 input_wan; add chain inet fw4 forward_wan; add chain inet fw4 dstnat_wan { type nat hook prerouting priority -100; }'")
	for _, line := range []string{
		"-A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "-I INPUT 1 --source %IP% --protocol 17 --destination-port=22 --jump ACCEPT", "-I INPUT -s %IP% -p tcp -m multiport --dports 993,995 -j ACCEPT",
		"-w 5 -I INPUT -i wan -s %IP%/32 -p tcp --syn -m conntrack --ctstate NEW --dport ssh -j ACCEPT", "-t nat -A PREROUTING -s %IP% -p tcp --dport 22 -j DNAT --to-destination 192.168.1.22:993",
		"-I FORWARD -s %IP% -d 192.168.1.22 -p tcp --dport 80 -j ACCEPT",
		// What was found: iptables refuses these.
		"-I INPUT --source=%IP% -p tcp --dport 22 -j ACCEPT", "-I INPUT --dport 22 -p tcp -j ACCEPT", "-I INPUT -s %IP% -p tcp --dport 22 -j DROP -j ACCEPT",
		"-I INPUT --dports 993,995 -p tcp -m multiport -j ACCEPT",
	} {
		f.Add(uint8(0), bytesOf(languages[0], "iptables "+line))
	}
	for _, line := range []string{
		"add rule~inet~fw4~input_wan ip saddr %IP% tcp dport 22 accept", "insert rule~inet~fw4~input_wan iifname wan ip saddr == %IP% tcp dport { 22 , 993 } ct state new counter accept comment~x",
		"add rule~inet~fw4~dstnat_wan ip saddr %IP% udp dport 22 dnat ip to 192.168.1.22:993", "add rule~inet~fw4~input_wan meta l4proto tcp ip saddr %IP% th dport 22 log~prefix~x accept",
		"insert rule~inet~fw4~input_wan tcp dport { 22 22 } accept", "insert rule~inet~fw4~input_wan tcp dport { } accept", "insert rule~inet~fw4~input_wan tcp dport 22 accept log",
	} {
		f.Add(uint8(1), bytesOf(languages[1], "nft "+line))
	}
	f.Fuzz(func(t *testing.T, which uint8, program []byte) {
		l := languages[int(which)%len(languages)]
		words := make([]string, min(len(program), 40))
		for i := range words {
			words[i] = l.words[int(program[i])%len(l.words)]
		}
		line := strings.ReplaceAll(strings.Join(words, " "), "~", " ")
		pieces := Parse(line, func(device string) bool { return device == "wan" })
		if len(pieces) != 1 || pieces[0].Kind != Open || pieces[0].Problem != "" {
			return
		}
		run(t, l.empty)
		out, ok := try(t, strings.ReplaceAll(line, Sender, "203.0.113.7"))
		if strings.Contains(out, "insertion too big") {
			return // whether there is a place 80 depends on other rules
		}
		if !ok {
			t.Fatalf("%q opens %+v, but the program says\n%s", line, pieces[0].Opens, out)
		}
		rules := run(t, l.rules)
		for _, o := range pieces[0].Opens {
			if !strings.Contains(rules, "203.0.113.7") && len(pieces[0].Notes) == 0 {
				t.Errorf("%q opens to everybody, and does not say so:\n%s", line, rules)
			}
			port := fmt.Sprint(o.Port)
			if !strings.Contains(rules, "dport "+port) && !strings.Contains(rules, "dports "+port) && !strings.Contains(rules, ","+port) && !strings.Contains(rules, " "+port) {
				t.Errorf("%q opens port %s, but the rules are\n%s", line, port, rules)
			}
		}
	})
}
