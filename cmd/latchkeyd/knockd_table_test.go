// SPDX-License-Identifier: Apache-2.0

package main

// verdict is what a translation comes to beside what knockd does with the same file.
type verdict string

const (
	same     verdict = "opens the same"
	narrower verdict = "opens less"      // a part of it has no counterpart
	nothing  verdict = "opens nothing"   // the whole of it has none
	deaf     verdict = "neither opens"   // to the packets of this row
	refusal  verdict = "knockd refuses"  // the file as a whole; a translation may know better
	sender   verdict = "only the sender" // knockd opens the same, but for everybody
)

// judged is a row of the table: one section of a knockd.conf. %IN% is the command that opens a port in
// chain INPUT, up to the port.
type judged struct {
	name  string
	want  verdict
	lines string
	knock string // what is sent, if it is not the sequence 7431:tcp 2951:udp 8812:tcp
	six   bool   // over IPv6
}

// in is the beginning of many commands.
const in = "iptables -I INPUT -s %IP% -p tcp --dport "

// knockdTable has no two rows that differ in values only.
var knockdTable = []judged{
	{name: "append", want: same, lines: "command = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "insert at a place", want: same, lines: "command = iptables -I INPUT 1 -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "start_command", want: same, lines: "start_command = " + in + "8022 -j ACCEPT"},
	{name: "capital letters", want: same, lines: "COMMAND = " + in + "8022 -j ACCEPT\nSEQ_TIMEOUT = 9"},
	{name: "udp", want: same, lines: "command = iptables -I INPUT -s %IP% -p udp --dport 5353 -j ACCEPT"},
	{name: "number of a protocol", want: same, lines: "command = iptables -I INPUT -s %IP% -p 17 --dport 5353 -j ACCEPT"},
	{name: "long options", want: same, lines: "command = iptables --insert INPUT --source %IP% --protocol tcp --destination-port=8022 --jump ACCEPT"},
	{name: "value right behind its option", want: nothing, lines: "command = iptables -I INPUT -s%IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "name of a port", want: same, lines: "command = " + in + "imaps -j ACCEPT"},
	{name: "name of another protocol's port", want: nothing, lines: "command = iptables -I INPUT -s %IP% -p udp --dport ssh -j ACCEPT"},
	{name: "port without a protocol", want: nothing, lines: "command = iptables -I INPUT -s %IP% --dport 8022 -j ACCEPT"},
	{name: "list of ports", want: same, lines: "command = iptables -I INPUT -s %IP% -p tcp -m multiport --dports 993,995 -j ACCEPT"},
	{name: "list without multiport", want: nothing, lines: "command = iptables -I INPUT -s %IP% -p tcp --dports 993,995 -j ACCEPT"},
	{name: "list and range", want: same, lines: "command = iptables -I INPUT -s %IP% -p tcp -m multiport --dports 993,7000:7010 -j ACCEPT"},
	{name: "range", want: same, lines: "command = " + in + "7000:7010 -j ACCEPT"},
	{name: "source port", want: nothing, lines: "command = iptables -I INPUT -s %IP% -p tcp --sport 1024: --dport 8022 -j ACCEPT"},
	{name: "whole host", want: nothing, lines: "command = iptables -I INPUT -s %IP% -j ACCEPT"},
	{name: "a network", want: nothing, lines: "command = iptables -I INPUT -s 203.0.113.0/24 -p tcp --dport 8022 -j ACCEPT"},
	{name: "length of the whole address", want: same, lines: "command = iptables -I INPUT -s %IP%/32 -p tcp --dport 8022 -j ACCEPT"},
	{name: "everybody", want: sender, lines: "command = iptables -I INPUT -p tcp --dport 8022 -j ACCEPT"},
	{name: "all but the sender", want: nothing, lines: "command = iptables -I INPUT ! -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "one of the router's addresses", want: nothing, lines: "command = iptables -I INPUT -s %IP% -d 192.168.1.1 -p tcp --dport 8022 -j ACCEPT"},
	{name: "device of the knocks", want: same, lines: "command = iptables -I INPUT -i wan -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "another device", want: nothing, lines: "command = iptables -I INPUT -i lan -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "new connections", want: same, lines: "command = iptables -I INPUT -s %IP% -p tcp -m state --state NEW,ESTABLISHED -m tcp --dport 8022 -j ACCEPT"},
	{name: "new by conntrack and syn", want: same, lines: "command = iptables -I INPUT -s %IP% -p tcp --syn -m conntrack --ctstate NEW --dport 8022 -j ACCEPT"},
	{name: "connections that are there", want: nothing, lines: "command = iptables -I INPUT -s %IP% -p tcp -m state --state ESTABLISHED --dport 8022 -j ACCEPT"},
	{name: "state without its module", want: nothing, lines: "command = iptables -I INPUT -s %IP% -p tcp --state NEW --dport 8022 -j ACCEPT"},
	{name: "comment with an option in it", want: same, lines: `command = iptables -w 5 -I INPUT -s %IP% -p tcp --dport 8022 -m comment --comment "then -D it; port 99" -j ACCEPT`},
	{name: "no more than so many", want: nothing, lines: "command = " + in + "8022 -m limit --limit 1/hour -j ACCEPT"},
	{name: "another chain", want: nothing, lines: "command = iptables -I KNOCKED -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "chain of OpenWrt", want: same, lines: "command = iptables -A input_rule -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "chain that is not there", want: nothing, lines: "command = iptables -I input -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "out", want: nothing, lines: "command = iptables -I OUTPUT -d %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "another table", want: nothing, lines: "command = iptables -t mangle -I INPUT -s %IP% -p tcp --dport 8022 -j ACCEPT"},
	{name: "drop", want: nothing, lines: "command = " + in + "8022 -j DROP"},
	{name: "accept, and drop in front of it", want: nothing, lines: "command = " + in + "8022 -j ACCEPT; " + in + "8022 -j DROP"},
	{name: "return", want: nothing, lines: "command = " + in + "8022 -j RETURN"},
	{name: "policy", want: nothing, lines: "command = iptables -P INPUT ACCEPT"},
	{name: "delete", want: nothing, lines: "command = iptables -D INPUT -s %IP% -p tcp --dport 8022 -j ACCEPT"},

	{name: "port forward", want: same, lines: "command = iptables -t nat -I PREROUTING -s %IP% -p tcp --dport 8993 -j DNAT --to-destination 192.168.1.22:993"},
	{name: "port forward to the same port", want: same, lines: "command = iptables -t nat -A PREROUTING -i wan -s %IP% -p udp --dport 3389 -j DNAT --to 192.168.1.22"},
	{name: "port forward to a range", want: nothing, lines: "command = iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 8993 -j DNAT --to 192.168.1.22:993-995"},
	{name: "port forward without port", want: nothing, lines: "command = iptables -t nat -A PREROUTING -s %IP% -j DNAT --to 192.168.1.22"},
	{name: "port forward and its way through", want: narrower, lines: "command = iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 8993 -j DNAT --to 192.168.1.22:993; iptables -I FORWARD -d 192.168.1.22 -s %IP% -p tcp --dport 993 -j ACCEPT"},
	{name: "redirection", want: nothing, lines: "command = iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 8993 -j REDIRECT --to-ports 993"},
	{name: "way through to a host", want: same, lines: "command = iptables -I FORWARD -s %IP% -d 192.168.1.22 -p tcp --dport 995 -j ACCEPT"},
	{name: "way through to all hosts", want: nothing, lines: "command = iptables -I DOCKER-USER -s %IP% -p tcp --dport 995 -j ACCEPT"},
	{name: "way through by the name of a chain", want: same, lines: "command = iptables -I zone_wan_forward -s %IP% -d 192.168.1.22 -p tcp --dport 995 -j ACCEPT"},
	{name: "pinhole", want: same, six: true, lines: "command_6 = ip6tables -I FORWARD -s %IP% -d 2001:db8:2::22 -p tcp --dport 995 -j ACCEPT"},
	{name: "port over IPv6", want: same, six: true, lines: "start_command_6 = ip6tables -I INPUT -s %IP%/128 -p tcp --dport 8022 -j ACCEPT\ncommand = true"},

	{name: "two commands", want: same, lines: "command = " + in + "993 -j ACCEPT; " + in + "8022 -j ACCEPT"},
	{name: "one and an unknown one", want: same, lines: "command = " + in + "993 -j ACCEPT && /nowhere/tell %IP%"},
	{name: "only if another succeeds", want: nothing, lines: "command = test -e /nowhere && " + in + "993 -j ACCEPT"},
	{name: "only if another fails", want: nothing, lines: "command = true || " + in + "993 -j ACCEPT"},
	{name: "unless it is there", want: same, lines: "command = iptables -C INPUT -s %IP% -p tcp --dport 993 -j ACCEPT || " + in + "993 -j ACCEPT"},
	{name: "script in a shell", want: same, lines: `command = /bin/sh -c "` + in + `993 -j ACCEPT; logger 'in: %IP%'"`},
	{name: "behind env, timeout and nohup", want: same, lines: "command = LC_ALL=C /usr/bin/env X=1 timeout -k 1 9 nohup " + in + "993 -j ACCEPT >/dev/null 2>&1"},
	{name: "a variable", want: nothing, lines: "command = P=993; " + in + "$P -j ACCEPT"},
	{name: "a loop", want: nothing, lines: "command = for p in 993 995; do " + in + "$p -j ACCEPT; done"},
	{name: "a comment of the shell", want: same, lines: "command = " + in + "993 -j ACCEPT # ; " + in + "22 -j ACCEPT"},
	{name: "in parentheses, aside", want: same, lines: "command = (" + in + "993 -j ACCEPT; sleep 60) &"},
	{name: "quoted separator", want: nothing, lines: `command = iptables -I INPUT -s %IP% -p tcp --dport "993;" -j ACCEPT`},

	{name: "nft add", want: same, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% tcp dport 8022 counter accept"},
	{name: "nft insert in quotes", want: same, lines: `command = nft 'insert rule inet fw4 input ip saddr %IP% udp dport 5353 accept comment "mdns, tcp dport 22"'`},
	{name: "nft list of ports", want: same, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% tcp dport { 993, imap2, 995 } accept"},
	{name: "nft any transport", want: same, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% meta l4proto { tcp, udp } th dport 53 accept"},
	{name: "nft not", want: nothing, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% tcp dport != 993 accept"},
	{name: "nft not the sender", want: nothing, lines: "command = nft add rule inet fw4 input_wan ip saddr != %IP% tcp dport 993 accept"},
	{name: "nft range", want: same, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% tcp dport 7000-7010 accept"},
	{name: "nft device and state", want: same, lines: `command = nft add rule inet fw4 input iifname \"wan\" ip saddr %IP% tcp dport 8022 ct state new,established accept`},
	{name: "nft limit", want: nothing, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% tcp dport 993 limit rate 1/hour accept"},
	{name: "nft port forward", want: same, lines: "command = nft add rule inet fw4 dstnat_wan ip saddr %IP% tcp dport 8993 dnat ip to 192.168.1.22:993"},
	{name: "nft way through", want: same, lines: "command = nft add rule inet fw4 forward_wan ip saddr %IP% ip daddr 192.168.1.22 tcp dport 995 accept"},
	{name: "nft out", want: nothing, lines: "command = nft add rule inet fw4 output ip daddr %IP% tcp dport 993 accept"},
	{name: "nft element", want: nothing, lines: "command = nft add element inet fw4 friends { %IP% timeout 1h }"},
	{name: "nft flush", want: nothing, lines: "command = nft flush chain inet fw4 input_wan"},
	{name: "nft everybody", want: sender, lines: "command = nft add rule inet fw4 input_wan tcp dport 8022 accept"},
	{name: "nft two protocols at once", want: nothing, lines: "command = nft add rule inet fw4 input_wan ip saddr %IP% udp dport 53 tcp dport 53 accept"},

	{name: "the last of two commands", want: same, lines: "command = " + in + "22 -j ACCEPT\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "the last of two sequences", want: same, lines: "sequence = 1111,3333\nsequence = 7431,2951:udp,8812\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "comments and units behind numbers", want: same, lines: "seq_timeout = 10s  # seconds\nsequence = 7431 x,2951:udp,8812   # ours\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "no number", want: deaf, lines: "seq_timeout = soon\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "port beyond the last", want: refusal, lines: "sequence = 7431,66000\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "unknown directive", want: refusal, lines: "delay = 5\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "UseSyslog in a door", want: same, lines: "UseSyslog\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "space in tcpflags", want: refusal, lines: "tcpflags = syn, !ack\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "tcpflags syn", want: same, lines: "tcpflags = syn\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "tcpflags that a knock does not have", want: deaf, lines: "tcpflags = fin\ncommand = " + in + "8022 -j ACCEPT"},
	{name: "tcpflags that a knock has", want: same, lines: "tcpflags = fin,!syn\ncommand = " + in + "8022 -j ACCEPT", knock: "7431:fin 2951:udp 8812:fin"},
	{name: "one step", want: same, lines: "sequence = 24010:udp\ncommand = " + in + "8022 -j ACCEPT", knock: "24010:udp"},
	{name: "udp only", want: same, lines: "sequence = 7431:udp,2951:UDP , 8812: udp\ncommand = " + in + "8022 -j ACCEPT", knock: "7431:udp 2951:udp 8812:udp"},
	{name: "a port twice", want: same, lines: "sequence = 7431,2951:udp,7431\ncommand = " + in + "8022 -j ACCEPT", knock: "7431:tcp 2951:udp 7431:tcp"},
	{name: "wrong protocol", want: deaf, lines: "command = " + in + "8022 -j ACCEPT", knock: "7431:tcp 2951:tcp 8812:tcp"},
	{name: "wrong order", want: deaf, lines: "command = " + in + "8022 -j ACCEPT", knock: "8812:tcp 2951:udp 7431:tcp"},
	{name: "a step too few", want: deaf, lines: "command = " + in + "8022 -j ACCEPT", knock: "7431:tcp 2951:udp"},
}
