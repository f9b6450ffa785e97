// SPDX-License-Identifier: Apache-2.0

package manual

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/latchkey/latchkey/cross/release"
)

// page is a manual page that is being written.
type page struct{ bytes.Buffer }

func begin(name, number, does string, rel release.Release) *page {
	p := &page{}
	p.macro("Dd", rel.Time.Format("January 2, 2006"))
	p.macro("Dt", strings.ToUpper(name), number)
	p.macro("Os", "Latchkey", rel.Version)
	p.macro("Sh", "NAME")
	p.macro("Nm", name)
	p.macro("Nd", does)
	return p
}

// macro writes a line of mdoc. Arguments are words of ours, but for those that
// argument has made harmless.
func (p *page) macro(words ...string) { fmt.Fprintf(p, ".%s\n", strings.Join(words, " ")) }

// argument makes one argument of a macro of a text.
func argument(s string) string {
	return `"` + strings.ReplaceAll(escape(s), `"`, `""`) + `"`
}

// escape keeps roff from taking text for its own.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "→", `\(->`, "’", "'", "“", `"`, "”", `"`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

const longest = 78 // characters of a line, as mandoc -Tlint asks

var sentenceEnd = regexp.MustCompile(`([.!?:][)"']?) +`)

// text writes a paragraph, each sentence on a line of its own.
func (p *page) text(s string) {
	for sentence := range strings.SplitSeq(sentenceEnd.ReplaceAllString(s, "$1\n"), "\n") {
		line := ""
		for word := range strings.FieldsSeq(sentence) {
			if line != "" && len(line)+1+len(word) > longest {
				fmt.Fprintln(p, escape(line))
				line = ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		if line != "" {
			fmt.Fprintln(p, escape(line))
		}
	}
}

// list writes what names mean.
func (p *page) list(items []option, head func(option) string) {
	p.macro("Bl", "-tag", "-width", "Ds")
	for _, item := range items {
		p.macro("It", head(item))
		if item.literal {
			p.text(strings.TrimRight(item.does, ".") + ".")
		} else {
			p.text(upper(item.does) + ".")
		}
	}
	p.macro("El")
}

func upper(s string) string { return strings.ToUpper(s[:1]) + strings.TrimRight(s[1:], ".") }

// flag is the head of an option: the second dash of --name is a flag of its own.
func flag(o option) string {
	name := strings.TrimPrefix(o.name, "-")
	if long, ok := strings.CutPrefix(name, "-"); ok {
		name = "Fl " + long
	}
	if o.value != "" {
		return "Fl " + name + " Ar " + o.value
	}
	return "Fl " + name
}

func (p *page) commands(all []command) {
	for _, c := range all {
		p.macro("Ss", argument(c.name))
		p.macro("Bd", "-literal", "-compact")
		for _, form := range c.forms {
			fmt.Fprintln(p, escape(form))
		}
		p.macro("Ed")
		for _, text := range c.text {
			p.macro("Pp")
			p.text(text)
		}
		if len(c.options) > 0 {
			p.list(c.options, flag)
		}
	}
}

// files writes the section FILES.
func (p *page) files(items ...option) {
	p.macro("Sh", "FILES")
	p.list(items, func(o option) string { return "Pa " + argument(o.name) })
}

// examples writes the section EXAMPLES: what a command line does, and the line.
func (p *page) examples(all ...[2]string) {
	p.macro("Sh", "EXAMPLES")
	for i, e := range all {
		if i > 0 {
			p.macro("Pp")
		}
		p.text(e[0] + ":")
		p.macro("Pp")
		p.macro("Dl", argument(e[1]))
	}
}

// also writes the section SEE ALSO. Its pages are text: mandoc takes a reference to a page that is not
// installed for a fault.
func (p *page) also(pages ...string) {
	p.macro("Sh", "SEE", "ALSO")
	p.text(strings.Join(pages, ", "))
}

func clientPage(client program, rel release.Release) []byte {
	p := begin("latchkey", "1", "knock at a router, so that it opens a door for you", rel)
	p.macro("Sh", "SYNOPSIS")
	p.macro("Nm", "latchkey")
	p.macro("Ar", "command")
	p.macro("Op", "Ar", "argument", "...")
	p.macro("Sh", "DESCRIPTION")
	p.text("Latchkey is port knocking for routers that run latchkeyd: a door is invisible until one of its clients knocks, with a sealed message that works once. latchkey sends such messages, and sequences of packets for other programs. It needs no rights but those of an ordinary user.")
	p.macro("Pp")
	p.text("Options may stand before, between and behind arguments.")
	p.commands(client.commands)
	p.files(
		option{name: "$XDG_CONFIG_HOME/latchkey", does: "links and used stamps, readable by their user only (without that variable, ~/.config/latchkey; on macOS ~/Library/Application Support/latchkey, on Windows %AppData%\\latchkey)"},
	)
	p.macro("Sh", "EXIT", "STATUS")
	p.list(client.exits, func(o option) string { return o.name })
	p.examples(
		[2]string{"Add a router at home, by the address that LuCI shows", "latchkey add http://192.168.1.1/latchkey/#CODE"},
		[2]string{"Open a door", "latchkey knock home nas"},
		[2]string{"Log in through a door", "ssh -o ProxyCommand='latchkey connect home nas %h %p' -p 2222 you@home.example.net"},
		[2]string{"Send a sequence to any knock daemon", "latchkey knock host.example.net 7000/tcp 8000/udp 9000:tcp"},
	)
	p.also("ssh(1)", "ssh_config(5)", "latchkeyd(8)")
	return p.Bytes()
}

func daemonPage(daemon program, rel release.Release) []byte {
	p := begin("latchkeyd", "8", "open the doors of a router for those who knock", rel)
	p.macro("Sh", "SYNOPSIS")
	p.macro("Nm", "latchkeyd")
	p.macro("Op", "Ar", "command", "Op", "Ar", "argument", "...")
	p.macro("Sh", "DESCRIPTION")
	p.text("latchkeyd reads knocks from a copy of the packets that a router's firewall drops, and opens doors by adding the sender's address to nftables sets, with a timeout. It never answers a knock. Without a command it shows the status.")
	p.commands(daemon.commands)
	p.files(
		option{name: "/etc/config/latchkey", does: "the configuration, see latchkey(5)"},
		option{name: "/etc/latchkey/state", does: "which messages were used; it must not be lost"},
		option{name: "/var/run/latchkey/latchkey.sock", does: "where the daemon listens, for these commands"},
		option{name: "/var/run/latchkey/events", does: "the newest events, in RAM"},
		option{name: "/etc/hotplug.d/latchkey", does: "scripts that run when a door opens or closes, with ACTION, DOOR, CLIENT, ADDRESS and UNTIL"},
	)
	p.macro("Sh", "EXIT", "STATUS")
	p.list([]option{
		{name: "0", does: "done"}, {name: "1", does: "it did not work"}, {name: "2", does: "the command line is wrong"},
		{name: "3", does: "import only: nothing in the file can be used as it is"},
	}, func(o option) string { return o.name })
	p.also("latchkey(1)", "latchkey(5)")
	return p.Bytes()
}

func configPage(sections []section, rel release.Release) []byte {
	p := begin("latchkey", "5", "configuration of latchkeyd", rel)
	p.macro("Sh", "DESCRIPTION")
	p.text("/etc/config/latchkey is a UCI file of OpenWrt. latchkeyd check lists everything that is wrong with it, with line numbers. A configuration with errors is refused as a whole, and the former one stays in use. Lengths of time are written 30s, 10m or 8h.")
	for _, s := range sections {
		p.macro("Ss", argument("config "+s.name))
		var options []option
		for _, o := range s.options {
			options = append(options, option{name: o.name, does: plain(o.does), literal: o.literal})
		}
		p.list(options, func(o option) string { return "Ic " + argument(o.name) })
	}
	p.files(option{name: "/etc/config/latchkey", does: "the configuration"})
	p.macro("Sh", "EXAMPLES")
	p.macro("Bd", "-literal")
	for _, line := range []string{
		"config latchkey 'main'", "\toption enabled '1'", "\toption stun_port '41641'", "\toption ports '20480-26623'", "",
		"config door 'nas'", "\toption title 'SSH of the NAS'", "\toption port '2222'", "\toption dest 'lan'",
		"\toption dest_ip '192.168.1.22'", "\toption dest_port '22'", "\toption open_for '10m'", "",
		"config client 'phone'", "\toption key 'KEY'", "\tlist door 'nas'",
	} {
		fmt.Fprintln(p, escape(line))
	}
	p.macro("Ed")
	p.also("latchkey(1)", "latchkeyd(8)")
	return p.Bytes()
}
