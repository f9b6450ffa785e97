// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

const (
	pickupPatience = 15 * time.Second // for a small router that is busy
	maxReply       = 16 << 10         // bytes; a sealed link has at most 5483
)

// isPickup reports whether a text is meant as a pick-up address. A link has parts behind its #, each
// with a =; a code has none.
func isPickup(text string) bool {
	_, code, found := strings.Cut(strings.TrimSpace(text), "#")
	return found && code != "" && !strings.Contains(code, "=")
}

// pickUp gets the link that a pick-up address stands for, which works once. Errors never repeat the
// code.
func pickUp(ctx context.Context, text string) (link.Link, error) {
	page, codeText, _ := strings.Cut(strings.TrimSpace(text), "#")
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.Opaque != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return link.Link{}, errors.New("a pick-up address begins with http:// or https:// and the router's address")
	}
	code, err := pickup.ParseCode(codeText)
	if err != nil {
		return link.Link{}, fmt.Errorf("%w: the address was cut off or changed", err)
	}
	sealed, err := askRouter(ctx, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/ubus"}).String(), code.Name())
	if err != nil {
		return link.Link{}, fmt.Errorf("%s: %w", u.Host, err)
	}
	opened, err := code.Open(sealed)
	if err != nil {
		return link.Link{}, hinted{fmt.Errorf("%s: %w", u.Host, err), "let the router show a new code, in your own network"}
	}
	return link.Parse(opened)
}

// nullSession is whom ubus takes us for: somebody who did not log in.
const nullSession = "00000000000000000000000000000000"

// Errors of JSON-RPC, by uhttpd (ubus.c).
const (
	errNoObject = -32000
	errNoAccess = -32002
)

// askRouter asks a router's web server for what is offered under a name.
func askRouter(ctx context.Context, ubus, name string) (sealed string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pickupPatience)
	defer cancel()
	question, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "call",
		"params": []any{nullSession, "latchkey", "pickup", map[string]string{"name": name}},
	})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, ubus, bytes.NewReader(question))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{
		// The answer proves itself, and what a router has is a certificate that it made itself.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	reply, err := client.Do(request)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // the host is named already
		}
		return "", hinted{fmt.Errorf("the router did not answer: %w", err),
			"a code works only in the router's own network; it is not used up yet"}
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return "", hinted{fmt.Errorf("the web server there says %q of /ubus", reply.Status),
			"it takes the router's own page, and the package uhttpd-mod-ubus"}
	}
	return readReply(io.LimitReader(reply.Body, maxReply))
}

// readReply reads what the web server says.
func readReply(r io.Reader) (sealed string, err error) {
	var reply struct {
		Result []json.RawMessage
		Error  struct{ Code int }
	}
	if err := json.NewDecoder(r).Decode(&reply); err != nil {
		return "", errors.New("what answers there is not ubus of an OpenWrt router")
	}
	switch reply.Error.Code {
	case 0:
	case errNoObject, errNoAccess:
		return "", hinted{errors.New("that router hands out no links"),
			"it takes latchkey and luci-app-latchkey of this version or newer: upgrade them, then /etc/init.d/rpcd reload"}
	default:
		return "", fmt.Errorf("the web server there answers with error %d", reply.Error.Code)
	}
	var data struct{ Answer string }
	if len(reply.Result) > 1 {
		err = json.Unmarshal(reply.Result[1], &data)
	}
	if err != nil || data.Answer == "" {
		return "", hinted{errors.New("the router has nothing for this code: it was used, is older than 15 minutes, or a newer one took its place"),
			"let the router show a new one: LuCI > Services > Latchkey > Clients"}
	}
	return data.Answer, nil
}
