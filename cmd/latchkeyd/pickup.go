// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/offer"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

// offerFolder is where links wait for their devices: root's, not the daemon's, and gone after a reboot.
const offerFolder = "/var/run/latchkey.offers"

func (f *flags) folder() *string {
	return f.String("folder", offerFolder, "folder of what is offered")
}

// offerLink seals a link under a new code and prints the code and for how many minutes it works. The
// link comes in a file, because arguments are not private.
func offerLink(e env, args []string) error {
	f := newFlags(e, "offer")
	folder := f.folder()
	page := f.String("page", "", "page that picks it up: print its address with the code")
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	address := ""
	if *page != "" {
		if err := link.CheckPage(*page); err != nil {
			return err
		}
		address = *page + "#"
	}
	text, err := readLink(words[1])
	if err != nil {
		return err
	}
	var code pickup.Code
	if err := drawSecret(code[:]); err != nil {
		return err
	}
	if err := offer.Folder(*folder).Put(sinceBoot(), words[0], code.Name(), code.Seal(text)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, address+code.Text(), int(offer.Time/time.Minute))
	return err
}

// pickUp prints what is offered under a name, which works once.
func pickUp(e env, args []string) error {
	f := newFlags(e, "pickup")
	folder := f.folder()
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	sealed, err := offer.Folder(*folder).Take(sinceBoot(), words[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, sealed)
	return err
}

// readLink reads a file that holds one link.
func readLink(path string) (string, error) {
	text, err := readConfig(path)
	text = strings.TrimSpace(text)
	switch {
	case err != nil:
		return "", err
	case !strings.Contains(text, "#") || strings.Contains(text, "\n"):
		return "", &control.Error{Text: path + " has no link", Hint: "it must be one line, as ubus call latchkey link gives it"}
	case len(text) > pickup.MaxText:
		return "", fmt.Errorf("the link in %s has %d bytes, the limit is %d", path, len(text), pickup.MaxText)
	}
	return text, nil
}
