// SPDX-License-Identifier: Apache-2.0

package main

// decides is a file every line of which decides who gets in, and the tests that look after it.
type decides struct {
	file string
	runs []run
}

var (
	sealTests   = []run{{pkg: "./pkgs/seal", tests: "^Test(Stamps|Spans|Past|Sent|Ring|Seal|Vectors|Skew|Tag|Key|ParseKey)"}, {pkg: "./pkgs/daemon"}}
	daemonTests = []run{{pkg: "./pkgs/daemon"}}
	doorTests   = []run{{pkg: "./pkgs/door"}, {pkg: "./pkgs/daemon"}}
	storeTests  = []run{{pkg: "./pkgs/store"}}
	nftTests    = []run{{pkg: "./pkgs/nft"}}
	configTests = []run{{pkg: "./pkgs/config"}}
	uplinkTests = []run{{pkg: "./pkgs/uplink"}}
)

var deciding = []decides{
	{"pkgs/seal/stamps.go", sealTests},
	{"pkgs/seal/spans.go", sealTests},
	{"pkgs/seal/sent.go", sealTests},
	{"pkgs/seal/message.go", sealTests},
	{"pkgs/seal/body.go", sealTests},
	{"pkgs/seal/ring.go", sealTests},
	{"pkgs/daemon/admit.go", daemonTests},
	{"pkgs/daemon/knocker.go", daemonTests},
	{"pkgs/daemon/replay.go", daemonTests},
	{"pkgs/daemon/spa.go", daemonTests},
	{"pkgs/daemon/deferred.go", daemonTests},
	{"pkgs/daemon/policy.go", daemonTests},
	{"pkgs/door/book.go", doorTests},
	{"pkgs/door/close.go", doorTests},
	{"pkgs/door/table.go", doorTests},
	{"pkgs/daemon/sessions.go", daemonTests},
	{"pkgs/nft/nft.go", nftTests},
	{"pkgs/nft/setkind.go", nftTests},
	{"pkgs/nft/message.go", nftTests},
	{"pkgs/store/store.go", storeTests},
	{"pkgs/store/text.go", storeTests},
	{"pkgs/store/replace.go", storeTests},
	{"pkgs/replace/replace.go", []run{{pkg: "./pkgs/replace"}, {pkg: "./pkgs/store"}}},
	{"pkgs/config/check.go", configTests},
	{"pkgs/config/receivers.go", configTests},
	{"pkgs/uplink/silence.go", uplinkTests},
}

// recognising are the files that say what a knock is; they authorise nothing (-more).
var recognising = []decides{
	{"pkgs/knock/attempt.go", knockTests},
	{"pkgs/knock/firsts.go", knockTests},
	{"pkgs/knock/fwknop.go", knockTests},
	{"pkgs/knock/hash.go", knockTests},
	{"pkgs/knock/message.go", knockTests},
	{"pkgs/knock/match.go", knockTests},
	{"pkgs/knock/reserve.go", knockTests},
	{"pkgs/knock/sequence.go", knockTests},
	{"pkgs/knock/slots.go", knockTests},
	{"pkgs/knock/spa.go", knockTests},
	{"pkgs/knock/table.go", knockTests},
}

var (
	knockTests  = []run{{pkg: "./pkgs/knock"}}
	rulesTests  = []run{{pkg: "./pkgs"}}
	rightTests  = []run{{pkg: "./cmd/latchkeyd", tests: "ControlSocket|NoNetworkSocket"}}
	clockTests  = []run{{pkg: "./cmd/latchkeyd", tests: "KernelSynced|JudgeClock"}}
	pluginTests = []run{{pkg: "./openwrt/tests", tests: "Plugin"}}
	owrtTests   = []run{{pkg: "./openwrt/tests"}}
)

