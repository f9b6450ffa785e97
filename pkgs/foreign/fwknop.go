// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of files that include others.
const (
	maxIncludes = 16 // in all
	maxNesting  = 3  // as in fwknopd
)

// defaultSPAPort is where fwknopd listens by default.
const defaultSPAPort = 62201

// The words of fwknop's files, and what becomes of what they say.
const (
	// These are translated.
	spaValues = " SOURCE OPEN_PORTS RESTRICT_PORTS FW_ACCESS_TIMEOUT MAX_FW_TIMEOUT ACCESS_EXPIRE ACCESS_EXPIRE_EPOCH FORCE_NAT " +
		"ENCRYPTION_MODE HMAC_DIGEST_TYPE ACCESS NAT_ACCESS NAT_PORT FW_TIMEOUT SPA_SERVER_PORT USE_HMAC "
	spaKeys = " KEY KEY_BASE64 HMAC_KEY HMAC_KEY_BASE64 "
	// These have no counterpart, and nothing gets wider by that.
	spaNotes = " REQUIRE_SOURCE_ADDRESS ENABLE_CMD_EXEC CMD_EXEC_USER CMD_EXEC_GROUP SUDO_EXE FORCE_SNAT FORCE_MASQUERADE SPA_SERVER " +
		"SPA_SOURCE_PORT ALLOW_IP SPOOF_USER RESOLVE_IP_HTTPS KEYTYPE HKEYTYPE DIGEST_TYPE TIME_OFFSET " +
		"RESOLVE_URL VERBOSE NO_SAVE_ARGS CMD_CYCLE_CLOSE CMD_CYCLE_TIMER GPG_NO_SIGNING_PW GPG_DECRYPT_ID GPG_DECRYPT_PW " +
		"GPG_REMOTE_ID GPG_HOME_DIR GPG_ALLOW_NO_PW GPG_REQUIRE_SIG GPG_DISABLE_SIG GPG_IGNORE_SIG_VERIFY_ERROR GPG_FINGERPRINT_ID " +
		"GPG_RECIPIENT GPG_SIGNER GPG_SIGNING_PW GPG_EXE "
	// These limit who may knock, or say what happens instead of opening: their client is switched off.
	spaLimits = " DESTINATION REQUIRE_USERNAME CMD_CYCLE_OPEN SPA_SERVER_PROTO "
	// These do so if they are set to yes.
	spaSwitches = " FORWARD_ALL DISABLE_DNAT NAT_LOCAL NAT_RAND_PORT RAND_PORT USE_GPG "
	spaWords    = spaValues + spaKeys + spaNotes + spaLimits + spaSwitches
)

// isFwknop reports whether a line begins with a word of fwknop.
func isFwknop(word string) bool {
	word = strings.TrimSuffix(upper(word), ":")
	return among(spaWords, word) || strings.HasPrefix(word, "%INCLUDE")
}

// fwknopLine reads NAME VALUE as fwknop does: a colon behind the name, and all from a semicolon on, do
// not count.
func fwknopLine(s string, line int) (d directive, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] == '#' || s[0] == ';' {
		return d, false
	}
	n := strings.IndexAny(s, " \t")
	if n < 0 {
		n = len(s)
	}
	d = directive{name: strings.TrimSuffix(upper(s[:n]), ":"), line: line}
	d.value, _, _ = strings.Cut(s[n:], ";")
	if !among(spaKeys, d.name) {
		d.value, _, _ = strings.Cut(d.value, " #")
	}
	d.value = strings.TrimSpace(d.value)
	return d, true
}

// accessConf reads access.conf of fwknopd. A line SOURCE begins a stanza.
func (t *translation) accessConf(text string) {
	var list []section
	left := maxIncludes
	t.access(text, "", 0, &left, &list)
	t.stanzas(list, defaultSPAPort)
}

func (t *translation) access(text, file string, depth int, left *int, list *[]section) {
	line := 0
	for _, raw := range strings.Split(text, "\n") {
		line++
		d, ok := fwknopLine(raw, line)
		switch {
		case !ok:
		case strings.HasPrefix(d.name, "%INCLUDE"):
			t.include(d, depth, left, list)
		default:
			if d.name == "SOURCE" || len(*list) == 0 {
				s := section{}
				if depth == 0 {
					s.line = line
				} else {
					s.kind = file
				}
				*list = append(*list, s)
			}
			now := &(*list)[len(*list)-1]
			now.list = append(now.list, d)
		}
	}
}

