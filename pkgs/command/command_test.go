// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/command"
)

func wan(device string) bool { return device == "wan" }

// Most of what Parse understands is tested where it is used: by the texts of package foreign, and by the
// table of cmd/latchkeyd that the real knockd and iptables judge. Here is how the parts of a line come out.
func TestParse(t *testing.T) {
	host := netip.MustParseAddr("192.168.7.22")
	opens := func(text string, o ...command.Opening) command.Piece {
		return command.Piece{Text: text, Kind: command.Open, Opens: o}
	}
	const (
		ssh   = "iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
		unssh = "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
	)
	port22 := command.Opening{Proto: "tcp", Port: 22}
	tests := []struct {
		name, line string
		want       []command.Piece
	}{
		{"empty", "  ", nil},
		{"one", " " + ssh + " ", []command.Piece{opens(ssh, port22)}},
		{"how long", ssh + "; sleep 2m 5s; " + unssh, []command.Piece{
			{Text: ssh, Kind: command.Open, Opens: []command.Opening{port22}, For: 125 * time.Second},
			{Text: "sleep 2m 5s", Kind: command.Wait, For: 125 * time.Second},
			{Text: unssh, Kind: command.Close, Opens: []command.Opening{port22}},
		}},
		{"forward", "iptables -t nat -A PREROUTING -s %IP% -p udp --dport 500 -j DNAT --to 192.168.7.22:501", []command.Piece{
			opens("iptables -t nat -A PREROUTING -s %IP% -p udp --dport 500 -j DNAT --to 192.168.7.22:501",
				command.Opening{Proto: "udp", Port: 500, Host: host, HostPort: 501}),
		}},
		{"wake", "wol 02-00-5E-00-00-0a", []command.Piece{{Text: "wol 02-00-5E-00-00-0a", Kind: command.Wake, MAC: "02:00:5e:00:00:0a"}}},
		{"no wake", "wol -h 192.168.7.255 nas", []command.Piece{
			{Text: "wol -h 192.168.7.255 nas", Problem: "it does not wake one host by its hardware address"}}},
		{"too deep", "((((((true))))))", []command.Piece{{Text: "(true)", Problem: "it has too many shells in each other"}}},
		{"quotes", `log'ger' "a;b" 'c|d' e\;f`, []command.Piece{{Text: `log'ger' "a;b" 'c|d' e\;f`, Kind: command.Harmless}}},
		{"a dollar that is none", `echo "5 $" '$x' \$y`, []command.Piece{{Text: `echo "5 $" '$x' \$y`, Kind: command.Harmless}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := command.Parse(tt.line, wan)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(command.Piece{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"sudo -n env A=b timeout 5 iptables -w -t nat -I PREROUTING 1 ! -s %IP%/32 -p tcp -m multiport --dports 1,2:3 -j DNAT --to [::1]:2",
		"nft 'add rule inet fw4 input_wan ip saddr %IP% tcp dport { 22, 80-90 } ct state new,established counter accept comment \"x\"'",
		"ufw route insert 1 allow in on wan proto tcp from %IP% to 192.168.7.2 port 22 comment x", "ufw delete allow 22,23/tcp",
		"firewall-cmd --zone=public --add-rich-rule='rule family=\"ipv4\" source address=\"%IP%\" forward-port port=1 protocol=tcp to-port=2 to-addr=::1' --timeout=5m",
		"firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -s %IP% -j ACCEPT", "ipset -! add x %IP% timeout 5", "knock_add -i -f %IP% -d 22 -c FORWARD",
		"a && b || c | d; (e & f) 2>&1 >/dev/null <x # y", "sh -c \"sh -c 'true'\"; sleep 1d; wol 02:00:5e:00:00:01", "echo \\", "'", "((", "$(x)`y`",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range command.Parse(line, wan) {
			for _, o := range p.Opens {
				if p.Kind == command.Open && (o.Port == 0 || o.Proto != "tcp" && o.Proto != "udp" && o.Proto != "tcp udp") {
					t.Errorf("%q opens %v", line, o)
				}
			}
			if p.Kind == command.Open && len(p.Opens) == 0 && p.Problem == "" {
				t.Errorf("%q opens nothing, and does not say why: %+v", line, p)
			}
		}
	})
}
