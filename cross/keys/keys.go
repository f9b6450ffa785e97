// SPDX-License-Identifier: Apache-2.0

// Package keys reads the secret keys that sign feeds and releases.
package keys

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/signify"
)

// Keys are a signer's two, each for one package manager. Releases are signed
// with that for opkg.
type Keys struct {
	OPKG *signify.Key
	APK  *adb.Key
}

// Read reads them as "feed keygen NAME" wrote them: from NAME, and from
// NAME.pem.
func Read(name string) (k Keys, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return k, fmt.Errorf("%w (hint: make keys with: go run ./cross/feed keygen %s)", err, name)
	}
	if k.OPKG, err = signify.ParseSecret(text); err != nil {
		return k, fmt.Errorf("%s: %w", name, err)
	}
	name += ".pem"
	if text, err = os.ReadFile(name); err != nil {
		return k, fmt.Errorf("%w (hint: to keep the key for opkg, make this one with: openssl ecparam -name prime256v1 -genkey -noout -out %s)",
			err, filepath.Base(name))
	}
	if k.APK, err = adb.ParseSecret(text); err != nil {
		return k, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}