// include reads another file. Its text may be anything: nothing of it is shown that is not understood.
func (t *translation) include(d directive, depth int, left *int, list *[]section) {
	switch {
	case d.name == "%INCLUDE_FOLDER":
		t.comment("%%include_folder %s: give each file of the folder to latchkeyd import by itself.", d.value)
	case t.readFile == nil:
		t.comment("%s %s is not read here.", lower(d.name), d.value)
	case depth == maxNesting || *left == 0:
		t.comment("%s %s is not read: files may include others up to %d deep, and %d of them in all.", lower(d.name), d.value, maxNesting, maxIncludes)
	default:
		*left--
		text, err := t.readFile(d.value)
		if err == nil && len(text) > MaxSize {
			err = fmt.Errorf("%s has %d bytes, but at most %d are read", d.value, len(text), MaxSize)
		}
		if err != nil {
			t.comment("%s could not be read: %v", lower(d.name), err)
			return
		}
		t.access(text, d.value, depth+1, left, list)
	}
}

// fwknopUCI reads /etc/config/fwknopd of OpenWrt.
func (t *translation) fwknopUCI(text string) {
	sniffed, served := uint16(defaultSPAPort), uint16(defaultSPAPort)
	serves := false // it listens itself, instead of reading along
	var list []section
	for _, s := range t.uciSections(text, upper) {
		if s.kind == "access" {
			list = append(list, s)
			continue
		}
		for _, d := range s.list {
			switch d.name {
			case "UDPSERV_PORT":
				served = portOr(d.value, served)
			case "ENABLE_UDP_SERVER":
				serves = isYes(d.value)
			case "PCAP_FILTER": // udp port 62201
				port, isPort := strings.CutPrefix(strings.Join(strings.Fields(d.value), " "), "udp port ")
				if sniffed = portOr(port, 0); !isPort || sniffed == 0 {
					sniffed = defaultSPAPort
					t.comment("PCAP_FILTER is more than a port, or another one: UDP port %d is taken.", sniffed)
				}
			case "PCAP_INTF":
				t.takenFrom(d, "device", d.value)
			case "NETWORK":
				if !among(" wan wan6 ", d.value) {
					t.takenFrom(d, "interface", d.value)
				}
			case "UCI_ENABLED": // of OpenWrt's scripts
			default:
				t.comment("%s of section '%s' has no counterpart.", d.shown(), s.kind)
			}
		}
	}
	if serves {
		sniffed = served
	}
	for i := range list {
		list[i].port = sniffed
	}
	t.stanzas(list, sniffed)
}

func portOr(text string, otherwise uint16) uint16 {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		return uint16(n)
	}
	return otherwise
}

// shown is printableName, with the line of a name that is not shown.
func (d directive) shown() string {
	name := printableName(d.name)
	if name != d.name && d.line > 0 {
		name += fmt.Sprintf(" (line %d)", d.line)
	}
	return name
}

// printableName returns the name of a directive, unless it may be a piece of a key in the wrong place.
func printableName(name string) string {
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
	if among(spaWords, name) || plain && strings.Contains(name, "_") && len(name) <= 24 || isKnockd(name) {
		return name
	}
	return "a name that is not known here"
}

// fwknopRC reads .fwknoprc of the fwknop client. What is in its section default holds for the others.
func (t *translation) fwknopRC(text string) {
	var list []section
	var common section
	line := 0
	now := &common
	for _, raw := range strings.Split(text, "\n") {
		line++
		s := strings.TrimSpace(raw)
		if s != "" && s[0] == '[' && s[len(s)-1] == ']' {
			if name := strings.TrimSpace(s[1 : len(s)-1]); name == "default" {
				now = &common
				common.line = line
			} else {
				list = append(list, section{name: name, line: line})
				now = &list[len(list)-1]
			}
			continue
		}
		if d, ok := fwknopLine(raw, line); ok {
			now.list = append(now.list, d)
		}
	}
	if len(list) == 0 {
		common.name = "default"
		list = []section{common}
	} else {
		for i := range list {
			list[i].list = append(common.list[:len(common.list):len(common.list)], list[i].list...)
		}
	}
	t.comment("This is the file of a client: its doors are what it asks for (ACCESS), which the server may see otherwise.")
	// The port is that of the first client that can be used.
	port, best := uint16(defaultSPAPort), 0
	for i := range list {
		s := &list[i]
		text, _ := s.get("SPA_SERVER_PORT")
		s.port = portOr(text, defaultSPAPort)
		if use := s.use(); use > best {
			port, best = s.port, use
		}
	}
	t.stanzas(list, port)
}
