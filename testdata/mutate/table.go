// SPDX-License-Identifier: Apache-2.0

package main

// decides is a file every line of which decides who gets in, and the tests that look after it.
type decides struct {
	file string
	runs []run
}

var (
	sealTests   = []run{{pkg: "./pkgs/seal", tests: "Stamps|Past|Sent|Ring|Open|Seal|Vectors$|Skew|Hint"}, {pkg: "./pkgs/daemon"}}
	daemonTests = []run{{pkg: "./pkgs/daemon"}}
	doorTests   = []run{{pkg: "./pkgs/door/..."}, {pkg: "./pkgs/daemon"}}
	storeTests  = []run{{pkg: "./pkgs/store"}}
	nftTests    = []run{{pkg: "./pkgs/nft"}}
	configTests = []run{{pkg: "./pkgs/config"}}
)

var deciding = []decides{
	{"pkgs/seal/stamps.go", sealTests},
	{"pkgs/seal/spans.go", sealTests},
	{"pkgs/seal/sent.go", sealTests},
	{"pkgs/seal/message.go", sealTests},
	{"pkgs/seal/body.go", sealTests},
	{"pkgs/seal/ring.go", sealTests},
	{"pkgs/daemon/admit.go", daemonTests},
	{"pkgs/daemon/replay.go", daemonTests},
	{"pkgs/daemon/spa.go", daemonTests},
	{"pkgs/daemon/family.go", daemonTests},
	{"pkgs/daemon/policy.go", daemonTests},
	{"pkgs/door/book.go", doorTests},
	{"pkgs/daemon/sessions.go", daemonTests},
	{"pkgs/nft/nft.go", nftTests},
	{"pkgs/nft/fit.go", nftTests},
	{"pkgs/nft/message.go", nftTests},
	{"pkgs/store/store.go", storeTests},
	{"pkgs/store/text.go", storeTests},
	{"pkgs/store/replace.go", storeTests},
	{"pkgs/config/check.go", configTests},
}

// edits are the mutations that once survived every test, and their kind.
var edits = []edit{
	{"pkgs/seal/message.go", "subtle.ConstantTimeCompare(tag, s.tagOf(hint, body[:len(box)])) == 1",
		"subtle.ConstantTimeCompare(tag[:2], s.tagOf(hint, body[:len(box)])[:2]) == 1", sealTests},
	{"pkgs/store/replace.go", "if err := f.Sync(); err != nil {", "if err := error(nil); err != nil {", storeTests},
	{"pkgs/store/replace.go", "return dir.Sync()", "return nil", storeTests},
	{"pkgs/store/replace.go", "|os.O_EXCL", "", storeTests},
}
