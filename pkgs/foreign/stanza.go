// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/command"
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// What holds in fwknopd where a stanza does not say it, in seconds.
const (
	defaultAccess    = 30
	defaultMaxAccess = 300
)

// client is a fwknop client that was written.
type client struct {
	name string
	keys [2]string
}

// stanzas translates what all of fwknop's files come to.
func (t *translation) stanzas(list []section, port uint16) {
	if t.spaPort = t.basePort; t.basePort == 0 {
		t.spaPort = port
		t.valid += fmt.Sprintf("%s\toption spa_port '%d'\n", emptyMain, port)
		if cfg, _ := config.Parse(t.valid); cfg == nil {
			t.valid, t.spaPort = t.base, 0
			t.comment("The fwknop clients knock at UDP port %d, which is taken: set spa_port in section main, and the port in the clients.", port)
		}
	}
	for i := range list {
		if t.full(i, len(list)) {
			return
		}
		t.end(t.stanza(&list[i]))
	}
	if t.count[translated]+t.count[partly]+t.count[waiting] == 0 {
		t.spaPort = 0
	}
}

// spa is a stanza while it is translated.
type spa struct {
	*translation
	s       *section
	off     bool // the client shall be switched off
	lost    bool // a part of it is not translated
	openFor time.Duration
	maxOpen time.Duration
	key     spaKey
	hmac    spaKey
}

func (t *translation) stanza(s *section) outcome {
	x := &spa{translation: t, s: s}
	t.out.WriteString("\n")
	switch {
	case s.kind != "" && s.line == 0:
		t.comment("A stanza in %s", s.kind)
	case s.line > 0:
		t.comment("The stanza in line %d %s", s.line, s.name)
	}
	for i, d := range s.list {
		if !among(spaWords, d.name) || s.counts(i) {
			x.remark(d)
		}
	}
	var why string
	if x.key, x.hmac, why = s.keys(); why != "" {
		x.comment("It is no client for Latchkey: %s.", why)
		return refused
	}
	if s.port != 0 && x.spaPort != 0 && s.port != x.spaPort {
		x.lost = true
		x.comment("It sends to UDP port %d. Here all clients of fwknop send to one port, which is %d: set SPA_SERVER_PORT of the client.", s.port, x.spaPort)
	}
	x.times()
	doors := x.doors()
	return x.write(doors)
}

// remark says of what has no counterpart that it has none.
func (x *spa) remark(d directive) {
	_, remark, _ := strings.Cut(remarks, "\n"+d.name+": ")
	remark, _, _ = strings.Cut(remark, "\n")
	switch {
	case d.limits():
		x.off = true
		x.comment("%s has no counterpart, so this client is switched off. %s", d.name, remark)
	case !among(spaWords, d.name):
		x.comment("Line %d: %s has no counterpart.", d.line, printableName(d.name))
	case remark != "" && !among(spaLimits+spaSwitches, d.name):
		x.comment("%s: %s", d.name, remark)
	}
}

// limits reports whether d limits who may knock, or how, in a way that has no counterpart.
func (d directive) limits() bool {
	if d.name == "SPA_SERVER_PROTO" {
		return !among(" udp udpraw ", lower(d.value))
	}
	return among(spaLimits, d.name) && !isAny(d.value) || among(spaSwitches, d.name) && isYes(d.value)
}

// use is 2 if a stanza becomes a client, 1 if that is switched off, and 0 if it becomes none.
func (s *section) use() int {
	if _, _, why := s.keys(); why != "" {
		return 0
	}
	for i, d := range s.list {
		if d.limits() && s.counts(i) {
			return 1
		}
	}
	return 2
}

// remarks say more of what has no counterpart. What is not in it changes nothing for the router.
const remarks = `
REQUIRE_SOURCE_ADDRESS: a packet without an address in it opens for its sender here.
ENABLE_CMD_EXEC: commands in packets are always refused. Scripts in /etc/hotplug.d/latchkey run when a door opens or closes.
FORCE_SNAT: the host sees the address of the client here.
FORCE_MASQUERADE: the host sees the address of the client here.
CMD_CYCLE_OPEN: A script in /etc/hotplug.d/latchkey can run the command when a door opens.
GPG_DECRYPT_ID: GnuPG has no counterpart.
GPG_RECIPIENT: GnuPG has no counterpart.
SPA_SERVER_PROTO: Its packets come over UDP here.
RAND_PORT: Its packets come to one port here.
REQUIRE_USERNAME: Its keys say who knocks; the name in a packet is not looked at.
`

