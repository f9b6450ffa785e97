// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/latchkey/latchkey/pkgs/knockdconf"
)

func importKnockd(e env, args []string) error {
	f := newFlags(e, "import")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text, err := readInput(e, words[0])
	if err != nil {
		return err
	}
	translated, err := knockdconf.Translate(text, readRegular)
	if err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	_, err = fmt.Fprint(e.out, translated)
	return err
}
