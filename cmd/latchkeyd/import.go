// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/latchkey/latchkey/pkgs/foreign"
)

// nothingError says that everything went well and nothing came of it. It has an exit code of its own.
type nothingError struct{ error }

// importForeign translates the configuration of another port knocker. It writes the translation, with
// the reasons for what is missing in it, also if nothing in it can be used.
func importForeign(e env, args []string) error {
	f := newFlags(e, "import")
	config := f.String("config", userConfig, "configuration that the result is for: names and keys that are taken in it are not used")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text, err := readInput(e, words[0])
	if err != nil {
		return err
	}
	base, err := readConfig(*config)
	if err != nil && (*config != userConfig || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)) {
		return err
	}
	result, err := foreign.Translate(text, foreign.Options{ReadFile: readRegular, Base: base})
	if err != nil {
		return fmt.Errorf("%s: %w", shownName(words[0]), err)
	}
	if _, err := fmt.Fprint(e.out, result.Text); err != nil {
		return err
	}
	if result.Usable == 0 {
		return nothingError{fmt.Errorf("nothing in %s can be used as it is: the comments say why", shownName(words[0]))}
	}
	return nil
}
