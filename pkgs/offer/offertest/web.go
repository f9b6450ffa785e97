// SPDX-License-Identifier: Apache-2.0

// Package offertest has what tests of the pick-up need: a stand-in for a router's web server, what
// must hold of it and of a real one, and an ear on the wire.
//
// It is not meant for other programs.
package offertest

import (
	"encoding/json"
	"net/http"
	"os"
	"sync/atomic"
)

// NullSession is the session of those who did not log in (uhttpd, ubus.c).
const NullSession = "00000000000000000000000000000000"

// Web stands in for uhttpd with its module ubus, and for rpcd: it serves the knock page at /latchkey/
// and passes calls of latchkey.pickup on, the one method that its access list opens to everybody.
type Web struct {
	Page   string                           // path of the page's file
	PickUp func(name string) map[string]any // the method of ubus

	Busy    atomic.Bool // it has no time for ubus
	Damages atomic.Bool // it changes what it hands out
}

// question is a call by JSON-RPC, as uhttpd takes it.
type question struct {
	JSONRPC string
	ID      any
	Method  string
	Params  []json.RawMessage
}

// Errors of JSON-RPC and codes of ubus (uhttpd, ubus.c; libubus, ubusmsg.h).
const (
	errParse          = -32700
	errNoAccess       = -32002
	codeOK            = 0
	codeWrongArgument = 2
)

func (w *Web) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	switch in.URL.Path {
	case "/latchkey/":
		page, err := os.ReadFile(w.Page)
		if err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
			return
		}
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		out.Write(page)
	case "/ubus", "/ubus/":
		if w.Busy.Load() {
			http.Error(out, "busy", http.StatusServiceUnavailable)
			return
		}
		var q question
		if err := json.NewDecoder(http.MaxBytesReader(out, in.Body, 65536)).Decode(&q); err != nil {
			q = question{}
		}
		reply := w.answer(q)
		reply["jsonrpc"], reply["id"] = "2.0", q.ID
		out.Header().Set("Content-Type", "application/json")
		json.NewEncoder(out).Encode(reply)
	default:
		http.NotFound(out, in)
	}
}

func (w *Web) answer(q question) map[string]any {
	var session, object, method string
	var args map[string]any
	for i, to := range []any{&session, &object, &method, &args} {
		if q.JSONRPC != "2.0" || q.Method != "call" || len(q.Params) != 4 || json.Unmarshal(q.Params[i], to) != nil {
			return failure(errParse)
		}
	}
	if session != NullSession || object != "latchkey" || method != "pickup" {
		return failure(errNoAccess)
	}
	name, ok := args["name"].(string)
	if !ok && args["name"] != nil || len(args) > 1 { // rpcd looks at the kinds of arguments
		return map[string]any{"result": []any{codeWrongArgument}}
	}
	data := w.PickUp(name)
	if answer, ok := data["answer"].(string); ok && w.Damages.Load() {
		data["answer"] = answer[1:]
	}
	return map[string]any{"result": []any{codeOK, data}}
}

func failure(code int) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": "error"}}
}