// edits are the mutations that once survived every test, and their kin in what is no Go.
var edits = []edit{
	// What a seal is worth.
	{"pkgs/seal/message.go", "subtle.ConstantTimeCompare(tag, s.tagOf(hint, body[:len(box)])) == 1",
		"subtle.ConstantTimeCompare(tag[:2], s.tagOf(hint, body[:len(box)])[:2]) == 1", sealTests},
	{"pkgs/seal/message.go", "subtle.ConstantTimeCompare(tag, s.tagOf(hint, body[:len(box)])) == 1",
		"string(tag) == string(s.tagOf(hint, body[:len(box)]))", rulesTests},
	// Who may do what.
	{"pkgs/daemon/admit.go", "d.book.CloseOwn(now, name, dec.address, cmp.Or(dec.name(), how))",
		"d.book.CloseOwn(now, name, dec.address, \"phone\")", daemonTests},
	{"pkgs/daemon/admit.go", "\t\tif no, blocked := d.blocked(d.saidBy(now, c, r), c); blocked {\n\t\t\treturn no",
		"\t\tif no, _ := d.blocked(d.saidBy(now, c, r), c); false {\n\t\t\treturn no", daemonTests},
	{"pkgs/config/opening.go", "return o.Proto == proto && inRange(o.Outside, port)",
		"return inRange(o.Outside, port)", daemonTests},
	{"pkgs/daemon/replay.go", "second | r.SPA.Random&(1<<secondBits-1)", "second", daemonTests},
	{"pkgs/door/book.go", "return now.Before(g.Until) && wanted(g)", "return wanted(g)", doorTests},
	{"pkgs/door/table.go", "owner{e.Holder(), e.Share}", "owner{e.Holder(), \"\"}", doorTests},
	// What the kernel is told.
	{"pkgs/nft/nft.go", "case e.left != 0 && (w.left-e.left).Abs() <= tolerance:", "case e.left == 0 || (w.left-e.left).Abs() <= tolerance:", nftTests},
	{"pkgs/nft/message.go", "\t\t\tadd(unix.NFT_MSG_DELSETELEM, elements)\n", "", nftTests},
	// What must survive a power failure.
	{"pkgs/store/replace.go", "return f.Sync()", "return nil", storeTests},
	{"pkgs/store/replace.go", "return dir.Sync()", "return nil", storeTests},
	{"pkgs/replace/replace.go", "|os.O_EXCL", "", storeTests},
	// What the process may do, and who may talk to it.
	{"cmd/latchkeyd/run.go", "syscall.Umask(0o117)", "syscall.Umask(0)", rightTests},
	{"cmd/latchkeyd/run.go", "\tdefer l.Close()\n", "\tdefer l.Close()\n\tif other, err := net.Listen(\"tcp\", \"127.0.0.1:0\"); err == nil {\n\t\tdefer other.Close()\n\t}\n", rightTests},
	{"cmd/latchkeyd/run.go", "\tdefer l.Close()\n", "\tdefer l.Close()\n\t_, _ = syscall.ForkExec(\"/bin/sleep\", []string{\"sleep\", \"60\"}, nil)\n", rightTests},
	// Whether the clock is right.
	{"cmd/latchkeyd/clock.go", "return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 && t.Maxerror < phaseLimit",
		"return true || err == nil && state == 0", clockTests},
	{"cmd/latchkeyd/clock.go", "return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 && t.Maxerror < phaseLimit",
		"return false && err == nil && state == 0", clockTests},
	// The router's side.
	{"openwrt/latchkey/files/latchkey.capabilities.json", "\t\"bounding\": [\n", "\t\"bounding\": [\n\t\t\"CAP_SYS_ADMIN\",\n", owrtTests},
	{"luci-app/root/usr/share/rpcd/acl.d/luci-app-latchkey.json", "\"latchkey\": [ \"status\", \"events\", \"radar\" ]", "\"latchkey\": [ \"status\", \"events\", \"radar\", \"link\" ]", owrtTests},
	{"luci-app/root/usr/share/rpcd/acl.d/luci-app-latchkey.json", "\"latchkey\": [ \"status\", \"events\", \"radar\" ]", "\"latchkey\": [ \"status\", \"events\", \"radar\", \"open\" ]", owrtTests},
	{"luci-app/root/usr/share/rpcd/acl.d/luci-app-latchkey.json", "\"latchkey\": [ \"status\", \"events\", \"radar\" ]\n\t\t\t}",
		"\"latchkey\": [ \"status\", \"events\", \"radar\" ]\n\t\t\t},\n\t\t\t\"uci\": { \"latchkey\": [ \"read\" ] }", owrtTests},
	{"cmd/latchkeyd/firewall.go", "daemon.ForEverybody", "daemon.ForOwner", owrtTests},
	{"openwrt/latchkey/files/latchkey.init", "chown latchkey:latchkey \"$folder\"", "chown -R latchkey:latchkey \"$folder\"", owrtTests},
	{"openwrt/latchkey/files/latchkey.init", "chmod 0440 \"$OWN/new/config\"", "chmod 0444 \"$OWN/new/config\"", owrtTests},
	{"openwrt/latchkey/files/latchkey.init", "procd_add_jail_mount \"$OWN\"", "procd_add_jail_mount_rw \"$OWN\"", owrtTests},
	{"openwrt/latchkey/files/latchkey.init", "\tprocd_set_param no_new_privs 1\n", "", owrtTests},
	{"openwrt/latchkey/files/latchkey.init", "mv -f \"$OWN/new/config\" \"$OWN/config\"", "cat \"$OWN/new/config\" >\"$OWN/config\"", owrtTests},
}

// withUcode are mutations of the plugin, whose tests take OpenWrt's ucode (LATCHKEY_UCODE).
var withUcode = []edit{
	{"openwrt/latchkey/files/latchkey.uc", "const end = now() + PATIENCE;", "const end = now() + 100 * PATIENCE;", pluginTests},
	{"openwrt/latchkey/files/latchkey.uc", "/'/g, `'\\\\''`", "/'/g, `'`", pluginTests},
}