// isAny takes what fwknop takes for every address.
func isAny(s string) bool { return lower(s) == "any" || s == "0.0.0.0/0" }

// isYes takes what fwknop takes for yes.
func isYes(s string) bool { return s != "" && (s[0] == 'y' || s[0] == 'Y' || s == "1") }

// spaKey is one of the two keys of a client.
type spaKey struct {
	option string // of config: as text where that can be, else in base64
	bytes  string
}

func (k spaKey) String() string {
	value := k.bytes
	if !strings.HasSuffix(k.option, "_text") {
		value = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return "\toption " + k.option + " " + quote(value) + "\n"
}

// keys returns the two keys, or why the stanza is of no use here.
func (s *section) keys() (key, hmac spaKey, why string) {
	if key, why = s.secret("KEY", 32); why == "" {
		hmac, why = s.secret("HMAC_KEY", 136)
	}
	if mode, ok := s.get("ENCRYPTION_MODE"); ok && lower(mode) != "cbc" {
		why = "only ENCRYPTION_MODE CBC is known here, which is the default of fwknop"
	}
	if use, ok := s.get("USE_HMAC"); ok && !isYes(use) {
		why = "without an HMAC its packets prove nothing"
	}
	return key, hmac, why
}

// secret returns a key of up to most bytes, or why there is none. The last line of either form counts.
func (s *section) secret(name string, most int) (key spaKey, why string) {
	value, isText := "", false
	for _, d := range s.list {
		if d.name == name || d.name == name+"_BASE64" {
			value, isText = d.value, d.name == name
		}
	}
	option := lower(name)
	switch {
	case value == "":
		return key, "it has no " + name + ": make new keys with fwknop --key-gen"
	case strings.Contains(value, "CHANGEME"):
		return key, "its " + name + " is the placeholder that it came with: make keys with fwknop --key-gen"
	case isText && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
		return spaKey{option + "_text", value}, ""
	case isText:
		return spaKey{option, value}, ""
	}
	b, err := seal.Unbase64(base64.RawStdEncoding, strings.TrimRight(value, "="))
	if err != nil || len(b) == 0 || len(b) > most {
		return key, fmt.Sprintf("its %s_BASE64 is not 1 to %d bytes in base64", name, most)
	}
	return spaKey{option, string(b)}, ""
}

// times sets how long doors are open.
func (x *spa) times() {
	seconds := func(name string, otherwise int) int {
		text, ok := x.s.get(name)
		if n, _ := atoi(text); ok && n > 0 {
			return n
		}
		return otherwise
	}
	access := seconds("FW_ACCESS_TIMEOUT", seconds("FW_TIMEOUT", defaultAccess))
	most := max(access, seconds("MAX_FW_TIMEOUT", defaultMaxAccess))
	x.openFor = x.within("FW_ACCESS_TIMEOUT", time.Duration(access)*time.Second, config.MinOpenFor, config.MaxOpenFor)
	x.maxOpen = x.within("MAX_FW_TIMEOUT", time.Duration(most)*time.Second, config.MinOpenFor, config.MaxOpenFor)
}

// doors returns those for what the stanza lets its client open.
func (x *spa) doors() []door {
	if source, ok := x.s.get("SOURCE"); ok && !isAny(source) {
		x.off = true
		x.comment("SOURCE %s has no counterpart: a client knocks from anywhere. So it is switched off.", source)
	}
	list, ok := x.s.get("OPEN_PORTS")
	if !ok {
		list, ok = x.s.get("ACCESS")
	}
	if !ok || list == "" {
		x.comment("It may open every port. Write doors for those that are needed, name them here, and switch it on.")
		return nil
	}
	banned, _ := x.s.get("RESTRICT_PORTS")
	host, inner, ok := x.target()
	if !ok {
		return nil
	}
	var doors []door
	for _, word := range portList(list) {
		if slices.Contains(portList(banned), word) {
			x.comment("%s is in RESTRICT_PORTS too: it is no door.", word)
			continue
		}
		proto, text, _ := strings.Cut(word, "/")
		port, err := strconv.ParseUint(text, 10, 16)
		if proto != "tcp" && proto != "udp" || err != nil || port == 0 {
			x.lost = true
			x.comment("Not translated: %s, which is not tcp or udp with a port.", word)
			continue
		}
		o := command.Opening{Proto: proto, Port: x.outside(uint16(port)), Host: host, HostPort: inner}
		doors = gather(doors, newDoor(o, x.openFor, x.maxOpen, ""))
	}
	return x.named(doors)
}

// portList cuts tcp/22, udp/53 into words.
func portList(s string) []string {
	return strings.FieldsFunc(lower(s), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// outside is the port that a client asks for.
func (x *spa) outside(port uint16) uint16 {
	if text, ok := x.s.get("NAT_PORT"); ok {
		return portOr(text, port)
	}
	return port
}

// target is the host to which the stanza leads, if it leads to one. It is false if that is not known.
func (x *spa) target() (host netip.Addr, port uint16, ok bool) {
	text, there := x.s.get("FORCE_NAT") // ADDRESS PORT
	if there {
		text = strings.Join(strings.Fields(text), ":")
	} else if text, there = x.s.get("NAT_ACCESS"); !there { // ADDRESS:PORT
		return host, 0, true
	}
	text = strings.Replace(text, ",", ":", 1)
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 {
		x.comment("Not translated: it leads to %q, which is not the address of a host with a port. Write a door for it.", text)
		return host, 0, false
	}
	return a.Addr(), a.Port(), true
}

// write writes the client, or gives its doors to one that has the same keys.
func (x *spa) write(doors []door) outcome {
	expires := x.expires()
	result := translated
	switch {
	case x.off || len(doors) == 0:
		result = waiting
	case x.lost:
		result = partly
	}
	keys := [2]string{x.key.bytes, x.hmac.bytes}
	for _, c := range x.clients {
		switch {
		case c.keys != keys:
			continue
		case result == waiting:
			x.comment("It has the keys of client '%s', which does not get its doors.", c.name)
			return refused
		}
		x.comment("It has the keys of client '%s': its doors are added to that one.", c.name)
		return x.added(doors, "config client '"+c.name+"'\n"+doorList(doors), result)
	}
	name := x.s.name
	if name == "" {
		name = "fwknop"
	}
	c := client{x.name(name), keys}
	var b strings.Builder
	fmt.Fprintf(&b, "config client '%s'\n\toption kind 'fwknop'\n%s%s", c.name, x.key, x.hmac)
	b.WriteString(doorList(doors))
	b.WriteString(expires)
	if result == waiting {
		b.WriteString("\toption enabled '0'\n")
	}
	if !x.add(doors, b.String()) {
		return refused
	}
	if result != waiting {
		x.clients = append(x.clients, c)
	}
	return result
}

func doorList(doors []door) string {
	var b strings.Builder
	for _, d := range doors {
		fmt.Fprintf(&b, "\tlist door '%s'\n", d.name)
	}
	return b.String()
}

// expires is the option for ACCESS_EXPIRE, a day in the American order at whose beginning it ends, or
// ACCESS_EXPIRE_EPOCH.
func (x *spa) expires() string {
	end := ""
	if text, ok := x.s.get("ACCESS_EXPIRE_EPOCH"); ok {
		const most = 1 << 33 // seconds since 1970; later ones have years of five digits
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && 0 < n && n < most {
			end = time.Unix(n, 0).UTC().Format(time.RFC3339)
		}
	} else if text, ok = x.s.get("ACCESS_EXPIRE"); !ok {
		return ""
	} else if day, err := time.Parse("1/2/2006", text); err == nil {
		end = day.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	if end == "" {
		x.off = true
		x.comment("When it expires is not known here, so this client is switched off: write option expires.")
		return ""
	}
	return "\toption expires '" + end + "'\n"
}
